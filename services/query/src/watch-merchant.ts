import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Clock } from '@tillmesh/clock';
import { type MerchantId, parseMerchantId } from '@tillmesh/domain';
import { type EventStore, type RecordedEvent, readEventRows } from '@tillmesh/merchant-events';
import { type ChangeFeed, RowTampered } from '@tillmesh/order-groups';
import type {
  WatchMerchantRequest,
  WatchMerchantResponseSchema,
} from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { rpcErrors } from '@tillmesh/rpc';
import { type Log, traceIdOf, withoutSpans } from '@tillmesh/telemetry';
import { merchantEventToWire } from '@tillmesh/wire';

const EVENTS_AT_ONCE = 64;

type Answer = MessageInitShape<typeof WatchMerchantResponseSchema>;

/**
 * Follows a merchant's events. What an event is told with is read when it is sent: the rows as they are then.
 *
 * @throws {RpcError} REQUEST_INVALID for a cursor behind which events are kept no more; {DatabaseError}
 */
export const createWatchMerchant = (options: {
  readonly store: Pick<EventStore, 'after' | 'last'> | undefined;
  readonly changes: Pick<ChangeFeed, 'paymentWithRefunds'>;
  /** Between looks, ms. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Log;
}): ((request: WatchMerchantRequest, signal: AbortSignal) => AsyncGenerator<Answer>) => {
  const { store, changes, everyMs, clock, log } = options;

  const answerOf = async (event: RecordedEvent): Promise<Answer> => {
    const cursor = String(event.seq);
    try {
      const rows = await readEventRows(changes, event);
      if (rows === undefined) throw rpcErrors.dependencyUnavailable('a payment is not to be read now');
      const traceId = traceIdOf(rows.payment.traceparent);
      return { event: merchantEventToWire({ ...event, ...rows, traceId }), cursor };
    } catch (error) {
      if (!(error instanceof RowTampered)) throw error;
      // One row that somebody changed by hand must not keep the others from being told.
      log.error({ err: error }, 'a payment was tampered with; its watchers are not told of it');
      return { cursor };
    }
  };

  return async function* ({ merchantId: text, cursor }, signal) {
    const merchantId: MerchantId | undefined = parseMerchantId(text);
    if (merchantId === undefined) throw rpcErrors.requestInvalid('merchant_id is no merchant id');
    if (store === undefined) throw rpcErrors.dependencyUnavailable('this installation keeps no events of merchants');
    let place = cursor === '' ? await store.last() : BigInt(cursor);
    if (cursor === '') yield { cursor: String(place) };
    const fromBeginning = place === 0n;
    while (!signal.aborted) {
      const from = place;
      const { events, isForgotten } = await withoutSpans(() => store.after(merchantId, from, EVENTS_AT_ONCE));
      if (isForgotten && !fromBeginning)
        throw rpcErrors.requestInvalid('events behind this cursor are kept no more: begin with "0" or without one');
      for (const event of events) {
        yield await withoutSpans(() => answerOf(event));
        place = event.seq;
      }
      if (events.length < EVENTS_AT_ONCE) await clock.sleep(everyMs, signal).catch(() => undefined);
    }
  };
};
