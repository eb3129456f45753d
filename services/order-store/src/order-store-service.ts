import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationMs, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Alarms } from '@tillmesh/alarms';
import type { Clock } from '@tillmesh/clock';
import {
  type AccountId,
  type AttemptNo,
  type ChannelId,
  equalMoney,
  isVisible,
  type LearnedBy,
  type MerchantId,
  type MerchantOrderNo,
  type MerchantRefundNo,
  type Payment,
} from '@tillmesh/domain';
import type { OrderGroups } from '@tillmesh/order-groups';
import {
  CircuitState,
  type CreateOrderRequest,
  type OrderStoreService,
  type AttemptPlan as WirePlan,
} from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { PaymentSchema } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { currentCall, type Implementation, rpcErrors } from '@tillmesh/rpc';
import { traceIdOf } from '@tillmesh/telemetry';
import {
  actionFromWire,
  attemptToWire,
  detailsFromWire,
  kindMap,
  learnedByMap,
  moneyFromWire,
  outcomeFromWire,
  paymentToWire,
  refundStateMap,
  refundToWire,
  walletMap,
} from '@tillmesh/wire';
import { changeGroupMap, GROUP_STATE } from './change-group-map.ts';
import { createOrder } from './create-order.ts';
import { withDatabaseErrors } from './database-failure.ts';
import { listOpenWork } from './open-work.ts';
import { orderNoOf, refOf } from './order-ref.ts';
import { recordStatement } from './record-statement.ts';

const PRIMARY = { fromReplica: false, staleMs: 0 };

const shown = (
  payment: Payment,
  from: { readonly fromReplica: boolean; readonly staleMs: number | undefined } = PRIMARY,
): MessageInitShape<typeof PaymentSchema> =>
  paymentToWire(payment, { traceId: traceIdOf(payment.traceparent), ...from, withDetails: true });

const ms = (duration: { readonly seconds: bigint; readonly nanos: number } | undefined): number =>
  duration === undefined ? 0 : durationMs({ $typeName: 'google.protobuf.Duration', ...duration });

/** Who changed a row, for the trajectory: the service that called. */
const source = (): string => (currentCall()?.caller || 'unknown').slice(0, 64);

const planOf = (plan: WirePlan | undefined) => {
  if (plan === undefined) throw rpcErrors.requestInvalid('the attempt is missing');
  return {
    accountId: plan.accountId as AccountId,
    channelId: plan.channelId as ChannelId,
    routeReason: plan.routeReason,
    token: plan.token,
  };
};

const newPaymentOf = (request: CreateOrderRequest, createdAtMs: number) => {
  const amount = moneyFromWire(request.amount);
  const kind = kindMap.fromWire(request.kind);
  const wallet = walletMap.fromWire(request.wallet);
  if (amount === undefined || kind === undefined || wallet === undefined || request.expireAt === undefined) {
    throw rpcErrors.requestInvalid('amount, kind, wallet and expire_at have to be set');
  }
  return {
    // The proto's own rules have checked these.
    merchantId: request.merchantId as MerchantId,
    merchantOrderNo: request.merchantOrderNo as MerchantOrderNo,
    amount,
    kind,
    wallet,
    subject: request.subject,
    terminalId: request.terminalId,
    storeId: request.storeId,
    traceparent: request.traceparent,
    createdAtMs,
    expireAtMs: timestampMs(request.expireAt),
    attempt: planOf(request.attempt),
    firstCheckAfterMs: ms(request.firstCheckAfter),
    source: source(),
  };
};

/** News that contradicts what is known moves nothing: somebody has to find out which of them is true. */
const raiseHeld = (
  alarms: Pick<Alarms, 'raise'>,
  labels: Readonly<Record<string, string>>,
  why: string | undefined,
): void => {
  if (why !== undefined) alarms.raise({ name: 'contradiction', severity: 'urgent', labels, summary: why });
};

