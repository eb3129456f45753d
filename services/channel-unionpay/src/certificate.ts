import { type KeyObject, X509Certificate } from 'node:crypto';
import type { SignatureState } from '@tillmesh/domain';
import { type AcpFields, verify } from './signature.ts';

/** Whose certificates an account believes when an answer carries one. */
export type CertificateTrust = {
  /** Roots, and what they have issued that issues certificates itself. */
  readonly authorities: readonly X509Certificate[];
  /** The names that UnionPay's signing certificates have. */
  readonly signerNames: readonly string[];
};

const CHARACTERS_MAX = 8_192;
// UnionPay's certificate, one between and a root; one more for a root that follows another.
const AUTHORITIES_MAX = 3;
const RSA_BITS_MIN = 2_048;
const ONE_CERTIFICATE = /^-----BEGIN CERTIFICATE-----[0-9A-Za-z+/=\s]+-----END CERTIFICATE-----$/;

/** A certificate in PEM, one and no more; undefined for anything else. */
export const readCertificate = (pem: string): X509Certificate | undefined => {
  const text = pem.trim();
  if (text.length > CHARACTERS_MAX || !ONE_CERTIFICATE.test(text)) return undefined;
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
};

/** Whether it issues certificates and a root begins its chain. Days are not looked at: they pass while a service runs. */
export const hasRoot = (authority: X509Certificate, authorities: readonly X509Certificate[]): boolean =>
  authority.ca && isAnchored(authority, authorities, AUTHORITIES_MAX, () => true);

const isAnchored = (
  certificate: X509Certificate,
  authorities: readonly X509Certificate[],
  steps: number,
  isValid: (certificate: X509Certificate) => boolean,
): boolean => {
  if (!isValid(certificate)) return false;
  if (certificate.ca && isIssuedBy(certificate, certificate)) {
    return authorities.some(({ fingerprint256 }) => fingerprint256 === certificate.fingerprint256);
  }
  return (
    steps > 0 &&
    authorities.some(
      (authority) =>
        authority.ca && isIssuedBy(certificate, authority) && isAnchored(authority, authorities, steps - 1, isValid),
    )
  );
};

const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

/**
 * Whom a certificate names. UnionPay's CN is `serial@kind@name@number`, as the official SDK reads it; a CN of another form is a name as a
 * whole. Undefined unless there is one CN.
 */
export const signerNameOf = ({ subject }: X509Certificate): string | undefined => {
  const [commonName, ...more] = (subject ?? '').split('\n').filter((line) => line.startsWith('CN='));
  if (commonName === undefined || more.length > 0) return undefined;
  const text = commonName.slice('CN='.length);
  const parts = text.split('@');
  return parts.length > 2 ? parts[2] : text;
};

/**
 * The key of the certificate that an answer carries. Undefined unless it is UnionPay's: its days have begun and are not over, as those
 * of all that stand above it; a configured root is at the top; the name is one of UnionPay's; and it is no authority itself.
 */
export const signerKeyOf = (
  pem: string,
  { authorities, signerNames }: CertificateTrust,
  nowMs: number,
): KeyObject | undefined => {
  const certificate = readCertificate(pem);
  if (certificate === undefined || certificate.ca) return undefined;
  const name = signerNameOf(certificate);
  if (name === undefined || !signerNames.includes(name)) return undefined;
  const isValid = ({ validFromDate, validToDate }: X509Certificate): boolean =>
    validFromDate.getTime() <= nowMs && nowMs <= validToDate.getTime();
  try {
    const { publicKey } = certificate;
    const isRsa =
      publicKey.asymmetricKeyType === 'rsa' && (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS_MIN;
    return isRsa && isAnchored(certificate, authorities, AUTHORITIES_MAX, isValid) ? publicKey : undefined;
  } catch {
    // A key of a kind that OpenSSL does not know.
    return undefined;
  }
};

/** What is known of the signature of an answer or a notification: by a configured key, or by the certificate in it. */
export const verifyTold = (
  fields: AcpFields,
  account: { readonly unionpayCertificates: readonly KeyObject[]; readonly certificateTrust: CertificateTrust },
  nowMs: number,
): SignatureState => {
  const byKeys = verify(fields, account.unionpayCertificates);
  const { signPubKeyCert = '' } = fields;
  if (byKeys !== 'invalid' || account.certificateTrust.authorities.length === 0) return byKeys;
  const key = signerKeyOf(signPubKeyCert, account.certificateTrust, nowMs);
  return key === undefined ? byKeys : verify(fields, [key]);
};
