import type { KeyObject, X509Certificate } from 'node:crypto';
import { type ReadCertificate, readCertificates, snOf } from './certificate.ts';

/** Certificates kept at once; the oldest is forgotten first. */
const LEARNED_MAX = 4;
/** Numbers that were asked for lately, and how long each is not asked for again: an answer can name any number. */
const ASKED_MAX = 16;
const ASK_AGAIN_AFTER_MS = 60_000;
const CONTENT_CHARACTERS_MAX = 32_768;
const RSA_BITS_MIN = 2_048;
// Alipay's certificate, one between and a root.
const STEPS_MAX = 3;

const isIssuedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

const leadsToRoot = (
  certificate: X509Certificate,
  between: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  steps: number,
  isValid: (certificate: X509Certificate) => boolean,
): boolean =>
  isValid(certificate) &&
  (roots.some((root) => isValid(root) && isIssuedBy(certificate, root)) ||
    (steps > 0 &&
      between.some(
        (issuer) => isIssuedBy(certificate, issuer) && leadsToRoot(issuer, between, roots, steps - 1, isValid),
      )));

/**
 * The key of a certificate that Alipay offers in the place of a configured one. Undefined unless it has the number that was asked for, the
 * name and the issuer of a configured one, leads to a configured root by certificates whose days are not over, and is no authority
 * itself: every merchant has a certificate of the same roots, so a root alone says nothing of Alipay.
 *
 * @param content as Alipay sends it: PEM in base64, the certificate first and then what stands between it and the root.
 */
export const nextKeyOf = (
  content: string,
  wanted: {
    readonly sn: string;
    readonly known: readonly ReadCertificate[];
    readonly roots: readonly X509Certificate[];
    readonly nowMs: number;
  },
): KeyObject | undefined => {
  if (content.length > CONTENT_CHARACTERS_MAX) return undefined;
  const [certificate, ...between] = readCertificates(Buffer.from(content, 'base64').toString('utf8'));
  if (certificate === undefined || certificate.ca) return undefined;
  const isValid = ({ validFromDate, validToDate }: X509Certificate): boolean =>
    validFromDate.getTime() <= wanted.nowMs && wanted.nowMs <= validToDate.getTime();
  try {
    const { publicKey, subject, issuer } = certificate;
    const follows = wanted.known.some(
      ({ certificate: before }) => before.subject === subject && before.issuer === issuer,
    );
    const isRsa =
      publicKey.asymmetricKeyType === 'rsa' && (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS_MIN;
    const isRight = follows && isRsa && snOf(certificate) === wanted.sn;
    return isRight && leadsToRoot(certificate, between.slice(0, STEPS_MAX), wanted.roots, STEPS_MAX, isValid)
      ? publicKey
      : undefined;
  } catch {
    // A key of a kind that OpenSSL does not know.
    return undefined;
  }
};

/** What an account has learned of Alipay's next certificates since it was loaded. */
export class LearnedCertificates {
  readonly #keys = new Map<string, KeyObject>();
  readonly #askedAtMs = new Map<string, number>();

  get(sn: string): KeyObject | undefined {
    return this.#keys.get(sn);
  }

  keys(): readonly KeyObject[] {
    return [...this.#keys.values()];
  }

  /** Whether to ask for a number now; counts as asked. */
  mayAsk(sn: string, nowMs: number): boolean {
    for (const [asked, atMs] of this.#askedAtMs) if (nowMs - atMs >= ASK_AGAIN_AFTER_MS) this.#askedAtMs.delete(asked);
    if (this.#askedAtMs.has(sn) || this.#askedAtMs.size >= ASKED_MAX) return false;
    this.#askedAtMs.set(sn, nowMs);
    return true;
  }

  learn(sn: string, key: KeyObject): void {
    this.#keys.set(sn, key);
    const [oldest] = this.#keys.keys();
    if (this.#keys.size > LEARNED_MAX && oldest !== undefined) this.#keys.delete(oldest);
  }
}
