import { createHash, type KeyObject, X509Certificate } from 'node:crypto';

// The signature algorithms of roots that count: RSA with SHA-1 or SHA-256. The bundle has roots of other kinds as well (SM2).
const RSA_SIGNATURES: ReadonlySet<string> = new Set(['1.2.840.113549.1.1.5', '1.2.840.113549.1.1.11']);
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** The number of a certificate (app_cert_sn, alipay_cert_sn). */
export const snOf = (certificate: X509Certificate): string => {
  // Node prints names in the certificate's own order, one a line; Alipay wants them reversed, with commas.
  const issuer = certificate.issuer.split('\n').toReversed().join(',');
  const serial = BigInt(`0x${certificate.serialNumber}`).toString();
  return createHash('md5').update(`${issuer}${serial}`, 'utf8').digest('hex');
};

/** The certificates in a text, in their order; none where one of them cannot be read. */
export const readCertificates = (pem: string): readonly X509Certificate[] => {
  try {
    return readAll(pem);
  } catch {
    return [];
  }
};

const readAll = (pem: string): readonly X509Certificate[] =>
  [...pem.matchAll(PEM)].map(([text]) => new X509Certificate(text));

/** A certificate, its number and its key. */
export type ReadCertificate = { readonly sn: string; readonly key: KeyObject; readonly certificate: X509Certificate };

/** A certificate of Alipay's kind: its number (app_cert_sn, alipay_cert_sn) and its key. Undefined where the text holds none. */
export const readCertificate = (pem: string): ReadCertificate | undefined => {
  try {
    const [first] = readAll(pem);
    return first === undefined ? undefined : { sn: snOf(first), key: first.publicKey, certificate: first };
  } catch {
    return undefined;
  }
};

/** The number of a bundle of roots (alipay_root_cert_sn): those of every RSA root, joined by `_`. Undefined where there is none. */
export const rootCertSn = (bundlePem: string): string | undefined => {
  try {
    const numbers = readAll(bundlePem)
      .filter(({ signatureAlgorithmOid }) => RSA_SIGNATURES.has(signatureAlgorithmOid ?? ''))
      .map(snOf);
    return numbers.length === 0 ? undefined : numbers.join('_');
  } catch {
    return undefined;
  }
};
