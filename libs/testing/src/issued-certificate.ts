import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  BASIC_CONSTRAINTS,
  BIT_STRING,
  BOOLEAN,
  der,
  extension,
  INTEGER,
  name,
  objectId,
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

const EXTENDED_KEY_USAGE = '551d25';
const USAGES = { 'server auth': '2b06010505070301', 'client auth': '2b06010505070302' } as const;

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
  /** Host names that it is for; none unless told. */
  readonly names?: readonly string[];
  /** What it is good for; for everything unless told. */
  readonly usages?: readonly ('server auth' | 'client auth')[];
}): Issued => {
  const {
    commonName,
    issuer,
    isAuthority = false,
    days = ['200101000000Z', '490101000000Z'],
    rsaBits = 2_048,
    addresses = [],
    names = [],
    usages,
  } = wish;
  const { publicKey, privateKey } = wish.keys ?? generateKeyPairSync('rsa', { modulusLength: rsaBits });
  // An issuer's serial numbers differ, those of another process included; the first byte keeps it positive.
  const serial = Buffer.concat([Buffer.from([0x4f]), randomBytes(7)]);
  const constraints = der(SEQUENCE, ...(isAuthority ? [der(BOOLEAN, Buffer.from([0xff]))] : []));
  // [7] iPAddress, [2] dNSName
  const hosts = [
    ...addresses.map((address) => der(0x87, Buffer.from(address.split('.').map(Number)))),
    ...names.map((host) => der(0x82, Buffer.from(host))),
  ];
  const alternatives = hosts.length === 0 ? [] : [extension(SUBJECT_ALT_NAME, der(SEQUENCE, ...hosts))];
  const extended =
    usages === undefined
      ? []
      : [extension(EXTENDED_KEY_USAGE, der(SEQUENCE, ...usages.map((usage) => objectId(USAGES[usage]))))];
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, serial),
    SHA256_WITH_RSA,
    name(issuer?.commonName ?? commonName),
    der(SEQUENCE, ...days.map(utc)),
    name(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, extension(BASIC_CONSTRAINTS, constraints), ...alternatives, ...extended)),
  );
  const signature = sign('sha256', body, issuer?.privateKey ?? privateKey);
  const whole = der(SEQUENCE, body, SHA256_WITH_RSA, der(BIT_STRING, Buffer.from([0]), signature));
  return { commonName, certificate: pemOf(whole), privateKey };
};
