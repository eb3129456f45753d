import type { Branded } from './branded.ts';

/** Who sells. 1 to 32 characters of 0-9 A-Z a-z _ -. */
export type MerchantId = Branded<string, 'MerchantId'>;
/** The merchant's own number of an order; the idempotency key. 1 to 64 characters. */
export type MerchantOrderNo = Branded<string, 'MerchantOrderNo'>;
/** The merchant's own number of a refund. 1 to 64 characters. */
export type MerchantRefundNo = Branded<string, 'MerchantRefundNo'>;
/** A payment channel, such as `wechat`. */
export type ChannelId = Branded<string, 'ChannelId'>;
/** An account at a channel, such as `wechat-a`. */
export type AccountId = Branded<string, 'AccountId'>;
/** The channel's own number of a transaction. At most 64 characters. */
export type ChannelTransactionId = Branded<string, 'ChannelTransactionId'>;
/** The number of an attempt within its payment, 1 to 9. */
export type AttemptNo = Branded<number, 'AttemptNo'>;

/** A payment has at most this many attempts: one digit behind the order number tells them apart. */
export const ATTEMPTS_MAX = 9;

const MERCHANT_ID = /^[0-9A-Za-z_-]{1,32}$/;
const MERCHANT_NO = /^[0-9A-Za-z_|*-]{1,64}$/;
const PLAIN_ID = /^[0-9a-z][0-9a-z-]{0,31}$/;

const parser =
  <Id extends string>(form: RegExp) =>
  (text: string): Id | undefined =>
    form.test(text) ? (text as Id) : undefined;

/** The id, or undefined where the text breaks the rule above. */
export const parseMerchantId = parser<MerchantId>(MERCHANT_ID);
/** The number, or undefined where the text breaks the rule above. */
export const parseMerchantOrderNo = parser<MerchantOrderNo>(MERCHANT_NO);
/** The number, or undefined where the text breaks the rule above. */
export const parseMerchantRefundNo = parser<MerchantRefundNo>(MERCHANT_NO);
/** The id (lower case, digits, hyphens; at most 32), or undefined. */
export const parseChannelId = parser<ChannelId>(PLAIN_ID);
/** The id (lower case, digits, hyphens; at most 32), or undefined. */
export const parseAccountId = parser<AccountId>(PLAIN_ID);

/** The attempt number, or undefined where it is not 1 to 9. */
export const parseAttemptNo = (value: number): AttemptNo | undefined =>
  Number.isInteger(value) && value >= 1 && value <= ATTEMPTS_MAX ? (value as AttemptNo) : undefined;
