import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { Movement } from '../ledger.ts';
import type { RefundSample } from './ambiguous-refunds.ts';

const SETTLED: ReadonlySet<PaymentState> = new Set([
  PaymentState.SUCCEEDED,
  PaymentState.DECLINED,
  PaymentState.FAILED,
  PaymentState.CLOSED,
]);

const numberOf = ({ outTradeNo, refundNo = '' }: Movement): string =>
  refundNo === '' ? outTradeNo.slice(0, 25) : refundNo;

/** When the channels moved money, by our numbers. */
export type KnownAt = {
  /** Of a payment, by its number of 25 digits. */
  readonly chargedAtMs: ReadonlyMap<string, number>;
  /** When money of a payment went back that nobody had asked for as a refund. */
  readonly reversedAtMs: ReadonlyMap<string, number>;
  /** Of a refund, by its number. */
  readonly refundedAtMs: ReadonlyMap<string, number>;
};

/** @param movements the oldest first. */
export const whenKnown = (movements: readonly Movement[]): KnownAt => {
  const timesOf = (kinds: readonly Movement['kind'][], isRefund: boolean) =>
    new Map(
      movements
        .filter((one) => kinds.includes(one.kind) && (one.refundNo !== undefined) === isRefund)
        .map((one) => [numberOf(one), one.atMs] as const),
    );
  return {
    chargedAtMs: timesOf(['charge'], false),
    reversedAtMs: timesOf(['refund', 'reversal'], false),
    refundedAtMs: timesOf(['refund'], true),
  };
};

/**
 * For how long our books did not have what was so, ms: from the moment at which the channel took the money, or where it took none from the end of the time to pay, until the books had the
 * payment's end; where what was taken was given back, until then. Infinite for one that has no end yet.
 */
export const latenessOfPayment = (payment: Payment | undefined, known: KnownAt): number => {
  if (payment === undefined || !SETTLED.has(payment.state)) return Number.POSITIVE_INFINITY;
  const chargedAtMs = known.chargedAtMs.get(payment.orderNo);
  const settledAtMs = Math.max(
    ...payment.attempts.map(({ settledAt }) =>
      settledAt === undefined ? Number.NEGATIVE_INFINITY : timestampMs(settledAt),
    ),
  );
  if (chargedAtMs === undefined) {
    const overAtMs = payment.expireAt === undefined ? settledAtMs : timestampMs(payment.expireAt);
    return Math.max(0, settledAtMs - overAtMs);
  }
  const backAtMs = known.reversedAtMs.get(payment.orderNo) ?? Number.NEGATIVE_INFINITY;
  return Math.max(0, settledAtMs - chargedAtMs, backAtMs - chargedAtMs);
};

/** The same of a refund, from the moment at which the channel gave the money back; of one that failed, from its making. */
export const latenessOfRefund = ({ refund }: RefundSample, { refundedAtMs }: KnownAt): number => {
  if (refund?.settledAt === undefined) return Number.POSITIVE_INFINITY;
  const createdAtMs = refund.createdAt === undefined ? 0 : timestampMs(refund.createdAt);
  return Math.max(0, timestampMs(refund.settledAt) - (refundedAtMs.get(refund.refundNo) ?? createdAtMs));
};
