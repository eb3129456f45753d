import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import type { Clock, Random } from '@tillmesh/clock';
import { selfSigned } from '@tillmesh/testing/self-signed';
import type { WechatAccount } from './account.ts';

/** How WeChat Pay signs: with a public key of its own, or with a certificate of its platform. */
export type SigningKind = 'public_key' | 'certificate';

/** What one answer or notification is signed with. */
export type Signer = {
  /** What Wechatpay-Serial says: `PUB_KEY_ID_…`, or the certificate's serial number. */
  readonly id: string;
  readonly privateKey: KeyObject;
};

type Validity = { readonly effectiveAtMs: number; readonly expiresAtMs: number };
/** A key that signs, and what merchants need to verify it. */
type Key = Signer & { readonly kind: SigningKind; readonly pem: string };
export type PlatformCertificate = Key & Validity;

const RSA_BITS = 2_048;
/** Kept side by side; a test certificate's serial is one byte. */
export const KEYS_MAX = 100;
/** How long a certificate is valid unless told; five years in reality. */
export const CERTIFICATE_MS = 5 * 365 * 86_400_000;

const pemOf = (privateKey: KeyObject): string =>
  createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();

/** What WeChat Pay signs with: several keys side by side, one of each kind in use. They end with the process; the configured ones do not. */
export interface PlatformKeys {
  /**
   * An answer follows the request's Wechatpay-Serial: a public key that is asked for signs, and where a certificate is asked for, the one in
   * use does. Where nothing that is known is asked for, and in notifications, the merchant's own setting counts.
   */
  signerFor(askedId: string, account: WechatAccount | undefined): Signer;
  /** What /v3/certificates lists: every certificate that has not been retired, those that begin later included. */
  certificates(): readonly PlatformCertificate[];
  list(): readonly object[];
  /** Makes a key beside the others, which is not in use yet; undefined where there are too many. */
  add(kind: SigningKind, validity: { readonly inMs: number; readonly forMs: number }): string | undefined;
  /** From now on this one of its kind signs; false: there is no such key. */
  use(id: string): boolean;
  /** Neither signs nor is listed any more. */
  retire(id: string): 'retired' | 'unknown' | 'in_use';
  /** What is signed for a merchant, or for all, where no request asks for a key: how WeChat Pay moves notifications over in steps. */
  signWith(kind: SigningKind, account: string | undefined): void;
}

export const createPlatformKeys = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly accounts: readonly WechatAccount[];
  readonly publicKey: Signer;
  /** PEM of the certificate and of its key. */
  readonly certificate: { readonly pem: string; readonly privateKey: KeyObject };
}): PlatformKeys => {
  const { clock, random, accounts, publicKey, certificate } = deps;
  const x509 = new X509Certificate(certificate.pem);
  const firstCertificate: PlatformCertificate = {
    kind: 'certificate',
    id: x509.serialNumber,
    privateKey: certificate.privateKey,
    pem: certificate.pem,
    effectiveAtMs: x509.validFromDate.getTime(),
    expiresAtMs: x509.validToDate.getTime(),
  };
  const publicKeys = new Map<string, Key>([
    [publicKey.id, { ...publicKey, kind: 'public_key', pem: pemOf(publicKey.privateKey) }],
  ]);
  const certificates = new Map<string, PlatformCertificate>([[firstCertificate.id, firstCertificate]]);
  const inUse: Record<SigningKind, Signer> = { public_key: publicKey, certificate: firstCertificate };
  const kindOf = new Map<string, SigningKind>(accounts.map(({ mchid, signedWith }) => [mchid, signedWith]));
  let made = 1;

  const shown = ({ kind, id, pem }: Key) => ({ kind, id, pem, inUse: inUse[kind].id === id });

  const newCertificate = ({ inMs, forMs }: { readonly inMs: number; readonly forMs: number }): PlatformCertificate => {
    made += 1;
    const { certificate: pem, privateKey } = selfSigned(made);
    const effectiveAtMs = clock.nowMs() + inMs;
    return {
      kind: 'certificate',
      id: new X509Certificate(pem).serialNumber,
      privateKey: createPrivateKey(privateKey),
      pem,
      effectiveAtMs,
      expiresAtMs: effectiveAtMs + forMs,
    };
  };

  const newPublicKey = (): Key => {
    made += 1;
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: RSA_BITS });
    const digits = String(random.below(10 ** 12)).padStart(30, '0');
    return { kind: 'public_key', id: `PUB_KEY_ID_01${digits}`, privateKey, pem: pemOf(privateKey) };
  };

  return {
    signerFor: (askedId, account) => {
      const asked = publicKeys.get(askedId);
      if (asked !== undefined) return asked;
      if (certificates.has(askedId)) return inUse.certificate;
      return inUse[kindOf.get(account?.mchid ?? '') ?? 'public_key'];
    },
    certificates: () => [...certificates.values()],
    list: () => [
      ...[...publicKeys.values()].map(shown),
      ...[...certificates.values()].map((key) => ({
        ...shown(key),
        effectiveAt: new Date(key.effectiveAtMs).toISOString(),
        expiresAt: new Date(key.expiresAtMs).toISOString(),
      })),
    ],
    add: (kind, validity) => {
      if (made >= KEYS_MAX) return undefined;
      if (kind === 'public_key') {
        const key = newPublicKey();
        publicKeys.set(key.id, key);
        return key.id;
      }
      const key = newCertificate(validity);
      certificates.set(key.id, key);
      return key.id;
    },
    use: (id) => {
      const key = publicKeys.get(id) ?? certificates.get(id);
      if (key === undefined) return false;
      inUse[key.kind] = key;
      return true;
    },
    retire: (id) => {
      const key = publicKeys.get(id) ?? certificates.get(id);
      if (key === undefined) return 'unknown';
      if (inUse[key.kind].id === id) return 'in_use';
      (key.kind === 'public_key' ? publicKeys : certificates).delete(id);
      return 'retired';
    },
    signWith: (kind, account) => {
      for (const { accountId, mchid } of accounts) {
        if (account === undefined || account === accountId || account === mchid) kindOf.set(mchid, kind);
      }
    },
  };
};
