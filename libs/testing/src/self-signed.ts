import { generateKeyPairSync, sign } from 'node:crypto';

/** One DER element: tag, length, content. */
export const der = (tag: number, ...content: Buffer[]): Buffer => {
  const body = Buffer.concat(content);
  const length =
    body.length < 0x80
      ? Buffer.from([body.length])
      : body.length < 0x100
        ? Buffer.from([0x81, body.length])
        : Buffer.from([0x82, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([Buffer.from([tag]), length, body]);
};

export const [SEQUENCE, SET, INTEGER, BIT_STRING, OCTET_STRING, UTF8, UTC_TIME, BOOLEAN] = [
  0x30, 0x31, 0x02, 0x03, 0x04, 0x0c, 0x17, 0x01,
];
/** An object identifier of ASN.1. @param hex its contents. */
export const objectId = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
export const SHA256_WITH_RSA = der(SEQUENCE, objectId('2a864886f70d01010b'), Buffer.from([0x05, 0x00]));
const COMMON_NAME = '550403';
export const BASIC_CONSTRAINTS = '551d13';
export const SUBJECT_ALT_NAME = '551d11';

/** A name with nothing but a common name in it. */
export const name = (text: string): Buffer =>
  der(SEQUENCE, der(SET, der(SEQUENCE, objectId(COMMON_NAME), der(UTF8, Buffer.from(text)))));
/** An extension of a certificate. @param id its object identifier, as hex of the contents. @param value its contents, DER. */
export const extension = (id: string, value: Buffer): Buffer => der(SEQUENCE, objectId(id), der(OCTET_STRING, value));

/** A certificate for 127.0.0.1 that is its own authority, made at run time (RFC 5280), with its key; both PEM. @param serial 1 to 127. */
export const selfSigned = (serial = 1): { readonly certificate: string; readonly privateKey: string } =>
  makeSelfSigned(serial, []);

/** The same, for further names. */
export const selfSignedFor = (
  hosts: readonly string[],
): { readonly certificate: string; readonly privateKey: string } => makeSelfSigned(1, hosts);

const makeSelfSigned = (
  serial: number,
  hosts: readonly string[],
): { readonly certificate: string; readonly privateKey: string } => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const utc = (text: string): Buffer => der(UTC_TIME, Buffer.from(text));
  const extensions = der(
    SEQUENCE,
    extension(BASIC_CONSTRAINTS, der(SEQUENCE, der(BOOLEAN, Buffer.from([0xff])))),
    extension(
      SUBJECT_ALT_NAME,
      der(
        SEQUENCE,
        // [7] iPAddress, [2] dNSName
        der(0x87, Buffer.from([127, 0, 0, 1])),
        ...hosts.map((host) => der(0x82, Buffer.from(host))),
      ),
    ),
  );
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, Buffer.from([serial])),
    SHA256_WITH_RSA,
    name('tillmesh test'),
    der(SEQUENCE, utc('200101000000Z'), utc('490101000000Z')),
    name('tillmesh test'),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signature = sign('sha256', body, privateKey);
  const certificate = der(SEQUENCE, body, SHA256_WITH_RSA, der(BIT_STRING, Buffer.from([0]), signature));
  const base64 =
    certificate
      .toString('base64')
      .match(/.{1,64}/g)
      ?.join('\n') ?? '';
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
};
