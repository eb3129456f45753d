import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { systemClock } from '@tillmesh/clock';
import {
  type AccountId,
  type Attempt,
  type AttemptNo,
  type ChannelId,
  formatOrderNo,
  groupTag,
  type MerchantId,
  type MerchantOrderNo,
  type MerchantRefundNo,
  money,
  type OrderNo,
  type Payment,
  type Refund,
  settleAttempt,
  settleRefund,
} from '@tillmesh/domain';
import type { AttemptPlan, OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { PaymentRef, PaymentSchema } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Implementation, notYet, rpcErrors } from '@tillmesh/rpc';
import {
  actionFromWire,
  attemptToWire,
  kindMap,
  learnedByMap,
  moneyFromWire,
  outcomeFromWire,
  paymentToWire,
  refundStateMap,
  refundToWire,
  walletMap,
} from '@tillmesh/wire';

type Order = { payment: Payment; tokens: Map<number, string>; readonly traceparent: string };
type Method = keyof Implementation<typeof OrderStoreService>;

/** What goes wrong with the next call of a method: it is not carried out, now or for good, or its answer is lost afterwards. */
export type StoreFault = 'away' | 'broken' | 'answer_lost';

/**
 * The order store's promises, kept in memory: numbers and tokens are idempotent, news moves a payment as libs/domain decides, and
 * every change is a version. No groups and no schedules: the order store's own tests are about those.
 */
export type MemoryOrderStore = {
  readonly handlers: Implementation<typeof OrderStoreService>;
  /** Methods that were called, in order. */
  readonly calls: Method[];
  /** The only payment; fails where there are more or none. */
  onlyPayment(): Payment;
  payments(): readonly Payment[];
  refunds(): readonly Refund[];
  /** On whose word each of them was made, as the trajectory would say. */
  readonly refundsAllowedBy: string[];
  /** Lets the next calls of a method fail, one after the other. */
  fail(method: Method, ...faults: readonly StoreFault[]): void;
  /** Something happens right before the next call of a method is carried out. */
  before(method: Method, happening: () => void | Promise<void>): void;
  /** Changes a payment behind everybody's back. */
  change(orderNo: string, changes: Partial<Payment>): void;
};

const attemptOf = (plan: AttemptPlan, attemptNo: number): Attempt => ({
  attemptNo: attemptNo as AttemptNo,
  accountId: plan.accountId as AccountId,
  channelId: plan.channelId as ChannelId,
  state: 'started',
  channelTransactionId: undefined,
  channelCode: '',
  ruleId: '',
  learnedBy: undefined,
  routeReason: plan.routeReason,
  startedAtMs: systemClock.nowMs(),
  settledAtMs: undefined,
});

const required = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw rpcErrors.requestInvalid(`${what} is missing`);
  return value;
};

const unknownPayment = () => rpcErrors.paymentUnknown('no such payment');

