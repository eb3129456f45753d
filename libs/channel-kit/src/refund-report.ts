import { type Authenticity, equalMoney, isAuthentic, type Money, type RefundNews } from '@tillmesh/domain';
import type { CallFacts, RefundReport } from './channel.ts';

type Details = Partial<Omit<RefundReport, 'state' | 'facts'>>;

/** A report about a refund; what is left out is empty. */
export const refundReport = (facts: CallFacts, state: RefundReport['state'], details: Details = {}): RefundReport => ({
  state,
  facts,
  ruleId: '',
  channelRefundId: '',
  channelCode: '',
  channelMessage: '',
  refunded: undefined,
  refundNotFound: false,
  ...details,
});

/** What an answer says of a refund. */
export type ToldRefund = {
  readonly refundNo: string | undefined;
  readonly refunded: Money | undefined;
  /** True where the refund belongs to the order and the account that were asked about. */
  readonly isOurs: boolean;
};

/**
 * The state that an answer says a refund has, or unknown where the answer is not authentic or speaks of something else.
 *
 * @param expected undefined for a notification, whose amount is checked by whoever applies it.
 */
export const refundStateOf = (
  says: RefundNews['state'] | undefined,
  told: ToldRefund,
  expected: { readonly refundNo: string; readonly amount: Money } | undefined,
  authenticity: Authenticity | undefined,
): RefundReport['state'] => {
  if (says === undefined || !isAuthentic(authenticity) || !told.isOurs || told.refundNo === undefined) return 'unknown';
  if (expected !== undefined && told.refundNo !== expected.refundNo) return 'unknown';
  if (says === 'succeeded' || says === 'processing') {
    if (told.refunded === undefined) return 'unknown';
    if (expected !== undefined && !equalMoney(told.refunded, expected.amount)) return 'unknown';
  }
  return says;
};
