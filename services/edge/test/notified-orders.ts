import type { MessageInitShape } from '@bufbuild/protobuf';
import { type AttemptNo, formatOrderNo, groupTag, type OrderNo, toChannelOrderNo } from '@tillmesh/domain';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { type LearnedBy, OutcomeKind } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import type { PaymentSchema } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { type Implementation, notYet, type RpcError, rpcErrors } from '@tillmesh/rpc';

type Payment = MessageInitShape<typeof PaymentSchema>;
type Method = 'getOrder' | 'applyAttemptResult' | 'getRefund' | 'applyRefundResult';
type Order = { readonly accountId: string; readonly channelId: string; state: AttemptState };
type Refund = { readonly orderNo: string; state: RefundState };

/** What happens to the next call of a method: it waits, or it is refused before or after it was carried out. */
export type Happening =
  | { readonly kind: 'waits'; readonly until: Promise<void> }
  | { readonly kind: 'refused' | 'answer_lost'; readonly error: RpcError };

/** An order store with the payments that channels notify about, for one attempt each; it knows no other news than success. */
export type NotifiedOrders = {
  readonly handlers: Implementation<typeof OrderStoreService>;
  /** Every call and every change, in order. */
  readonly journal: string[];
  /** How news was said to have been learned. */
  readonly learnedBy: LearnedBy[];
  /** Writes down a payment that its channel was asked to take. */
  addPayment(changes?: Partial<Omit<Order, 'state'>>): { readonly orderNo: OrderNo; readonly channelOrderNo: string };
  /** Writes down a refund of a payment. */
  addRefund(orderNo: OrderNo): OrderNo;
  attemptState(orderNo: string): AttemptState | undefined;
  refundState(refundNo: string): RefundState | undefined;
  /** The next calls of a method meet this, one after the other. */
  happen(method: Method, ...happenings: readonly Happening[]): void;
  /** Answers are read from a replica that has not heard of any attempt yet. */
  lag(isLagging: boolean): void;
};

/** An order number that nobody has given out: of a day long before the service. */
export const orderNoOf = (sequence: number): OrderNo =>
  formatOrderNo({ day: 300, msOfDay: sequence, groupTag: groupTag(1), workerId: 1, sequence: 0 });

/** Creates a store without orders. */
export const createNotifiedOrders = (): NotifiedOrders => {
  const orders = new Map<string, Order>();
  const refunds = new Map<string, Refund>();
  const journal: string[] = [];
  const learnedBy: LearnedBy[] = [];
  const happenings = new Map<Method, Happening[]>();
  let drawn = 0;
  let isLagging = false;

  const nextNumber = (): OrderNo => {
    drawn += 1;
    return orderNoOf(drawn);
  };
  const orderOf = (orderNo: string): Order => {
    const order = orders.get(orderNo);
    if (order === undefined) throw rpcErrors.paymentUnknown('no such payment');
    return order;
  };
  const refundOf = (refundNo: string): Refund => {
    const refund = refunds.get(refundNo);
    if (refund === undefined) throw rpcErrors.refundUnknown('no such refund');
    return refund;
  };
  const shown = (orderNo: string): Payment => {
    const { accountId, channelId, state } = orderOf(orderNo);
    const attempt = { attemptNo: 1, accountId, channelId, state };
    return { orderNo, merchantId: 'demo-cafe', attempts: isLagging ? [] : [attempt], readFromReplica: isLagging };
  };
  const around = async <T>(method: Method, work: () => T): Promise<T> => {
    journal.push(method);
    const next = happenings.get(method)?.shift();
    if (next?.kind === 'waits') await next.until;
    if (next?.kind === 'refused') throw next.error;
    const answer = work();
    if (next?.kind === 'answer_lost') throw next.error;
    return answer;
  };

  return {
    journal,
    learnedBy,
    addPayment: (changes = {}) => {
      const orderNo = nextNumber();
      orders.set(orderNo, {
        accountId: 'wechat-a',
        channelId: 'wechat',
        state: AttemptState.PENDING_PAYER,
        ...changes,
      });
      return { orderNo, channelOrderNo: toChannelOrderNo(orderNo, 1 as AttemptNo) };
    },
    addRefund: (orderNo) => {
      const refundNo = nextNumber();
      refunds.set(refundNo, { orderNo, state: RefundState.PROCESSING });
      return refundNo;
    },
    attemptState: (orderNo) => orders.get(orderNo)?.state,
    refundState: (refundNo) => refunds.get(refundNo)?.state,
    happen: (method, ...list) => {
      happenings.set(method, [...list]);
    },
    lag: (lagging) => {
      isLagging = lagging;
    },
    handlers: {
      getOrder: ({ payment }) =>
        around('getOrder', () => ({ payment: shown(payment?.ref.case === 'orderNo' ? payment.ref.value : '') })),
      applyAttemptResult: (request) =>
        around('applyAttemptResult', () => {
          const order = orderOf(request.orderNo);
          learnedBy.push(request.learnedBy);
          if (request.result?.outcome !== OutcomeKind.SUCCEEDED) throw new Error('only successes are notified here');
          const changed = order.state !== AttemptState.SUCCEEDED;
          order.state = AttemptState.SUCCEEDED;
          if (changed) journal.push(`moved ${request.orderNo}`);
          return { payment: shown(request.orderNo), changed };
        }),
      getRefund: ({ ref }) =>
        around('getRefund', () => {
          const { orderNo, state } = refundOf(ref.case === 'refundNo' ? ref.value : '');
          return { payment: shown(orderNo), refund: { orderNo, state, attemptNo: 1 } };
        }),
      applyRefundResult: (request) =>
        around('applyRefundResult', () => {
          const refund = refundOf(request.refundNo);
          learnedBy.push(request.learnedBy);
          const changed = refund.state !== RefundState.SUCCEEDED;
          refund.state = RefundState.SUCCEEDED;
          if (changed) journal.push(`moved ${request.refundNo}`);
          return { refund: { refundNo: request.refundNo, state: refund.state }, changed };
        }),
      createOrder: notYet('CreateOrder'),
      startAttempt: notYet('StartAttempt'),
      closeOrder: notYet('CloseOrder'),
      createRefund: notYet('CreateRefund'),
      claimDue: notYet('ClaimDue'),
      scheduleCheck: notYet('ScheduleCheck'),
      listOpenWork: notYet('ListOpenWork'),
      countOpenWork: notYet('CountOpenWork'),
      recordStatement: notYet('RecordStatement'),
      getGroupStatus: notYet('GetGroupStatus'),
      changeGroupMap: notYet('ChangeGroupMap'),
    },
  };
};
