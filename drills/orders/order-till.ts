import type { Clock, Random } from '@tillmesh/clock';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { LearnedBy, OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { type Payment, PaymentKind, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient, toRpcError } from '@tillmesh/rpc';

/** A new order as its callers saw it. Times are ms from the beginning of the load. */
export type OrderSample = {
  readonly merchantId: string;
  readonly merchantOrderNo: string;
  readonly minorUnits: bigint;
  readonly atMs: number;
  /** Until the first answer of any kind. */
  firstTookMs: number;
  /** The reason of the first answer, where that was an error. */
  firstError: string | undefined;
  /** Until the first answer with an order, ms; undefined where there was none. */
  tookMs: number | undefined;
  orderNo: string | undefined;
  groupTag: number | undefined;
  /** Every answer that told its caller to call the channel: at most one order and one caller may get that. */
  readonly grants: { readonly orderNo: string; readonly token: string }[];
  /** Every reason of an error, in order. */
  readonly errors: string[];
  /** True once the order store has answered that it has the channel's answer: paid. */
  isPaid: boolean;
};

/** What a till of a drill does with the order store. */
export type OrderTill = {
  /** Sends a new order once. */
  send(sample: OrderSample, token: string): Promise<'answered' | 'repeat' | 'refused'>;
  /** Sends it again, under the same number, until it is answered or the time is up. */
  sendUntilAnswered(sample: OrderSample, token: string, untilMs: () => number): Promise<void>;
  /** Brings the channel's answer, that it is paid, until the order store has it or the time is up. */
  pay(sample: OrderSample, untilMs: () => number): Promise<void>;
  /** Calls that ended without an answer, by the reason of the last error. */
  readonly givenUp: ReadonlyMap<string, number>;
  /** Reads an order by its number. Throws RpcError. */
  read(orderNo: string): Promise<Payment | undefined>;
  close(): void;
};

const CALL_MS_MAX = 3_000;
/** Doubled with each repeat: the refused ones of a long failure must not become a load of their own. */
const REPEAT_AFTER_MS = 250;
const REPEAT_AFTER_MS_MAX = 4_000;
/** Calls that repeat another one and are under way at once. */
const REPEATS_AT_ONCE = 16;
const EXPIRES_AFTER_MS = 3_600_000;
/** Nobody looks after these orders but the drill. */
const FIRST_CHECK_AFTER_SECONDS = 3_600n;

/** A new order of a drill's merchants. */
export const newSample = (random: Random, prefix: string, atMs: number): OrderSample => ({
  merchantId: `drill-${random.below(50)}`,
  merchantOrderNo: `${prefix}-${random.hex(10)}`,
  minorUnits: BigInt(100 + random.below(50_000)),
  atMs,
  firstTookMs: 0,
  firstError: undefined,
  tookMs: undefined,
  orderNo: undefined,
  groupTag: undefined,
  grants: [],
  errors: [],
  isPaid: false,
});

/** A till that calls the order store itself, as the cashier does. */
export const createOrderTill = (options: {
  readonly target: string;
  readonly clock: Clock;
  /** When the load began, of the monotonic clock. */
  readonly beganMs: number;
}): OrderTill => {
  const { target, clock, beganMs } = options;
  const store: RpcClient<typeof OrderStoreService> = createClient(OrderStoreService, {
    target,
    caller: 'cashier',
    capMs: CALL_MS_MAX,
    clock,
  });
  const sinceBegin = () => clock.monotonicMs() - beganMs;
  const timestamp = (ms: number) => ({ seconds: BigInt(Math.floor(ms / 1_000)), nanos: 0 });

  let repeating = 0;
  const givenUp = new Map<string, number>();

  /** Does it again until it is done or the time is up. */
  const repeated = async (sample: OrderSample, untilMs: () => number, once: () => Promise<boolean>): Promise<void> => {
    for (let waitMs = REPEAT_AFTER_MS; sinceBegin() <= untilMs(); waitMs = Math.min(waitMs * 2, REPEAT_AFTER_MS_MAX)) {
      await clock.sleep(waitMs);
      while (repeating >= REPEATS_AT_ONCE) await clock.sleep(20);
      repeating += 1;
      const isDone = await once().finally(() => {
        repeating -= 1;
      });
      if (isDone) return;
    }
    const last = sample.errors.at(-1) ?? '';
    givenUp.set(last, (givenUp.get(last) ?? 0) + 1);
  };

  const send: OrderTill['send'] = async (sample, token) => {
    const { merchantId, merchantOrderNo, minorUnits } = sample;
    const sentMs = sinceBegin();
    const isFirst = sample.firstTookMs === 0;
    try {
      const { payment, created } = await store.createOrder({
        merchantId,
        merchantOrderNo,
        amount: { currency: 'CNY', minorUnits },
        kind: PaymentKind.PAYMENT_CODE,
        wallet: Wallet.WECHAT,
        subject: 'a drill',
        expireAt: timestamp(clock.nowMs() + EXPIRES_AFTER_MS),
        attempt: { accountId: 'wechat-a', channelId: 'wechat', routeReason: 'a drill', token },
        firstCheckAfter: { seconds: FIRST_CHECK_AFTER_SECONDS, nanos: 0 },
      });
      if (payment === undefined) throw new Error('an answer without a payment');
      if (created) sample.grants.push({ orderNo: payment.orderNo, token });
      sample.tookMs ??= sinceBegin() - sample.atMs;
      sample.orderNo ??= payment.orderNo;
      sample.groupTag ??= payment.groupTag;
      return 'answered';
    } catch (error) {
      const { reason, code, metadata } = toRpcError(error);
      const name = [reason, reason === 'TRANSPORT' ? String(code) : metadata['why']].filter(Boolean).join(' ');
      sample.errors.push(name);
      if (isFirst) sample.firstError = name;
      return reason === 'MERCHANT_ORDER_NO_REUSED' || reason === 'REQUEST_INVALID' ? 'refused' : 'repeat';
    } finally {
      if (isFirst) sample.firstTookMs = sinceBegin() - sentMs;
    }
  };

  return {
    send,
    sendUntilAnswered: async (sample, token, untilMs) => {
      if ((await send(sample, token)) !== 'repeat') return;
      await repeated(sample, untilMs, async () => (await send(sample, token)) !== 'repeat');
    },
    pay: async (sample, untilMs) => {
      const { orderNo, minorUnits } = sample;
      if (orderNo === undefined) return;
      const bring = async (): Promise<boolean> => {
        try {
          await store.applyAttemptResult({
            orderNo,
            attemptNo: 1,
            result: {
              outcome: OutcomeKind.SUCCEEDED,
              transport: Transport.ANSWERED,
              signature: SignatureState.VERIFIED,
              host: 'drill',
              sends: 1,
              httpStatus: 200,
              channelCode: 'SUCCESS',
              channelTransactionId: `T${orderNo}`,
              paid: { currency: 'CNY', minorUnits },
              paidAt: timestamp(clock.nowMs()),
            },
            learnedBy: LearnedBy.ANSWER,
            nextCheckAfter: { seconds: FIRST_CHECK_AFTER_SECONDS, nanos: 0 },
          });
          sample.isPaid = true;
          return true;
        } catch (error) {
          sample.errors.push(`pay: ${toRpcError(error).reason}`);
          return false;
        }
      };
      if (!(await bring())) await repeated(sample, untilMs, bring);
    },
    givenUp,
    read: async (orderNo) => (await store.getOrder({ payment: { ref: { case: 'orderNo', value: orderNo } } })).payment,
    close: () => store.close(),
  };
};
