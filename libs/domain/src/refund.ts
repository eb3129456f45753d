import type { AttemptNo, MerchantId, MerchantRefundNo } from './ids.ts';
import { equalMoney, type Money } from './money.ts';
import type { OrderNo } from './order-number.ts';
import type { LearnedBy } from './outcome.ts';
import type { Moves } from './state-machine.ts';

export const REFUND_STATES = ['requested', 'processing', 'unknown', 'succeeded', 'failed', 'abnormal'] as const;
/** Where a refund stands. `abnormal`: the channel cannot give the money back the way it came; a person has to act. */
export type RefundState = (typeof REFUND_STATES)[number];

/** What can happen to a refund. */
export type RefundEvent = 'in_process' | 'lost' | 'confirmed' | 'refused' | 'stuck';

/** Every legal move of a refund. */
export const REFUND_MOVES = {
  requested: {
    in_process: 'processing',
    lost: 'unknown',
    confirmed: 'succeeded',
    refused: 'failed',
    stuck: 'abnormal',
  },
  processing: { confirmed: 'succeeded', refused: 'failed', stuck: 'abnormal' },
  unknown: { in_process: 'processing', confirmed: 'succeeded', refused: 'failed', stuck: 'abnormal' },
  abnormal: { confirmed: 'succeeded', in_process: 'processing' },
  succeeded: {},
  failed: {},
} as const satisfies Moves<RefundState, RefundEvent>;

export const REFUND_CAUSES = ['merchant', 'surplus'] as const;
/** Who wanted the refund. */
export type RefundCause = (typeof REFUND_CAUSES)[number];

/** Money that goes back. */
export type Refund = {
  readonly refundNo: OrderNo;
  readonly orderNo: OrderNo;
  readonly merchantId: MerchantId;
  readonly merchantRefundNo: MerchantRefundNo;
  readonly amount: Money;
  readonly state: RefundState;
  readonly cause: RefundCause;
  readonly reason: string;
  readonly attemptNo: AttemptNo;
  readonly channelRefundId: string;
  readonly channelCode: string;
  readonly learnedBy: LearnedBy | undefined;
  readonly createdAtMs: number;
  readonly settledAtMs: number | undefined;
  readonly version: number;
};

/** What a channel says of a refund. */
export type RefundNews = {
  readonly state: Exclude<RefundState, 'requested'>;
  /** What the channel says goes back; undefined where it does not say. */
  readonly refunded: Money | undefined;
};

export type RefundSettlement =
  | { readonly kind: 'unchanged'; readonly why: string }
  | { readonly kind: 'moved'; readonly event: RefundEvent; readonly to: RefundState }
  | { readonly kind: 'hold'; readonly why: string };

const EVENT_OF: Record<RefundNews['state'], RefundEvent> = {
  processing: 'in_process',
  unknown: 'lost',
  succeeded: 'confirmed',
  failed: 'refused',
  abnormal: 'stuck',
};

/** What news does to a refund, whoever learned it. */
export const settleRefund = (refund: Pick<Refund, 'state' | 'amount'>, news: RefundNews): RefundSettlement => {
  const amountDiffers =
    news.state === 'succeeded' && news.refunded !== undefined && !equalMoney(news.refunded, refund.amount);
  if (amountDiffers) return { kind: 'hold', why: 'the channel gave back another amount than was asked' };
  if (news.state === refund.state) return { kind: 'unchanged', why: 'duplicate' };
  const event = EVENT_OF[news.state];
  const moves: Moves<RefundState, RefundEvent> = REFUND_MOVES;
  const to = moves[refund.state][event];
  if (to !== undefined) return { kind: 'moved', event, to };
  const contradicts =
    (refund.state === 'failed' && news.state === 'succeeded') ||
    (refund.state === 'succeeded' && news.state === 'failed');
  return contradicts
    ? { kind: 'hold', why: `the channel says ${news.state} of a refund that is ${refund.state}` }
    : { kind: 'unchanged', why: `${news.state} is older news than ${refund.state}` };
};
