import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { AttemptSchema } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { type Payment, PaymentSchema, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { expect, test } from 'vitest';
import { latenessOfPayment, whenKnown } from '../lateness.ts';

const ORDER = '1'.repeat(25);
const AT_MS = Date.UTC(2026, 10, 27);

const payment = (state: PaymentState, settledMs: number, expireMs = 60_000): Payment =>
  create(PaymentSchema, {
    orderNo: ORDER,
    state,
    expireAt: timestampFromMs(AT_MS + expireMs),
    attempts: [create(AttemptSchema, { attemptNo: 1, settledAt: timestampFromMs(AT_MS + settledMs) })],
  });
const moved = (kind: 'charge' | 'refund' | 'reversal', afterMs: number, refundNo?: string) => ({
  kind,
  outTradeNo: `${ORDER}1`,
  amountFen: 100,
  atMs: AT_MS + afterMs,
  ...(refundNo === undefined ? {} : { refundNo }),
});

test.each([
  ['paid, from the charge on', payment(PaymentState.SUCCEEDED, 9_000), [moved('charge', 2_000)], 7_000],
  ['paid, known before the channel’s own clock', payment(PaymentState.SUCCEEDED, 1_000), [moved('charge', 2_000)], 0],
  ['unpaid, before its time was over', payment(PaymentState.CLOSED, 50_000), [], 0],
  ['unpaid, from the end of its time on', payment(PaymentState.CLOSED, 75_000), [], 15_000],
  [
    'taken and given back, until it was back',
    payment(PaymentState.CLOSED, 3_000),
    [moved('charge', 1_000), moved('reversal', 30_000)],
    29_000,
  ],
  [
    'paid and refunded: the refund is none of it',
    payment(PaymentState.SUCCEEDED, 3_000),
    [moved('charge', 1_000), moved('refund', 90_000, 'R1')],
    2_000,
  ],
  ['on its way', payment(PaymentState.PAYING, 0), [moved('charge', 1_000)], Number.POSITIVE_INFINITY],
  ['not there', undefined, [], Number.POSITIVE_INFINITY],
] as const)('a payment that is %s', (_, of, movements, lateMs) => {
  expect(latenessOfPayment(of, whenKnown(movements))).toBe(lateMs);
});
