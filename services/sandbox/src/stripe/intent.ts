import { addFen, type Fen, subtractFen, ZERO_FEN } from '../fen.ts';
import type { Act } from '../script.ts';

export const METHODS = ['card', 'wechat_pay', 'alipay'] as const;
export type Method = (typeof METHODS)[number];

export const isMethod = (text: string): text is Method => METHODS.some((method) => method === text);

/** A payer who is at it: in the wallet, or at the bank's page. */
export type PayerAtWork = { readonly endsAtMs: number; readonly then: 'pays' | 'gives_up' };

type Common = {
  /** `pi_…`. */
  readonly id: string;
  readonly accountId: string;
  readonly stripeAccountId: string;
  /** `metadata.order_no`, or the id where there is none: what the ledger counts by. */
  readonly outTradeNo: string;
  /** In the currency's smallest unit, whichever the currency is. */
  readonly amount: Fen;
  /** Lower case, as Stripe writes it. */
  readonly currency: string;
  readonly methods: readonly Method[];
  /** `pm_…`, once there is one. */
  readonly paymentMethod: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly description: string | undefined;
  readonly acts: readonly Act[];
  readonly createdAtMs: number;
};

export type LastError = { readonly declineCode: string };

/** Nothing to pay with yet, or what there was has failed. */
export type WithoutMethod = Common & {
  readonly status: 'requires_payment_method';
  readonly lastError: LastError | undefined;
};
export type Unconfirmed = Common & { readonly status: 'requires_confirmation' };
/** The payer has to scan, or to go to another page. */
export type WaitingForPayer = Common & {
  readonly status: 'requires_action';
  readonly method: Method;
  /** What the payer opens: the text of the QR code, or an address. */
  readonly code: string;
  readonly payerId: string | undefined;
  readonly atWork: PayerAtWork | undefined;
};
export type Succeeded = Common & {
  readonly status: 'succeeded';
  readonly method: Method;
  /** `ch_…`. */
  readonly chargeId: string;
  readonly payerId: string;
  readonly paidAtMs: number;
  /** What is on its way back or has arrived. */
  readonly returned: Fen;
};
export type Canceled = Common & {
  readonly status: 'canceled';
  readonly canceledAtMs: number;
  readonly reason: string | undefined;
};

export type Intent = WithoutMethod | Unconfirmed | WaitingForPayer | Succeeded | Canceled;
export type Terms = Common;
/** An intent that can still be confirmed or canceled. */
export type Open = WithoutMethod | Unconfirmed | WaitingForPayer;

export const isOpen = (intent: Intent): intent is Open => intent.status !== 'succeeded' && intent.status !== 'canceled';

/** What an intent is in every state. */
export const termsOf = (intent: Intent): Terms => {
  const { id, accountId, stripeAccountId, outTradeNo, amount, currency, methods } = intent;
  const { paymentMethod, metadata, description, acts, createdAtMs } = intent;
  const named = { id, accountId, stripeAccountId, outTradeNo, amount, currency, methods };
  return { ...named, paymentMethod, metadata, description, acts, createdAtMs };
};

export const withoutMethod = (terms: Terms, lastError?: LastError): WithoutMethod => ({
  ...terms,
  paymentMethod: undefined,
  status: 'requires_payment_method',
  lastError,
});

export const unconfirmed = (terms: Terms, paymentMethod: string): Unconfirmed => ({
  ...terms,
  paymentMethod,
  status: 'requires_confirmation',
});

export const waitingForPayer = (
  terms: Terms,
  by: Pick<WaitingForPayer, 'method' | 'code' | 'payerId' | 'atWork' | 'paymentMethod'>,
): WaitingForPayer => ({ ...terms, ...by, status: 'requires_action' });

export const succeeded = (
  terms: Terms,
  by: Pick<Succeeded, 'method' | 'chargeId' | 'payerId' | 'paidAtMs' | 'paymentMethod'>,
): Succeeded => ({ ...terms, ...by, status: 'succeeded', returned: ZERO_FEN });

export const canceled = (intent: Open, canceledAtMs: number, reason: string | undefined): Canceled => ({
  ...termsOf(intent),
  status: 'canceled',
  canceledAtMs,
  reason,
});

export const refundable = ({ amount, returned }: Succeeded): Fen => subtractFen(amount, returned);
export const returning = (intent: Succeeded, amount: Fen): Succeeded => ({
  ...intent,
  returned: addFen(intent.returned, amount),
});
/** A refund that failed comes back to the account. */
export const notReturning = (intent: Succeeded, amount: Fen): Succeeded => ({
  ...intent,
  returned: subtractFen(intent.returned, amount),
});
