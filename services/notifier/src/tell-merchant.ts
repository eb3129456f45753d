import { create, toJsonString } from '@bufbuild/protobuf';
import type { Clock, Random } from '@tillmesh/clock';
import { type MerchantEventKind, type MerchantId, type MerchantWebhook, merchantEventId } from '@tillmesh/domain';
import { type Lane, LaneRejected, LaneTimeout } from '@tillmesh/lane';
import { type Chain, type Claimed, type EventStore, readEventRows, type Told } from '@tillmesh/merchant-events';
import { type ChangeFeed, DatabaseError, RowTampered } from '@tillmesh/order-groups';
import { type MerchantEvent, MerchantEventSchema } from '@tillmesh/proto/tillmesh/notify/v1/merchant_event_pb.ts';
import { counter, durations, traceIdOf } from '@tillmesh/telemetry';
import { merchantEventToWire } from '@tillmesh/wire';
import type { Endpoints } from './endpoints.ts';
import { retryDelayMs } from './retry-schedule.ts';
import type { Sent, WebhookSender } from './webhook-sender.ts';
import { type SigningKey, signatureHeaders } from './webhook-signature.ts';

const sendings = counter('tillmesh_webhook_sendings_total', 'Webhooks that were sent, by what came of it.', ['end']);
const delay = durations('tillmesh_webhook_delay_seconds', 'From the event until its merchant acknowledged it.');

/** A merchant will not be told of an event any more unless somebody replays it. */
export type DeadLetterAlarm = {
  readonly eventId: string;
  readonly merchantId: MerchantId;
  readonly endpointId: string;
  readonly kind: MerchantEventKind;
  readonly attempts: number;
  readonly why: string;
};

/** Events of one chain that are told in a row; then others have their turn. */
const IN_A_ROW_MAX = 32;
/** Waits where nothing could be sent, for no fault of the merchant's. */
const NOT_READY_MS = 60_000;
const GROUP_AWAY_MS = 2_000;
/** While an endpoint is sick, what waits for it looks again after a quarter of the time that it has been sick, within these bounds. */
const SICK_MS = { min: 1_000, max: 60_000 } as const;
/** While a lane is open, so many of those that come look at the store all the same: that is how what has waited for a day is given up. */
const LOOK_ANYWAY_SHARE = 1 / 16;

/** Says what an event's webhook carries, by the rows as they are now. */
export const webhookBody = (event: MerchantEvent): Buffer =>
  Buffer.from(toJsonString(MerchantEventSchema, event, { useProtoFieldName: true }));

const nameOf = ({ merchantId, endpointId }: Chain): string => `${merchantId}/${endpointId}`;

type Ready = { readonly url: string; readonly keys: readonly SigningKey[] };

/**
 * Tells merchants: takes the events of a payment one after the other, each only when the one before it was acknowledged or given up.
 *
 * @returns for a chain when to come again, ms since 1970; undefined where nothing of it waits for this caller.
 */
