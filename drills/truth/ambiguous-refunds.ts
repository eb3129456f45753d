import type { Clock, Random } from '@tillmesh/clock';
import type { Mesh } from '@tillmesh/local-mesh';
import type { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Refund, RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import type { RpcClient } from '@tillmesh/rpc';
import { EXCHANGE_FAULTS, type Fault, NOTIFICATION_FAULTS, pick } from '../channels/ambiguous-payments.ts';
import { type Ambiguous, readPayment, scriptOnce } from '../channels/ambiguous-till.ts';
import { askAsATill } from '../payment-stream.ts';

const REFUNDED_SHARE = 0.35;
const WHOLE_SHARE = 0.5;
const FAULTY_SHARE = { refund: 0.6, query: 0.4, notification: 0.4 };
const LOOK_EVERY_MS = 1_000;
const READERS = 16;

type Cashier = RpcClient<typeof CashierService>;

/** Money that is to go back, and what goes wrong with it. */
export type RefundPlan = {
  /** Share of the payment, above 0 up to 1. */
  readonly share: number;
  readonly refund: Fault | undefined;
  readonly query: Fault | undefined;
  readonly notification: Fault | undefined;
};

/** A refund as its till saw it. */
export type RefundSample = {
  readonly of: Ambiguous;
  readonly merchantRefundNo: string;
  readonly minorUnits: bigint;
  readonly plan: RefundPlan;
  /** As it was last read; undefined where it was never answered. */
  refund: Refund | undefined;
  readonly errors: string[];
};

/** What is given back of a payment if it is paid: nothing, all of it, or a part. */
export const planRefund = (random: Random): RefundPlan | undefined => {
  const some = (share: number, faults: readonly Fault[]) =>
    random.fraction() < share ? pick(faults, random) : undefined;
  const isRefunded = random.fraction() < REFUNDED_SHARE;
  const share = random.fraction() < WHOLE_SHARE ? 1 : 0.1 + 0.8 * random.fraction();
  const plan = {
    share,
    refund: some(FAULTY_SHARE.refund, EXCHANGE_FAULTS),
    query: some(FAULTY_SHARE.query, EXCHANGE_FAULTS),
    notification: some(FAULTY_SHARE.notification, NOTIFICATION_FAULTS),
  };
  return isRefunded ? plan : undefined;
};

/** Gives a payment back as planned, once it is paid; undefined where it was not paid in time. */
export const refundAmbiguously = async (
  mesh: Mesh,
  cashier: Cashier,
  of: Ambiguous,
  plan: RefundPlan,
  clock: Clock,
  paidWithinMs: number,
): Promise<RefundSample | undefined> => {
  const deadlineMs = clock.monotonicMs() + paidWithinMs;
  let payment = of.sample.answer;
  while (payment?.state !== PaymentState.SUCCEEDED) {
    if (clock.monotonicMs() > deadlineMs) return undefined;
    await clock.sleep(LOOK_EVERY_MS);
    payment = await readPayment(cashier, of.sample).catch(() => payment);
    if (payment?.state === PaymentState.CLOSED || payment?.state === PaymentState.FAILED) return undefined;
  }
  const { orderNo } = payment;
  const match = { outTradeNoPrefix: orderNo };
  const once = (operations: readonly string[], fault: Fault | undefined) =>
    fault === undefined ? undefined : scriptOnce(mesh, clock, { match, operations, act: fault.act });
  await once(['refund'], plan.refund);
  await once(['refund_query'], plan.query);
  await once(['notification'], plan.notification);
  const { minorUnits } = of.sample;
  const part = plan.share === 1 ? minorUnits : BigInt(Math.max(1, Math.floor(Number(minorUnits) * plan.share)));
  const sample: RefundSample = {
    of,
    merchantRefundNo: `BACK-${of.sample.merchantOrderNo}`,
    minorUnits: part,
    plan,
    refund: undefined,
    errors: [],
  };
  await askAsATill(
    async () => {
      const { refund } = await cashier.createRefund({
        payment: { ref: { case: 'orderNo', value: orderNo } },
        merchantRefundNo: sample.merchantRefundNo,
        amount: { currency: 'CNY', minorUnits: part },
        reason: 'drill',
      });
      sample.refund = refund;
      return refund !== undefined;
    },
    sample.errors,
    clock,
  );
  return sample;
};

/** Whether nothing more becomes of a refund by itself. */
const isAtRest = ({ refund }: RefundSample): boolean =>
  refund?.state === RefundState.SUCCEEDED || refund?.state === RefundState.FAILED;

/** Reads refunds until all are at rest, or the time is up. @returns those that are not. */
export const settleRefunds = async (
  cashier: Cashier,
  samples: readonly RefundSample[],
  clock: Clock,
  withinMs: number,
): Promise<readonly RefundSample[]> => {
  const deadlineMs = clock.monotonicMs() + withinMs;
  for (;;) {
    const open = samples.filter((sample) => !isAtRest(sample));
    if (open.length === 0 || clock.monotonicMs() > deadlineMs) return open;
    const waiting = [...open];
    await Promise.all(
      Array.from({ length: READERS }, async () => {
        for (let sample = waiting.pop(); sample !== undefined; sample = waiting.pop()) {
          const { merchantId, merchantOrderNo } = sample.of.sample;
          const payment = { ref: { case: 'merchantOrder', value: { merchantId, merchantOrderNo } } } as const;
          const value = { payment, merchantRefundNo: sample.merchantRefundNo };
          const read = await cashier.getRefund({ ref: { case: 'merchantRefund', value } }).catch(() => undefined);
          sample.refund = read?.refund ?? sample.refund;
        }
      }),
    );
    await clock.sleep(LOOK_EVERY_MS);
  }
};
