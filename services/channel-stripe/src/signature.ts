import { createHmac } from 'node:crypto';
import { equalInConstantTime } from '@tillmesh/channel-kit';

/** HMAC-SHA256 in lower-case hex over exactly these bytes. */
export const webhookHmac = (payload: string | Uint8Array, secret: string): string =>
  createHmac('sha256', secret).update(payload).digest('hex');

const hmacOfWebhook = (seconds: number, body: string | Uint8Array, secret: string): string =>
  webhookHmac(Buffer.concat([Buffer.from(`${seconds}.`, 'utf8'), Buffer.from(body)]), secret);

/** The value of Stripe-Signature, as Stripe writes it. @param seconds since 1970. */
export const signWebhook = (seconds: number, body: string | Uint8Array, secret: string): string =>
  `t=${seconds},v1=${hmacOfWebhook(seconds, body, secret)}`;

/** What is known of a webhook's signature. `stale`: right, and of another time. */
export type WebhookSignature = 'verified' | 'absent' | 'invalid' | 'stale';

/** Further off than this, a signature is of another time (docs.stripe.com/webhooks: 5 minutes). */
export const TOLERANCE_SECONDS = 300;

const HEADER_CHARACTERS_MAX = 4_096;

/**
 * Verifies Stripe-Signature, `t=…,v1=…[,v1=…]`, over the body's bytes as they came. One right v1 is enough, so that one secret can
 * follow another; v0 and whatever else stands there is ignored.
 */
export const verifyWebhook = (
  header: string,
  body: Uint8Array,
  secrets: readonly string[],
  nowSeconds: number,
): WebhookSignature => {
  if (header === '') return 'absent';
  if (header.length > HEADER_CHARACTERS_MAX) return 'invalid';
  const items = header.split(',').map((item) => item.trim());
  const times = items.filter((item) => item.startsWith('t='));
  const [time = ''] = times;
  // Two times would leave open which one was signed.
  if (times.length !== 1 || !/^t=[0-9]{1,12}$/.test(time)) return 'invalid';
  const seconds = Number(time.slice(2));
  const signatures = items.filter((item) => item.startsWith('v1=')).map((item) => item.slice(3));
  // `t=007` and `t=7` are one number and two texts: what was signed is the text.
  const signed = Buffer.concat([Buffer.from(`${time.slice(2)}.`, 'utf8'), body]);
  const isRight = secrets.some((secret) => {
    const right = webhookHmac(signed, secret);
    return signatures.some((signature) => equalInConstantTime(signature, right));
  });
  if (!isRight) return signatures.length === 0 ? 'absent' : 'invalid';
  return Math.abs(nowSeconds - seconds) <= TOLERANCE_SECONDS ? 'verified' : 'stale';
};
