import type { OrderNo } from './order-number.ts';

export const MERCHANT_EVENT_KINDS = [
  'payment_succeeded',
  'payment_failed',
  'payment_closed',
  'refund_succeeded',
  'refund_failed',
] as const;
/** What merchants are told of: a payment or a refund has come to its end. */
export type MerchantEventKind = (typeof MERCHANT_EVENT_KINDS)[number];

export const WEBHOOK_SIGNINGS = ['ed25519', 'hmac-sha256'] as const;
/** How a webhook is signed. */
export type WebhookSigning = (typeof WEBHOOK_SIGNINGS)[number];

/** Where a merchant is told. */
export type MerchantWebhook = {
  /** Unique within the merchant; what was not delivered yet waits for it under this name. */
  readonly endpointId: string;
  readonly url: string;
  readonly signing: WebhookSigning;
  /** Keys to sign with, one or, while keys change, two. */
  readonly keyIds: readonly string[];
  /** Only of these; empty for all. */
  readonly kinds: readonly MerchantEventKind[];
};

const PAYMENT_KINDS_BY_STATE: ReadonlyMap<string, MerchantEventKind> = new Map([
  ['succeeded', 'payment_succeeded'],
  ['failed', 'payment_failed'],
  ['closed', 'payment_closed'],
]);
const REFUND_KINDS_BY_STATE: ReadonlyMap<string, MerchantEventKind> = new Map([
  ['succeeded', 'refund_succeeded'],
  ['failed', 'refund_failed'],
]);

/**
 * The event that a line of a payment's story is; undefined where merchants are not told of it.
 *
 * @param line `event` and `state` as the order groups write them down.
 */
export const merchantEventKindOf = (line: {
  readonly event: string;
  readonly state: string;
}): MerchantEventKind | undefined => {
  if (line.event === 'payment_moved') return PAYMENT_KINDS_BY_STATE.get(line.state);
  return line.event === 'refund_moved' ? REFUND_KINDS_BY_STATE.get(line.state) : undefined;
};

/** The same however often it is told: number of the payment or refund, its version then, and what happened. At most 60 characters. */
export const merchantEventId = (number: OrderNo, version: number, kind: MerchantEventKind): string =>
  `${number}.${version}.${kind}`;
