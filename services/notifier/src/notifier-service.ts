import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { type MerchantId, merchantEventId, type OrderNo, parseMerchantId, parseOrderNo } from '@tillmesh/domain';
import type { DeadLetter, EventStore } from '@tillmesh/merchant-events';
import { DatabaseError } from '@tillmesh/order-groups';
import type { NotifierService } from '@tillmesh/proto/tillmesh/notify/v1/notifier_service_pb.ts';
import { type Implementation, rpcErrors } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import { merchantEventKindMap } from '@tillmesh/wire';
import type { EndpointLanes } from './endpoint-lanes.ts';
import type { Endpoints } from './endpoints.ts';

/** Tellings that one call replays at most. */
const REPLAYED_MAX = 1_000;

const toCaller = (error: unknown): unknown =>
  error instanceof DatabaseError
    ? rpcErrors.dependencyUnavailable(`the store of events does not answer (${error.code})`, {
        retryAfterMs: 500,
        cause: error,
      })
    : error;

const orCaller = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw toCaller(error);
  }
};

const merchantOf = (text: string): MerchantId => {
  const merchantId = parseMerchantId(text);
  if (merchantId === undefined) throw rpcErrors.requestInvalid('merchant_id is no merchant id');
  return merchantId;
};

const eventOf = (eventId: string): { readonly number: OrderNo; readonly version: number } => {
  const [text = '', version = ''] = eventId.split('.');
  const number = parseOrderNo(text)?.orderNo;
  if (number === undefined)
    throw rpcErrors.orderNoMalformed('the check digit in the event id does not fit: it was mistyped or cut');
  return { number, version: Number(version) };
};

const letterToWire = (letter: DeadLetter) => ({
  eventId: merchantEventId(letter.number, letter.version, letter.kind),
  kind: merchantEventKindMap.toWire(letter.kind),
  happenedAt: timestampFromMs(letter.happenedAtMs),
  endpointId: letter.endpointId,
  attempts: letter.attempts,
  lastStatus: letter.lastStatus ?? 0,
  lastWhy: letter.lastWhy,
  diedAt: timestampFromMs(letter.diedAtMs),
});

/** The wire's side of the notifier. What an operator changes is logged with who called. */
export const createNotifierService = (deps: {
  readonly store: Pick<EventStore, 'deliveriesOf' | 'pause' | 'resume' | 'replay' | 'resend'>;
  readonly endpoints: Pick<Endpoints, 'of'>;
  readonly lanes: Pick<EndpointLanes, 'stateOf'>;
  /** Looks for what is due now instead of later. */
  readonly lookNow: () => void;
  readonly clock: Clock;
  readonly log: Log;
}): Implementation<typeof NotifierService> => {
  const { store, endpoints, lanes, lookNow, clock, log } = deps;
  return {
    getDeliveries: (request) =>
      orCaller(async () => {
        const merchantId = merchantOf(request.merchantId);
        const found = await store.deliveriesOf(merchantId);
        const optional = (ms: number | undefined) => (ms === undefined ? undefined : timestampFromMs(ms));
        return {
          waiting: BigInt(found.waiting),
          oldestWaiting: optional(found.oldestWaitingMs),
          dead: BigInt(found.dead),
          deadLetters: found.deadLetters.map(letterToWire),
          pausedAt: optional(found.pausedAtMs),
          pauseReason: found.pauseReason,
          endpoints: endpoints.of(merchantId).map(({ endpointId, url }) => ({
            endpointId,
            url,
            laneState: lanes.stateOf(merchantId, endpointId) ?? '',
          })),
        };
      }),
    pauseMerchant: (request, { caller }) =>
      orCaller(async () => {
        const { reason } = request;
        const held = await store.pause(merchantOf(request.merchantId), reason);
        log.warn({ merchantId: request.merchantId, reason, caller, held }, 'a merchant’s webhooks are paused');
        return { held: BigInt(held) };
      }),
    resumeMerchant: (request, { caller }) =>
      orCaller(async () => {
        const freed = await store.resume(merchantOf(request.merchantId));
        if (freed === undefined) return { wasPaused: false, freed: 0n };
        log.warn({ merchantId: request.merchantId, caller, freed }, 'a merchant’s webhooks go on');
        lookNow();
        return { wasPaused: true, freed: BigInt(freed) };
      }),
    replayMerchant: (request, { caller }) =>
      orCaller(async () => {
        const { from, to, delivered } = request;
        const fromMs = from === undefined ? 0 : timestampMs(from);
        const toMs = to === undefined ? clock.nowMs() : timestampMs(to);
        if (fromMs >= toMs) throw rpcErrors.requestInvalid('from must lie before to');
        const what = delivered ? 'delivered' : 'dead';
        const replayed = await store.replay(merchantOf(request.merchantId), what, fromMs, toMs, REPLAYED_MAX);
        log.warn({ merchantId: request.merchantId, what, fromMs, toMs, caller, replayed }, 'webhooks are replayed');
        lookNow();
        return { replayed: BigInt(replayed), complete: replayed < REPLAYED_MAX };
      }),
    resendEvent: (request, { caller }) =>
      orCaller(async () => {
        const merchantId = merchantOf(request.merchantId);
        const { eventId } = request;
        const endpointIds = endpoints.of(merchantId).map(({ endpointId }) => endpointId);
        if (endpointIds.length === 0) throw rpcErrors.requestInvalid('the merchant has no endpoint');
        if (!(await store.resend(merchantId, eventOf(eventId), endpointIds)))
          throw rpcErrors.requestInvalid('the merchant has no such event, or it is kept no more');
        log.warn({ merchantId, eventId, caller }, 'a webhook is sent again');
        lookNow();
        return { endpointIds };
      }),
  };
};