export const createTeller = (options: {
  readonly store: Pick<EventStore, 'claim' | 'settle' | 'postpone'>;
  readonly changes: Pick<ChangeFeed, 'paymentWithRefunds'>;
  readonly endpoints: Pick<Endpoints, 'of'>;
  readonly laneOf: (merchantId: string, endpointId: string) => Lane;
  readonly sender: Pick<WebhookSender, 'send'>;
  readonly keys: readonly SigningKey[];
  /** For how long an event is claimed: longer than any telling takes. */
  readonly claimMs: number;
  readonly retryTimeScale: number;
  /** Told of every event that is given up. */
  readonly onDead: (alarm: DeadLetterAlarm) => void;
  /** This process; no other has the name. */
  readonly claimer: string;
  readonly clock: Clock;
  readonly random: Random;
}): ((chain: Chain) => Promise<number | undefined>) => {
  const { store, changes, endpoints, laneOf, sender, claimMs, retryTimeScale, onDead, claimer, clock, random } =
    options;
  const keys = new Map(options.keys.map((key) => [key.keyId, key]));
  const sickSinceMs = new Map<string, number>();

  const readyOf = (webhook: MerchantWebhook | undefined): Ready | string => {
    if (webhook === undefined) return 'endpoint_not_in_routing_table';
    const own = webhook.keyIds.flatMap((keyId) => keys.get(keyId) ?? []);
    if (own.length < webhook.keyIds.length) return 'key_unknown';
    return own.every(({ kind }) => kind === webhook.signing) ? { url: webhook.url, keys: own } : 'key_of_other_kind';
  };

  const kill = async (chain: Chain, event: Claimed, told: Told, sent: 0 | 1): Promise<void> => {
    await store.settle({ ...chain, ...event }, claimer, 'dead', told);
    onDead({
      eventId: merchantEventId(event.number, event.version, event.kind),
      merchantId: chain.merchantId,
      endpointId: chain.endpointId,
      kind: event.kind,
      attempts: event.attempts + sent,
      why: told.why,
    });
  };

  /** Nothing was sent: it is no try, unless it has waited for a day. @returns when to come again; undefined where it was given up. */
  const putOff = async (chain: Chain, event: Claimed, why: string, waitMs: number): Promise<number | undefined> => {
    const nowMs = clock.nowMs();
    if (nowMs >= event.givesUpAtMs) {
      await kill(chain, event, { status: undefined, why }, 0);
      return undefined;
    }
    const untilMs = Math.round(nowMs + waitMs * (1 + random.fraction() / 4));
    await store.postpone({ ...chain, ...event }, claimer, { status: undefined, why }, untilMs, 0);
    return untilMs;
  };

  const failed = async (chain: Chain, event: Claimed, told: Told): Promise<number | undefined> => {
    const waitMs = retryDelayMs(event.attempts, retryTimeScale);
    const nowMs = clock.nowMs();
    if (waitMs === undefined || nowMs >= event.givesUpAtMs) {
      await kill(chain, event, told, 1);
      return undefined;
    }
    await store.postpone({ ...chain, ...event }, claimer, told, nowMs + waitMs, 1);
    return nowMs + waitMs;
  };

  const bodyOf = async (chain: Chain, event: Claimed): Promise<Buffer | string> => {
    const rows = await readEventRows(changes, event);
    if (rows === undefined) return 'payment_unknown';
    const { payment, refund } = rows;
    if (payment.merchantId !== chain.merchantId) return 'payment_of_another_merchant';
    return webhookBody(
      create(
        MerchantEventSchema,
        merchantEventToWire({ ...event, payment, refund, traceId: traceIdOf(payment.traceparent) }),
      ),
    );
  };

  const sickWaitMs = (name: string): number => {
    const nowMs = clock.monotonicMs();
    if (!sickSinceMs.has(name)) sickSinceMs.set(name, nowMs);
    const sickMs = nowMs - (sickSinceMs.get(name) ?? nowMs);
    return Math.min(SICK_MS.max, Math.max(SICK_MS.min, sickMs / 4));
  };

  /** @returns when to come again; undefined where the next of the chain may be told at once. */
  const tell = async (chain: Chain, event: Claimed): Promise<number | undefined> => {
    const { merchantId, endpointId } = chain;
    const ready = readyOf(endpoints.of(merchantId).find((each) => each.endpointId === endpointId));
    if (typeof ready === 'string') return putOff(chain, event, ready, NOT_READY_MS);
    let body: Buffer | string;
    try {
      body = await bodyOf(chain, event);
    } catch (error) {
      if (error instanceof RowTampered) body = 'row_tampered';
      else if (error instanceof DatabaseError) return putOff(chain, event, 'order_group_away', GROUP_AWAY_MS);
      else throw error;
    }
    if (typeof body === 'string') {
      await kill(chain, event, { status: undefined, why: body }, 0);
      return undefined;
    }

    const parts = {
      eventId: merchantEventId(event.number, event.version, event.kind),
      timestamp: Math.floor(clock.nowMs() / 1_000),
      body,
    };
    const webhook = { url: ready.url, headers: signatureHeaders(parts, ready.keys), body };
    const name = nameOf(chain);
    let sent: Sent;
    try {
      sent = await laneOf(merchantId, endpointId).run((signal) => sender.send(webhook, signal), {
        isSickAnswer: (answer: Sent) => answer.kind === 'refused',
      });
    } catch (error) {
      if (error instanceof LaneRejected) {
        sendings.add({ end: error.reason });
        return putOff(chain, event, error.reason, sickWaitMs(name));
      }
      if (!(error instanceof LaneTimeout)) throw error;
      sent = { kind: 'refused', why: 'timed_out', status: undefined };
    }
    sendings.add({ end: sent.kind });
    if (sent.kind === 'refused') return failed(chain, event, sent);
    sickSinceMs.delete(name);
    await store.settle({ ...chain, ...event }, claimer, 'delivered', { status: sent.status, why: '' });
    delay.record({}, Math.max(0, clock.nowMs() - event.happenedAtMs) / 1_000);
    return undefined;
  };

  /** When to come again while nothing may be sent there: known without asking the store, which has others to serve. */
  const whileSick = (chain: Chain): number | undefined => {
    if (laneOf(chain.merchantId, chain.endpointId).health.breaker !== 'open') return undefined;
    if (random.fraction() < LOOK_ANYWAY_SHARE) return undefined;
    sendings.add({ end: 'lane_open' });
    return Math.round(clock.nowMs() + sickWaitMs(nameOf(chain)) * (1 + random.fraction() / 4));
  };

  return async (chain) => {
    const sickUntilMs = whileSick(chain);
    if (sickUntilMs !== undefined) return sickUntilMs;
    for (let told = 0; told < IN_A_ROW_MAX; told += 1) {
      const answer = await store.claim(chain, claimer, claimMs);
      if (answer.kind === 'nothing') return undefined;
      const againAtMs = await tell(chain, answer.event);
      if (againAtMs !== undefined) return againAtMs;
    }
    return clock.nowMs();
  };
};