/** Creates a store without orders. */
export const createMemoryOrderStore = (): MemoryOrderStore => {
  const orders = new Map<string, Order>();
  const refunds = new Map<string, Refund>();
  const refundsAllowedBy: string[] = [];
  const calls: Method[] = [];
  const faults = new Map<Method, StoreFault[]>();
  const happenings = new Map<Method, (() => void | Promise<void>)[]>();
  let drawn = 0;

  const nextNumber = (): OrderNo => {
    drawn += 1;
    return formatOrderNo({ day: 300, msOfDay: drawn, groupTag: groupTag(1), workerId: 1, sequence: 0 });
  };
  const orderOf = (orderNo: string): Order => {
    const order = orders.get(orderNo);
    if (order === undefined) throw unknownPayment();
    return order;
  };
  const named = (ref: PaymentRef | undefined): Order => {
    if (ref?.ref.case === 'orderNo') return orderOf(ref.ref.value);
    const merchant = ref?.ref.case === 'merchantOrder' ? ref.ref.value : undefined;
    const found = [...orders.values()].find(
      ({ payment }) =>
        payment.merchantId === merchant?.merchantId && payment.merchantOrderNo === merchant.merchantOrderNo,
    );
    if (found === undefined) throw unknownPayment();
    return found;
  };
  const refundOf = (refundNo: string): Refund => {
    const refund = refunds.get(refundNo);
    if (refund === undefined) throw rpcErrors.refundUnknown('no such refund');
    return refund;
  };
  const shown = ({ payment }: Order): MessageInitShape<typeof PaymentSchema> =>
    paymentToWire(payment, { traceId: '', fromReplica: false, withDetails: true });
  const move = (order: Order, changes: Partial<Payment>): void => {
    order.payment = { ...order.payment, ...changes, version: order.payment.version + 1 };
  };
  /** True where the latest attempt is this caller's own and its channel was not called. */
  const isOwn = (order: Order, plan: AttemptPlan | undefined): boolean => {
    const last = order.payment.attempts.at(-1);
    return last?.state === 'started' && plan !== undefined && order.tokens.get(last.attemptNo) === plan.token;
  };
  const addAttempt = (order: Order, plan: AttemptPlan, changes: Partial<Payment> = {}): void => {
    const attempt = attemptOf(plan, order.payment.attempts.length + 1);
    move(order, { attempts: [...order.payment.attempts, attempt], ...changes });
    order.tokens.set(attempt.attemptNo, plan.token);
  };

  const handlers: Implementation<typeof OrderStoreService> = {
    createOrder: async (request) => {
      const { merchantId, merchantOrderNo } = request;
      const amount = required(moneyFromWire(request.amount), 'amount');
      const attempt = required(request.attempt, 'attempt');
      const found = [...orders.values()].find(
        ({ payment }) => payment.merchantId === merchantId && payment.merchantOrderNo === merchantOrderNo,
      );
      if (found !== undefined) {
        if (found.payment.amount.minorUnits !== amount.minorUnits) {
          throw rpcErrors.merchantOrderNoReused('another amount', { metadata: { field: 'amount' } });
        }
        return { payment: shown(found), created: isOwn(found, attempt), bounced: false };
      }
      const zero = money(amount.currency, 0n);
      const order: Order = {
        traceparent: request.traceparent,
        tokens: new Map([[1, attempt.token]]),
        payment: {
          orderNo: nextNumber(),
          merchantId: merchantId as MerchantId,
          merchantOrderNo: merchantOrderNo as MerchantOrderNo,
          amount,
          kind: required(kindMap.fromWire(request.kind), 'kind'),
          wallet: required(walletMap.fromWire(request.wallet), 'wallet'),
          subject: request.subject,
          state: 'paying',
          version: 1,
          attempts: [attemptOf(attempt, 1)],
          action: undefined,
          learnedBy: undefined,
          declineReason: undefined,
          refundReserved: zero,
          refunded: zero,
          createdAtMs: systemClock.nowMs(),
          expireAtMs: timestampMs(required(request.expireAt, 'expire_at')),
          paidAtMs: undefined,
          terminalId: request.terminalId,
          storeId: request.storeId,
          traceparent: request.traceparent,
          needsPerson: '',
        },
      };
      orders.set(order.payment.orderNo, order);
      return { payment: shown(order), created: true, bounced: false };
    },

    applyAttemptResult: async (request) => {
      const order = orderOf(request.orderNo);
      const attemptNo = request.attemptNo as AttemptNo;
      const outcome = outcomeFromWire(request.result);
      const { nextAttempt } = request;
      const settlement = settleAttempt(order.payment, attemptNo, outcome, {
        nowMs: systemClock.nowMs(),
        hasNextAttempt: nextAttempt !== undefined,
      });
      if (settlement.kind !== 'moved') {
        return { payment: shown(order), changed: false, nextAttemptStarted: isOwn(order, nextAttempt) };
      }
      const succeeded = outcome.kind === 'succeeded' ? outcome : undefined;
      const attempts = order.payment.attempts.map((attempt) =>
        attempt.attemptNo === attemptNo
          ? {
              ...attempt,
              state: settlement.attempt.to,
              channelCode: request.result?.channelCode ?? '',
              channelTransactionId: succeeded?.channelTransactionId ?? attempt.channelTransactionId,
            }
          : attempt,
      );
      move(order, {
        attempts,
        state: settlement.payment?.to ?? order.payment.state,
        learnedBy: learnedByMap.fromWire(request.learnedBy),
        declineReason: outcome.kind === 'failed_definite' ? outcome.reason : undefined,
        action: actionFromWire(request.result?.action) ?? order.payment.action,
      });
      if (settlement.startNext && nextAttempt !== undefined) addAttempt(order, nextAttempt);
      return { payment: shown(order), changed: true, nextAttemptStarted: settlement.startNext };
    },

    startAttempt: async (request) => {
      const order = orderOf(request.orderNo);
      const attempt = required(request.attempt, 'attempt');
      if (isOwn(order, attempt)) return { payment: shown(order) };
      const isRepeated = [...order.tokens.values()].includes(attempt.token);
      if (isRepeated || order.payment.version !== request.expectedVersion || order.payment.state !== 'declined') {
        throw rpcErrors.versionConflict('it moved');
      }
      addAttempt(order, attempt, { state: 'paying', declineReason: undefined });
      return { payment: shown(order) };
    },

    closeOrder: async (request) => {
      const order = orderOf(request.orderNo);
      const { state } = order.payment;
      if (state === 'closed') return { payment: shown(order), changed: false };
      if (state !== 'declined') throw rpcErrors.paymentState(`a payment that is ${state} is not closed like this`);
      move(order, { state: 'closed' });
      return { payment: shown(order), changed: true };
    },

    getOrder: async (request) => {
      const order = named(request.payment);
      return { payment: shown(order), traceparent: order.traceparent };
    },

    createRefund: async (request) => {
      const order = orderOf(request.orderNo);
      const { payment } = order;
      if (payment.state !== 'succeeded')
        throw rpcErrors.paymentState(`a payment that is ${payment.state} is not refunded`);
      const left = payment.amount.minorUnits - payment.refundReserved.minorUnits;
      const before = [...refunds.values()].find(
        (refund) => refund.orderNo === payment.orderNo && refund.merchantRefundNo === request.merchantRefundNo,
      );
      const amount = moneyFromWire(request.amount) ?? before?.amount ?? money(payment.amount.currency, left);
      if (before === undefined && amount.minorUnits > left) throw rpcErrors.refundExceedsPaid(`${left} are left`);
      const paidBy = required(
        payment.attempts.find(({ state }) => state === 'succeeded'),
        'a paid attempt',
      );
      const refund: Refund = before ?? {
        refundNo: nextNumber(),
        orderNo: payment.orderNo,
        merchantId: payment.merchantId,
        merchantRefundNo: request.merchantRefundNo as MerchantRefundNo,
        amount,
        state: 'requested',
        cause: 'merchant',
        reason: request.reason,
        attemptNo: paidBy.attemptNo,
        channelRefundId: '',
        channelCode: '',
        learnedBy: undefined,
        createdAtMs: systemClock.nowMs(),
        settledAtMs: undefined,
        version: 1,
      };
      refunds.set(refund.refundNo, refund);
      if (before === undefined) {
        refundsAllowedBy.push(request.allowedBy);
        const reserved = payment.refundReserved.minorUnits + amount.minorUnits;
        move(order, { refundReserved: money(payment.amount.currency, reserved) });
      }
      return {
        refund: refundToWire(refund),
        created: before === undefined,
        attempt: attemptToWire(payment.orderNo, paidBy),
        payment: shown(order),
      };
    },

    applyRefundResult: async (request) => {
      const refund = refundOf(request.refundNo);
      const state = refundStateMap.fromWire(request.result?.state ?? 0) ?? 'unknown';
      const settlement = settleRefund(refund, {
        state: state === 'requested' ? 'unknown' : state,
        refunded: moneyFromWire(request.result?.refunded),
      });
      if (settlement.kind !== 'moved') return { refund: refundToWire(refund), changed: false };
      const isSettled = settlement.to === 'succeeded' || settlement.to === 'failed';
      const moved: Refund = {
        ...refund,
        state: settlement.to,
        version: refund.version + 1,
        channelRefundId: request.result?.channelRefundId ?? '',
        settledAtMs: isSettled ? systemClock.nowMs() : undefined,
      };
      refunds.set(moved.refundNo, moved);
      return { refund: refundToWire(moved), changed: true };
    },

    getRefund: async ({ ref }) => {
      if (ref.case === 'refundNo') return { refund: refundToWire(refundOf(ref.value)) };
      const asked = ref.case === 'orderRefund' ? ref.value : undefined;
      const found = [...refunds.values()].find(
        (refund) => refund.orderNo === asked?.orderNo && refund.merchantRefundNo === asked.merchantRefundNo,
      );
      return { refund: refundToWire(refundOf(found?.refundNo ?? '')) };
    },

    claimDue: notYet('ClaimDue'),
    scheduleCheck: async (request) => {
      // Its wire form is checked by the server; there is no schedule to keep.
      required(durationMs(required(request.nextCheckAfter, 'next_check_after')), 'next_check_after');
      return {};
    },
    listOpenWork: notYet('ListOpenWork'),
    countOpenWork: notYet('CountOpenWork'),
    recordStatement: notYet('RecordStatement'),
    getGroupStatus: notYet('GetGroupStatus'),
    changeGroupMap: notYet('ChangeGroupMap'),
  };

  /** Around every method: it is noted, something may happen before, and it may fail before or after. */
  const guarded = Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name,
      async (...call: readonly [never, never]) => {
        const method = name as Method;
        calls.push(method);
        await happenings.get(method)?.shift()?.();
        const fault = faults.get(method)?.shift();
        if (fault === 'away') throw rpcErrors.dependencyUnavailable('the group is away', { retryAfterMs: 10 });
        if (fault === 'broken') throw rpcErrors.internal('a bug of the order store');
        const answer = await (handler as (...args: readonly [never, never]) => Promise<unknown>)(...call);
        if (fault === 'answer_lost') throw rpcErrors.dependencyUnavailable('the answer is lost', { retryAfterMs: 10 });
        return answer;
      },
    ]),
  ) as Implementation<typeof OrderStoreService>;

  return {
    handlers: guarded,
    calls,
    payments: () => [...orders.values()].map(({ payment }) => payment),
    onlyPayment: () => {
      const [order, ...others] = [...orders.values()];
      if (order === undefined || others.length > 0) throw new Error(`there are ${orders.size} payments, not one`);
      return order.payment;
    },
    refunds: () => [...refunds.values()],
    refundsAllowedBy,
    fail: (method, ...list) => {
      faults.set(method, [...list]);
    },
    before: (method, happening) => {
      happenings.set(method, [...(happenings.get(method) ?? []), happening]);
    },
    change: (orderNo, changes) => move(orderOf(orderNo), changes),
  };
};
