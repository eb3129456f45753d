import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  BASIC_CONSTRAINTS,
  BIT_STRING,
  BOOLEAN,
  der,
  extension,
  INTEGER,
  name,
  SEQUENCE,
  SHA256_WITH_RSA,
  SUBJECT_ALT_NAME,
  UTC_TIME,
} from './self-signed.ts';

/** A certificate that was made for a test, in PEM, with its key. */
export type Issued = {
  readonly commonName: string;
  readonly certificate: string;
  readonly privateKey: KeyObject;
};

const LINE = /.{1,64}/g;
const pemOf = (bytes: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').match(LINE)?.join('\n') ?? ''}\n-----END CERTIFICATE-----\n`;
const utc = (text: string): Buffer => der(UTC_TIME, Buffer.from(text));

/**
 * Makes a certificate (RFC 5280) and its key.
 *
 * @param wish.issuer none: it is its own.
 * @param wish.days when it is valid, as YYMMDDhhmmssZ; 2020 to 2049 unless told.
 */
export const issueCertificate = (wish: {
  readonly commonName: string;
  readonly issuer?: Issued;
  readonly isAuthority?: boolean;
  readonly days?: readonly [from: string, to: string];
  readonly rsaBits?: number;
  /** Whose certificate it is; new keys unless told. */
  readonly keys?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  /** Hosts that it is for, IPv4; none unless told. */
  readonly addresses?: readonly string[];
}): Issued => {
  const {
    commonName,
    issuer,
    isAuthority = false,
    days = ['200101000000Z', '490101000000Z'],
    rsaBits = 2_048,
    addresses = [],
  } = wish;
  const { publicKey, privateKey } = wish.keys ?? generateKeyPairSync('rsa', { modulusLength: rsaBits });
  // An issuer's serial numbers differ, those of another process included; the first byte keeps it positive.
  const serial = Buffer.concat([Buffer.from([0x4f]), randomBytes(7)]);
  const constraints = der(SEQUENCE, ...(isAuthority ? [der(BOOLEAN, Buffer.from([0xff]))] : []));
  // [7] iPAddress
  const ips = addresses.map((address) => der(0x87, Buffer.from(address.split('.').map(Number))));
  const alternatives = ips.length === 0 ? [] : [extension(SUBJECT_ALT_NAME, der(SEQUENCE, ...ips))];
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, serial),
    SHA256_WITH_RSA,
    name(issuer?.commonName ?? commonName),
    der(SEQUENCE, ...days.map(utc)),
    name(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, extension(BASIC_CONSTRAINTS, constraints), ...alternatives)),
  );
  const signature = sign('sha256', body, issuer?.privateKey ?? privateKey);
  const whole = der(SEQUENCE, body, SHA256_WITH_RSA, der(BIT_STRING, Buffer.from([0]), signature));
  return { commonName, certificate: pemOf(whole), privateKey };
};
