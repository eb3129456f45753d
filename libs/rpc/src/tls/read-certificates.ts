import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorTypeOf } from '@tillmesh/telemetry';

/** What a process proves itself with and whom it believes, as PEM; read at one moment and found to fit together. */
export type Certificates = {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  readonly authorities: Buffer;
  /** When the first of the certificate's chain ends. */
  readonly endsAtMs: number;
};

/** As a Secret of type kubernetes.io/tls names them, and cert-manager beside it. */
const FILES = { certificate: 'tls.crt', privateKey: 'tls.key', authorities: 'ca.crt' } as const;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** More than one file of certificates ever has; a loop of issuers ends here too. */
const CHAIN_MAX = 16;

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

const certificatesIn = (file: string, pem: Buffer): readonly X509Certificate[] => {
  const blocks = pem.toString('latin1').match(PEM) ?? [];
  if (blocks.length === 0) throw new Error(`${file} has no certificate (-----BEGIN CERTIFICATE-----)`);
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new Error(`${file} has a certificate that cannot be read: ${errorTypeOf(error)}`, { cause: error });
    }
  });
};

const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

/** Whether a chain leads from the first certificate to one of the authorities. */
const isTrusted = (chain: readonly X509Certificate[], authorities: readonly X509Certificate[]): boolean => {
  let [last] = chain;
  for (let length = 0; last !== undefined && length < CHAIN_MAX; length += 1) {
    const present = last;
    if (authorities.some((authority) => isIssuedBy(present, authority))) return true;
    last = chain.find((other) => other !== present && isIssuedBy(present, other));
  }
  return false;
};

const assertFit = (
  { certificate, privateKey, authorities }: Omit<Certificates, 'endsAtMs'>,
  nowMs: number,
): { readonly endsAtMs: number } => {
  const chain = certificatesIn(FILES.certificate, certificate);
  const [own] = chain;
  if (own === undefined) throw new Error(`${FILES.certificate} has no certificate`);
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(privateKey);
  } catch (error) {
    throw new Error(`${FILES.privateKey} is no private key in PEM without a password`, { cause: error });
  }
  if (!own.checkPrivateKey(key)) throw new Error(`${FILES.privateKey} is not the key of ${FILES.certificate}`);
  if (own.validFromDate.getTime() > nowMs)
    throw new Error(`${FILES.certificate} begins only at ${own.validFromDate.toISOString()}`);
  if (own.validToDate.getTime() <= nowMs)
    throw new Error(`${FILES.certificate} ended at ${own.validToDate.toISOString()}; issue a new one`);
  // A process is a server to some neighbours and a client to others; without the extension a certificate is good for both.
  const usages: readonly string[] | undefined = own.keyUsage;
  for (const [usage, words] of [
    [SERVER_AUTH, 'server auth'],
    [CLIENT_AUTH, 'client auth'],
  ] as const) {
    if (usages !== undefined && !usages.includes(usage))
      throw new Error(`${FILES.certificate} is not for ${words}: issue it with the usages server auth and client auth`);
  }
  if (!isTrusted(chain, certificatesIn(FILES.authorities, authorities)))
    throw new Error(`${FILES.certificate} is issued by none of the authorities in ${FILES.authorities}`);
  return { endsAtMs: own.validToDate.getTime() };
};

/**
 * Reads tls.crt, tls.key and ca.crt of a folder, all of the same moment.
 *
 * @throws {Error} naming the file and what to do, where one lacks or they do not fit together.
 */
export const readCertificates = async (folder: string, nowMs: number): Promise<Certificates> => {
  // Kubernetes changes a mounted Secret by pointing ..data elsewhere: read through it file by file, a certificate could come with the key of another one.
  const place = await realpath(join(folder, FILES.certificate)).then(dirname, () => folder);
  const read = async (file: string): Promise<Buffer> => {
    try {
      return await readFile(join(place, file));
    } catch (error) {
      throw new Error(`${join(folder, file)} cannot be read: ${errorTypeOf(error)}`, { cause: error });
    }
  };
  const [certificate, privateKey, authorities] = await Promise.all([
    read(FILES.certificate),
    read(FILES.privateKey),
    read(FILES.authorities),
  ]);
  const files = { certificate, privateKey, authorities };
  return { ...files, ...assertFit(files, nowMs) };
};