/** Money is settled by hand by two persons, never by a caller that says so. */
const refusePerson = (learnedBy: LearnedBy): void => {
  if (learnedBy === 'person') throw rpcErrors.requestInvalid('what a person found out goes to RecordStatement');
};

const UNKNOWN_PAYMENT = 'no such payment';

/** The wire's side of the order store; every decision is in libs/order-groups and libs/domain. */
export const createOrderStoreService = (
  orders: OrderGroups,
  alarms: Pick<Alarms, 'raise'>,
  clock: Clock,
): Implementation<typeof OrderStoreService> => ({
  createOrder: (request) =>
    withDatabaseErrors(async () => {
      const { payment, created, bounced } = await createOrder(orders, newPaymentOf(request, clock.nowMs()));
      return { payment: shown(payment), created, bounced };
    }),

  applyAttemptResult: (request) =>
    withDatabaseErrors(async () => {
      const learnedBy = learnedByMap.fromWire(request.learnedBy);
      if (learnedBy === undefined || request.result === undefined)
        throw rpcErrors.requestInvalid('result and learned_by have to be set');
      const outcome = outcomeFromWire(request.result);
      refusePerson(learnedBy);
      const applied = await orders.payments.apply(orderNoOf(request.orderNo), {
        attemptNo: request.attemptNo as AttemptNo,
        outcome,
        ...(outcome.kind === 'succeeded'
          ? {
              details: detailsFromWire(request.result.details, outcome.paid),
              queryTellsMore: request.result.queryTellsMore,
            }
          : {}),
        learnedBy,
        channelCode: request.result.channelSubCode || request.result.channelCode || request.result.channelState,
        action: actionFromWire(request.result.action),
        nextAttempt: request.nextAttempt === undefined ? undefined : planOf(request.nextAttempt),
        nextCheckAfterMs: ms(request.nextCheckAfter),
        source: source(),
      });
      if (applied === undefined) throw rpcErrors.paymentUnknown(UNKNOWN_PAYMENT);
      raiseHeld(alarms, { order_no: request.orderNo }, applied.held);
      return {
        payment: shown(applied.stored.payment),
        changed: applied.changed,
        kept: applied.kept,
        nextAttemptStarted: applied.nextAttemptStarted,
        surplusRefundNo: applied.surplusRefundNo ?? '',
      };
    }),

  startAttempt: (request) =>
    withDatabaseErrors(async () => {
      const continued = await orders.payments.continueWith(
        orderNoOf(request.orderNo),
        request.expectedVersion,
        planOf(request.attempt),
        { nextCheckAfterMs: ms(request.nextCheckAfter), source: source() },
      );
      if (continued === undefined) throw rpcErrors.paymentUnknown(UNKNOWN_PAYMENT);
      const { state, version } = continued.stored.payment;
      if (continued.kind === 'repeated') {
        throw rpcErrors.versionConflict('this attempt was made before; read the payment for what came of it', {
          metadata: { state },
        });
      }
      if (continued.kind === 'conflict') {
        throw rpcErrors.versionConflict(
          `the payment is ${state} in version ${version}, not declined in version ${request.expectedVersion}`,
          {
            metadata: { state },
          },
        );
      }
      return { payment: shown(continued.stored.payment) };
    }),

  closeOrder: (request) =>
    withDatabaseErrors(async () => {
      const closed = await orders.payments.close(orderNoOf(request.orderNo), request.reason, source());
      if (closed === undefined) throw rpcErrors.paymentUnknown(UNKNOWN_PAYMENT);
      const { state } = closed.stored.payment;
      if (!closed.changed && state !== 'closed') {
        throw rpcErrors.paymentState(`a payment that is ${state} cannot be closed like this`, { metadata: { state } });
      }
      return { payment: shown(closed.stored.payment), changed: closed.changed };
    }),

  getOrder: (request) =>
    withDatabaseErrors(async () => {
      const ref = refOf(request.payment);
      const read =
        ref.kind === 'order'
          ? await orders.payments.read(ref.orderNo)
          : await orders.payments.readOfMerchant(ref.merchantId, ref.merchantOrderNo, false);
      if (read === undefined || !isVisible(read.stored.payment.state)) throw rpcErrors.paymentUnknown(UNKNOWN_PAYMENT);
      const { stored } = read;
      return {
        payment: shown(stored.payment, read),
        traceparent: stored.payment.traceparent,
        ...(stored.nextCheckAtMs === undefined ? {} : { nextCheckAt: timestampFromMs(stored.nextCheckAtMs) }),
        checkCount: stored.checkCount,
      };
    }),

  createRefund: (request) =>
    withDatabaseErrors(async () => {
      const amount = moneyFromWire(request.amount);
      if (request.amount !== undefined && amount === undefined)
        throw rpcErrors.requestInvalid('the amount is out of range');
      const created = await orders.refunds.create({
        orderNo: orderNoOf(request.orderNo),
        merchantRefundNo: request.merchantRefundNo as MerchantRefundNo,
        amount,
        cause: 'merchant',
        reason: request.reason,
        allowedBy: request.allowedBy,
        firstCheckAfterMs: ms(request.firstCheckAfter),
        source: source(),
      });
      switch (created.kind) {
        case 'payment_unknown':
          throw rpcErrors.paymentUnknown(UNKNOWN_PAYMENT);
        case 'not_paid':
          throw rpcErrors.paymentState(`a payment that is ${created.of.payment.state} cannot be refunded`, {
            metadata: { state: created.of.payment.state },
          });
        case 'other_currency':
          throw rpcErrors.refundCurrency(`the payment was taken in ${created.of.payment.amount.currency}`, {
            metadata: { currency: created.of.payment.amount.currency },
          });
        case 'exceeds':
          throw rpcErrors.refundExceedsPaid(`${created.refundable.minorUnits} minor units are left to refund`, {
            metadata: { refundable_minor_units: String(created.refundable.minorUnits) },
          });
        case 'created':
        case 'existing': {
          const { refund } = created.stored;
          if (amount !== undefined && !equalMoney(amount, refund.amount)) {
            throw rpcErrors.merchantRefundNoReused('this merchant refund number was used for another amount', {
              metadata: { field: 'amount', refund_no: refund.refundNo },
            });
          }
          const { payment } = created.of;
          const attempt = payment.attempts.find(({ attemptNo }) => attemptNo === refund.attemptNo);
          return {
            refund: refundToWire(refund),
            created: created.kind === 'created',
            ...(attempt === undefined ? {} : { attempt: attemptToWire(payment.orderNo, attempt) }),
            payment: shown(created.of.payment),
          };
        }
      }
    }),

  applyRefundResult: (request) =>
    withDatabaseErrors(async () => {
      const learnedBy = learnedByMap.fromWire(request.learnedBy);
      const { result } = request;
      if (learnedBy === undefined || result === undefined)
        throw rpcErrors.requestInvalid('result and learned_by have to be set');
      refusePerson(learnedBy);
      const state = refundStateMap.fromWire(result.state) ?? 'unknown';
      const applied = await orders.refunds.apply(orderNoOf(request.refundNo), {
        // `requested` is our own word; from a channel it says nothing.
        news: { state: state === 'requested' ? 'unknown' : state, refunded: moneyFromWire(result.refunded) },
        learnedBy,
        channelRefundId: result.channelRefundId,
        channelCode: result.channelCode,
        nextCheckAfterMs: ms(request.nextCheckAfter),
        source: source(),
      });
      if (applied === undefined) throw rpcErrors.refundUnknown('no such refund');
      raiseHeld(alarms, { refund_no: request.refundNo }, applied.held);
      return {
        refund: refundToWire(applied.stored.refund, applied.stored.needsPerson),
        changed: applied.changed,
        kept: applied.kept,
      };
    }),

  getRefund: (request) =>
    withDatabaseErrors(async () => {
      const { ref } = request;
      const stored =
        ref.case === 'orderRefund'
          ? await orders.refunds.readOfOrder(
              orderNoOf(ref.value.orderNo),
              ref.value.merchantRefundNo as MerchantRefundNo,
            )
          : await orders.refunds.read(orderNoOf(ref.case === 'refundNo' ? ref.value : ''));
      if (stored === undefined) throw rpcErrors.refundUnknown('no such refund');
      const of = await orders.payments.read(stored.refund.orderNo);
      return {
        refund: refundToWire(stored.refund, stored.needsPerson),
        ...(of === undefined
          ? {}
          : { payment: shown(of.stored.payment, of), traceparent: of.stored.payment.traceparent }),
        checkCount: stored.checkCount,
      };
    }),

  claimDue: (request) =>
    withDatabaseErrors(async () => {
      const { items, unreachable } = await orders.claimDue({
        limit: request.limit,
        visibilityMs: ms(request.visibility),
        overdueByMs: ms(request.overdueBy),
      });
      return {
        items: items.map(({ kind, number, dueAtMs }) => ({
          item: { case: kind === 'payment' ? ('orderNo' as const) : ('refundNo' as const), value: number },
          dueAt: timestampFromMs(dueAtMs),
        })),
        unreachableGroupTags: [...unreachable],
      };
    }),

  scheduleCheck: (request) =>
    withDatabaseErrors(async () => {
      const { item } = request;
      if (request.stop) {
        // Of a refund there is nothing to stop: its looks end with it.
        if (item.case === 'orderNo') await orders.payments.stopChecks(orderNoOf(item.value));
        return {};
      }
      const store = item.case === 'refundNo' ? orders.refunds : orders.payments;
      await store.schedule(orderNoOf(item.value ?? ''), ms(request.nextCheckAfter), request.needsPerson);
      return {};
    }),

  listOpenWork: (request) => withDatabaseErrors(() => listOpenWork(orders, request)),

  countOpenWork: (request) =>
    withDatabaseErrors(async () => {
      const [tillMs, warnMs] = [ms(request.tillPatience), ms(request.warnBefore)];
      if (warnMs <= 0 || warnMs >= tillMs)
        throw rpcErrors.requestInvalid('warn_before has to be more than nothing and less than till_patience');
      const count = await orders.countOpenWork({ tillMs, warnMs });
      const { oldestCreatedAtMs, unreachable } = count;
      return {
        payments: BigInt(count.payments),
        refunds: BigInt(count.refunds),
        withPerson: BigInt(count.withPerson),
        ...(oldestCreatedAtMs === undefined ? {} : { oldestCreatedAt: timestampFromMs(oldestCreatedAtMs) }),
        aboutToBreach: BigInt(count.aboutToBreach),
        breached: BigInt(count.breached),
        unreachableGroupTags: [...unreachable],
      };
    }),

  recordStatement: (request) => withDatabaseErrors(() => recordStatement(orders, request, { clock, source: source() })),

  getGroupStatus: async () => ({
    groups: orders.status().map((group) => ({
      groupTag: group.tag,
      state: GROUP_STATE[group.state],
      circuit: CIRCUIT_STATE[group.circuit],
      primaryEndpoint: group.primary,
      replicaEndpoints: [...group.replicas],
      semiSyncOn: group.semiSyncOn,
      note: group.note,
      recentFailures: group.recentFailures,
      mapVersion: group.mapVersion,
    })),
    mapVersion: orders.map().map.version,
    earlierMapVersions: orders.map().earlier.map(({ version }) => version),
  }),

  changeGroupMap: (request) => withDatabaseErrors(() => changeGroupMap(orders, request)),
});

const CIRCUIT_STATE = { closed: CircuitState.CLOSED, open: CircuitState.OPEN, probing: CircuitState.PROBING } as const;
