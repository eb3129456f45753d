import type { AttemptState } from './attempt.ts';
import { isLiveAttempt } from './attempt.ts';
import type { AccountId, AttemptNo, ChannelId, ChannelTransactionId, MerchantId, MerchantOrderNo } from './ids.ts';
import type { Money } from './money.ts';
import type { OrderNo } from './order-number.ts';
import type { DeclineReason, LearnedBy } from './outcome.ts';
import type { KnownDetails } from './payment-details.ts';
import type { Moves } from './state-machine.ts';
import type { PaymentKind, Wallet } from './wallet.ts';

export const PAYMENT_STATES = ['unbound', 'paying', 'declined', 'succeeded', 'failed', 'closed', 'void'] as const;
/**
 * Where a payment stands. `unbound` and `void` are the store's own and never leave it: an order that was written away
 * from its home and is not yet allowed to be paid, and one that lost to another order of the same merchant number.
 */
export type PaymentState = (typeof PAYMENT_STATES)[number];

/** The states that callers see: to them an order in another one is on its way, or is another order. */
export type VisiblePaymentState = Exclude<PaymentState, 'unbound' | 'void'>;

/** Whether callers are shown a payment in this state. */
export const isVisible = (state: PaymentState): state is VisiblePaymentState => state !== 'unbound' && state !== 'void';

/** What can happen to a payment. */
export type PaymentEvent =
  | 'bound'
  | 'deferred'
  | 'voided'
  | 'confirmed'
  | 'declined'
  | 'failed'
  | 'closed'
  | 'continued';

/** Every legal move of a payment. Final states have none. */
export const PAYMENT_MOVES = {
  unbound: { bound: 'paying', voided: 'void' },
  paying: {
    confirmed: 'succeeded',
    declined: 'declined',
    failed: 'failed',
    closed: 'closed',
    // Before its first channel call, when it cannot be decided whether another order has the number: a repeat decides.
    deferred: 'unbound',
    voided: 'void',
  },
  declined: { continued: 'paying', confirmed: 'succeeded', closed: 'closed' },
  succeeded: {},
  failed: {},
  closed: {},
  void: {},
} as const satisfies Moves<PaymentState, PaymentEvent>;

/** One try through one channel account. */
export type Attempt = {
  readonly attemptNo: AttemptNo;
  readonly accountId: AccountId;
  readonly channelId: ChannelId;
  readonly state: AttemptState;
  readonly channelTransactionId: ChannelTransactionId | undefined;
  readonly channelCode: string;
  readonly ruleId: string;
  readonly learnedBy: LearnedBy | undefined;
  readonly routeReason: string;
  readonly startedAtMs: number;
  readonly settledAtMs: number | undefined;
};

/** What a payer's device has to do next. */
export type ClientAction =
  | { readonly kind: 'qr_code'; readonly qrCode: string }
  | { readonly kind: 'jsapi'; readonly parameters: Readonly<Record<string, string>> }
  | { readonly kind: 'redirect'; readonly url: string }
  | { readonly kind: 'app'; readonly parameters: Readonly<Record<string, string>> };

/** A payment as the store holds it. */
export type Payment = {
  readonly orderNo: OrderNo;
  readonly merchantId: MerchantId;
  readonly merchantOrderNo: MerchantOrderNo;
  readonly amount: Money;
  readonly kind: PaymentKind;
  readonly wallet: Wallet;
  readonly subject: string;
  readonly state: PaymentState;
  readonly version: number;
  readonly attempts: readonly Attempt[];
  readonly action: ClientAction | undefined;
  readonly learnedBy: LearnedBy | undefined;
  readonly declineReason: DeclineReason | undefined;
  /** Held by refunds that are not definitely refused. */
  readonly refundReserved: Money;
  /** Given back. */
  readonly refunded: Money;
  readonly createdAtMs: number;
  readonly expireAtMs: number;
  readonly paidAtMs: number | undefined;
  readonly terminalId: string;
  readonly storeId: string;
  readonly traceparent: string;
  readonly needsPerson: string;
  /** What is known of it beyond that it is paid. */
  readonly details?: KnownDetails | undefined;
};

/** The attempt that may still move money by itself; at most one. */
export const liveAttempt = (payment: Pick<Payment, 'attempts'>): Attempt | undefined =>
  payment.attempts.findLast((attempt) => isLiveAttempt(attempt.state));

/** True where nothing can be paid any more and nothing will change by itself. */
export const isFinalPayment = (state: PaymentState): boolean => Object.keys(PAYMENT_MOVES[state]).length === 0;
