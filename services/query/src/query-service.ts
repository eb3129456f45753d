import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { isVisible, type OrderNo, parseMerchantId, parseMerchantOrderNo, parseOrderNo } from '@tillmesh/domain';
import { DatabaseError, type OrderReader, type ReadPayment, RowTampered, UnknownGroup } from '@tillmesh/order-groups';
import type { PaymentRef } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { type Brownout, type Implementation, rpcErrors } from '@tillmesh/rpc';
import { traceIdOf } from '@tillmesh/telemetry';
import { paymentToWire } from '@tillmesh/wire';
import type { createListPayments } from './list-payments.ts';
import { askedPageOf } from './list-question.ts';
import { linesOf } from './trajectory-lines.ts';
import type { createWatchMerchant } from './watch-merchant.ts';

/** What a failure of reading is to callers. */
const toCaller = (error: unknown, of: string): unknown => {
  if (error instanceof UnknownGroup)
    return rpcErrors.paymentUnknown('its group is not on the group map: no such payment');
  if (error instanceof RowTampered) return rpcErrors.rowTampered(error.message, { cause: error });
  if (!(error instanceof DatabaseError)) return error;
  return rpcErrors.dependencyUnavailable(`no server of ${of} answers (${error.code})`, {
    retryAfterMs: 500,
    cause: error,
  });
};

/** A page in a brownout: a quarter of what was asked for, and never less than this. The next page's token tells that there is more. */
const SMALL_PAGE_MIN = 10;
const smallPageOf = (pageSize: number): number => Math.min(pageSize, Math.max(SMALL_PAGE_MIN, Math.ceil(pageSize / 4)));

const orderNoOf = (text: string): OrderNo => {
  const parsed = parseOrderNo(text);
  if (parsed !== undefined) return parsed.orderNo;
  throw rpcErrors.orderNoMalformed('the check digit of the order number does not fit: it was mistyped or cut');
};

/** The wire's side of reading, from replicas first. */
export const createQueryService = (options: {
  readonly orders: Pick<OrderReader, 'payments'>;
  readonly list: ReturnType<typeof createListPayments>;
  readonly brownout: Pick<Brownout, 'isOn'>;
  readonly watchMerchant: ReturnType<typeof createWatchMerchant>;
  readonly clock: Clock;
}): Implementation<typeof QueryService> => {
  const { orders, list, brownout, watchMerchant, clock } = options;

  const find = async (ref: PaymentRef | undefined): Promise<ReadPayment | undefined> => {
    if (ref?.ref.case === 'merchantOrder') {
      const merchantId = parseMerchantId(ref.ref.value.merchantId);
      const merchantOrderNo = parseMerchantOrderNo(ref.ref.value.merchantOrderNo);
      if (merchantId === undefined || merchantOrderNo === undefined)
        throw rpcErrors.requestInvalid('the request names no payment');
      return orders.payments.readOfMerchant(merchantId, merchantOrderNo, true);
    }
    return orders.payments.readNearby(orderNoOf(ref?.ref.case === 'orderNo' ? ref.ref.value : ''));
  };

  return {
    getPayment: async (request) => {
      try {
        const read = await find(request.payment);
        if (read === undefined || !isVisible(read.stored.payment.state))
          throw rpcErrors.paymentUnknown('no such payment');
        const { payment } = read.stored;
        return {
          payment: paymentToWire(payment, {
            traceId: traceIdOf(payment.traceparent),
            fromReplica: read.fromReplica,
            staleMs: read.staleMs,
            withDetails: true,
          }),
        };
      } catch (error) {
        throw toCaller(error, "the payment's group");
      }
    },
    listPayments: async (request) => {
      const asked = askedPageOf(request, clock.nowMs());
      try {
        const pageSize = brownout.isOn ? smallPageOf(asked.pageSize) : asked.pageSize;
        return await list({ ...asked, pageSize }, request.fresh);
      } catch (error) {
        throw toCaller(error, 'any group');
      }
    },
    watchMerchant: async function* (request, { signal }) {
      try {
        yield* watchMerchant(request, signal);
      } catch (error) {
        throw toCaller(error, 'the store of events');
      }
    },
    getTrajectory: async ({ orderNo }) => {
      try {
        const read = await orders.payments.readTrajectory(orderNoOf(orderNo));
        // An order that lost its number to another one is shown as well: that it did is what somebody wants to know.
        if (read === undefined) throw rpcErrors.paymentUnknown('no such payment');
        const { payment } = read.trajectory.stored;
        return {
          lines: linesOf(read.trajectory),
          isCut: read.trajectory.isCut,
          traceId: traceIdOf(payment.traceparent),
          readFromReplica: read.fromReplica,
          ...(read.fromReplica && read.staleMs !== undefined ? { replicaStaleness: durationFromMs(read.staleMs) } : {}),
        };
      } catch (error) {
        throw toCaller(error, "the payment's group");
      }
    },
  };
};
