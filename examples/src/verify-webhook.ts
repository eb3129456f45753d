// How a merchant's program knows that a webhook came from the mesh and is new. Nothing but Node is needed; libraries of the
// Standard Webhooks specification do the same for HMAC-SHA-256.
import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';

/** The merchant's half of a key. */
export type WebhookKey =
  /** `whsec_` and base64: the secret that both sides have. */
  | { readonly kind: 'hmac-sha256'; readonly secret: string }
  /** `whpk_` and base64: the mesh's public key, 32 bytes. */
  | { readonly kind: 'ed25519'; readonly publicKey: string };

export type ReceivedWebhook = {
  /** Of the HTTP request, names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Exactly the bytes that came: a body that was parsed and written again has another signature. */
  readonly body: Buffer;
};

const CLOCKS_DIFFER_MS_MAX = 300_000;
const SPKI_OF_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');

const bytesOf = (text: string, prefix: string): Buffer =>
  Buffer.from(text.startsWith(prefix) ? text.slice(prefix.length) : text, 'base64');

const fits = (entry: string, content: Buffer, key: WebhookKey): boolean => {
  const [version, text = ''] = entry.split(',');
  const signature = Buffer.from(text, 'base64');
  if (version === 'v1' && key.kind === 'hmac-sha256') {
    const expected = createHmac('sha256', bytesOf(key.secret, 'whsec_')).update(content).digest();
    return signature.length === expected.length && timingSafeEqual(signature, expected);
  }
  if (version === 'v1a' && key.kind === 'ed25519') {
    const der = Buffer.concat([SPKI_OF_ED25519, bytesOf(key.publicKey, 'whpk_')]);
    return verify(null, content, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
  }
  return false;
};

/**
 * Whether a webhook is the mesh's: one of its signatures fits one of the keys, and its time is within five minutes of ours. What was
 * seen before is seen by its id (`webhook-id`), which stays the same however often it is sent.
 */
export const isGenuine = (webhook: ReceivedWebhook, keys: readonly WebhookKey[], nowMs: number): boolean => {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => {
    const value = webhook.headers[name];
    return typeof value === 'string' ? value : '';
  });
  if (!id || !timestamp || !signatures) return false;
  const differsMs = Math.abs(Number(timestamp) * 1_000 - nowMs);
  if (!(differsMs <= CLOCKS_DIFFER_MS_MAX)) return false;
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), webhook.body]);
  return signatures.split(' ').some((entry) => keys.some((key) => fits(entry, content, key)));
};
