import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { issueCertificate } from '@tillmesh/testing/issued-certificate';

/** What a channel signs with, and the certificate of it in PEM. */
export type SigningCertificate = { readonly privateKey: KeyObject; readonly certificate: string };

/** A channel's signing certificate, which another one can follow while the sandbox runs. Lives as long as the process. */
export interface RotatingCertificate {
  readonly current: SigningCertificate;
  /** All since the start, the oldest first. */
  readonly all: readonly SigningCertificate[];
  /** Signs from now on with a new key and a certificate by the same authority. False where the authority's key is not there. */
  rotate(): boolean;
}

const commonNameOf = (name: string): string =>
  name
    .split('\n')
    .find((line) => line.startsWith('CN='))
    ?.slice('CN='.length) ?? '';

/** @throws where the key is not the certificate's. */
export const createRotatingCertificate = (
  first: SigningCertificate,
  issuer: { readonly rootFile?: string | undefined; readonly rootKey?: KeyObject | undefined },
): RotatingCertificate => {
  const { subject, issuer: issuerName, publicKey } = new X509Certificate(first.certificate);
  if (!createPublicKey(first.privateKey).equals(publicKey)) throw new Error('a certificate has another key');
  let all: readonly SigningCertificate[] = [first];
  let current = first;
  const { rootFile, rootKey } = issuer;
  return {
    get current() {
      return current;
    },
    get all() {
      return all;
    },
    rotate: () => {
      if (rootFile === undefined || rootKey === undefined) return false;
      const root = { commonName: commonNameOf(issuerName), certificate: rootFile, privateKey: rootKey };
      current = issueCertificate({ commonName: commonNameOf(subject), issuer: root });
      all = [...all, current];
      return true;
    },
  };
};
