import { type Clock, systemRandom } from '@tillmesh/clock';
import type { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { type Payment, PaymentKind, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import type { RpcClient } from '@tillmesh/rpc';
import { type JaegerTrace, traceFaults } from './trace-faults.ts';

export type CheckTools = {
  readonly cashier: RpcClient<typeof CashierService>;
  /** A fresh payment code of a payer with money. */
  readonly paymentCode: () => Promise<string>;
  /** Traces of an id; undefined where nobody keeps any. */
  readonly tracesOf: ((traceId: string) => Promise<readonly JaegerTrace[]>) | undefined;
  readonly merchantId: string;
  readonly clock: Clock;
  /** Gets a line for a person after each step. */
  readonly say: (line: string) => void;
};

const SETTLED_WITHIN_MS = 60_000;
const TRACED_WITHIN_MS = 60_000;
const AGAIN_MS = 500;
const AMOUNT = { currency: 'CNY', minorUnits: 1_200n };

/** The name of a wire value. */
const nameOf = (values: Readonly<Record<string, number>>, value: number): string =>
  Object.entries(values).find(([, candidate]) => candidate === value)?.[0] ?? String(value);

/** Asks again until the answer will do, or the time is over. */
const until = async <Value>(
  clock: Clock,
  withinMs: number,
  ask: () => Promise<Value>,
  willDo: (value: Value) => boolean,
): Promise<Value> => {
  const untilMs = clock.monotonicMs() + withinMs;
  for (;;) {
    const value = await ask();
    if (willDo(value) || clock.monotonicMs() > untilMs) return value;
    await clock.sleep(AGAIN_MS);
  }
};

/**
 * Makes a payment, repeats it with the same number, refunds it and finds its one trace.
 *
 * @throws {Error} of what is not as it has to be; an RpcError where a call is refused.
 */
export const checkPayment = async (tools: CheckTools): Promise<void> => {
  const { cashier, merchantId, clock, say } = tools;
  const request = {
    merchantId,
    merchantOrderNo: `CHECK-${systemRandom.hex(8)}`,
    amount: AMOUNT,
    kind: PaymentKind.PAYMENT_CODE,
    subject: 'payment check',
    terminalId: 'check',
    paymentCode: await tools.paymentCode(),
  };
  const { payment: first } = await cashier.createPayment(request);
  if (first === undefined) throw new Error('the cashier answers without a payment');
  const ref = { ref: { case: 'orderNo', value: first.orderNo } } as const;
  const read = async (): Promise<Payment> => (await cashier.getPayment({ payment: ref })).payment ?? first;
  const paid = await until(clock, SETTLED_WITHIN_MS, read, ({ state }) => state === PaymentState.SUCCEEDED);
  if (paid.state !== PaymentState.SUCCEEDED) {
    throw new Error(`payment ${first.orderNo} is ${nameOf(PaymentState, paid.state)}, and should be SUCCEEDED`);
  }
  say(`paid: ${paid.orderNo}, by ${paid.attempts.map(({ accountId }) => accountId).join(', ')}`);

  const { payment: again } = await cashier.createPayment(request);
  if (again?.orderNo !== first.orderNo) {
    throw new Error(`the same number gave another payment: ${again?.orderNo ?? 'none'} and not ${first.orderNo}`);
  }
  say('repeated with the same number: the same payment');

  const { refund } = await cashier.createRefund({
    payment: ref,
    merchantRefundNo: `${request.merchantOrderNo}-R`,
    amount: AMOUNT,
    reason: 'payment check',
  });
  if (refund === undefined) throw new Error('the cashier answers without a refund');
  const readRefund = async () =>
    (await cashier.getRefund({ ref: { case: 'refundNo', value: refund.refundNo } })).refund ?? refund;
  const back = await until(clock, SETTLED_WITHIN_MS, readRefund, ({ state }) => state === RefundState.SUCCEEDED);
  if (back.state !== RefundState.SUCCEEDED) {
    throw new Error(`refund ${refund.refundNo} is ${nameOf(RefundState, back.state)}, and should be SUCCEEDED`);
  }
  say(`refunded: ${refund.refundNo}`);

  const { tracesOf } = tools;
  if (tracesOf === undefined) {
    say('no Jaeger was named: its trace is not looked for');
    return;
  }
  const faults = await until(
    clock,
    TRACED_WITHIN_MS,
    async () => traceFaults(await tracesOf(paid.traceId)),
    (found) => found.length === 0,
  );
  if (faults.length > 0) throw new Error(`trace ${paid.traceId} of payment ${paid.orderNo}: ${faults.join('; ')}`);
  say(`traced: ${paid.traceId}, one trace without an orphan`);
};
