import type { Clock, Random } from '@tillmesh/clock';
import type { CheckItem } from '@tillmesh/delay-queue';
import type { Limit, RateLimiter } from '@tillmesh/rate-limits';
import { counter, gauge } from '@tillmesh/telemetry';

/** Checks of one channel and one kind. Without a channel: those of which it is not known yet, and those that ask none. */
export type FlowName = { readonly channelId: string; readonly kind: CheckItem['kind'] };

/**
 * How a check wants its turn: one of the schedule comes again later where many wait; a patient one waits here; one for a person who is
 * looking on takes no turn at all.
 */
export type Turn = 'scheduled' | 'patient' | 'at_once';

/** What came of it: done, or when to come again, ms. */
export type Ran<Value> =
  | { readonly kind: 'done'; readonly value: Value }
  | { readonly kind: 'later'; readonly afterMs: number };

export type FlowStatus = FlowName & {
  readonly inFlight: number;
  /** In line here, or sent back into the queue until their time. */
  readonly waiting: number;
  readonly longestWaitMs: number;
  readonly limit: Limit | undefined;
};

/** Ways side by side: whatever holds one up, the others go on. */
export type Flows = {
  /** Does the work when it is its turn. It is told how long it waited for it, ms. */
  run<Value>(name: FlowName, id: string, turn: Turn, work: (waitedMs: number) => Promise<Value>): Promise<Ran<Value>>;
  /** All that have ever had something to do. */
  status(): FlowStatus[];
  /** Forgets who has not come again for long, and shows in the metrics how all stand. */
  show(): void;
};

/** So many stand in line here; further ones come again. It keeps the places busy until the next ones have come. */
export const LINE_MAX = 128;
/** Nobody is sent away for longer, ms: the first tier of the queue takes it. */
export const AWAY_MS_MAX = 50_000;
/** Who comes so much before their time is not sent away again, ms. */
const EARLY_MS = 20;
/** Who stands in line already and comes once more is asked to come after this, ms. */
const IN_LINE_AGAIN_MS = 2_000;
/** Who has not come so long after their time has found their end elsewhere, ms. */
const FORGOTTEN_AFTER_MS = 60_000;
/** Of checks that no limit holds back: so far apart those come again that found no room, ms. */
const UNLIMITED_INTERVAL_MS = 1;
/** An empty bucket is asked again after so long at most, ms. */
const TOKEN_MS_MAX = 1_000;
const MS_PER_SECOND = 1_000;

const LABELS = ['channel', 'kind'];
const inFlightGauge = gauge('tillmesh_check_flow_in_flight', 'Checks under way.', LABELS);
const waitingGauge = gauge('tillmesh_check_flow_waiting', 'Checks that are due and wait for their turn.', LABELS);
const longestGauge = gauge(
  'tillmesh_check_flow_longest_wait_seconds',
  'How long the first of those that wait for their turn has waited.',
  LABELS,
);
const sentAway = counter(
  'tillmesh_check_flow_sent_away_total',
  'Due checks that went back into the queue because too many of their channel and kind waited.',
  LABELS,
);

/** Who stands in line here comes at no time. */
type Waiting = { readonly sinceMs: number; comesAtMs: number | undefined };

/** One way. */
const createFlow = (
  name: FlowName,
  deps: {
    readonly limit: Limit | undefined;
    readonly placesMax: number;
    readonly limiter: RateLimiter;
    readonly processes: () => number;
    readonly clock: Clock;
    readonly random: Random;
  },
) => {
  const { limit, placesMax, limiter, processes, clock, random } = deps;
  const labels = { channel: name.channelId || 'none', kind: name.kind };
  const buckets = limit === undefined ? [] : [{ kind: 'checks', key: `${name.channelId}/${name.kind}`, limit }];
  const line: (() => void)[] = [];
  /** In the order in which they first came. */
  const waiting = new Map<string, Waiting>();
  /** When the next one that is sent away is to come again. */
  let nextComesAtMs = 0;
  let inFlight = 0;
  let isServing = false;

  const intervalMs = (): number =>
    limit === undefined ? UNLIMITED_INTERVAL_MS : (MS_PER_SECOND * processes()) / limit.perSecond;

  const sendAway = (nowMs: number): number => {
    sentAway.add(labels);
    const interval = intervalMs();
    const atMs = Math.max(nextComesAtMs, nowMs + line.length * interval);
    if (atMs <= nowMs + AWAY_MS_MAX) {
      nextComesAtMs = atMs + interval;
      return atMs;
    }
    // Too many to say when: they come again spread out, and those that came before them have gone by then.
    return nowMs + AWAY_MS_MAX / 2 + random.below(AWAY_MS_MAX / 2);
  };

  /** One after the other gets a place and a token, in their order. */
  const serve = async (): Promise<void> => {
    if (isServing) return;
    isServing = true;
    while (line.length > 0 && inFlight < placesMax) {
      const verdict = await limiter.take(buckets);
      if (verdict.allowed) {
        inFlight += 1;
        line.shift()?.();
      } else await clock.sleep(Math.min(verdict.retryAfterMs, TOKEN_MS_MAX));
    }
    isServing = false;
  };

  const leave = (): void => {
    inFlight -= 1;
    void serve();
  };

  return {
    labels,
    /** When to come again, ms from now; undefined where it may stand in line. */
    whenElse: (id: string): number | undefined => {
      const nowMs = clock.monotonicMs();
      const known = waiting.get(id);
      if (known !== undefined) {
        const { comesAtMs } = known;
        if (comesAtMs === undefined) return IN_LINE_AGAIN_MS;
        if (comesAtMs > nowMs + EARLY_MS) return Math.ceil(comesAtMs - nowMs);
      }
      if (waiting.size <= line.length) nextComesAtMs = nowMs;
      // Who comes for the first time is behind those that were sent away.
      const othersFirst = known === undefined && nextComesAtMs > nowMs;
      if (line.length < LINE_MAX && !othersFirst) return undefined;
      const comesAtMs = sendAway(nowMs);
      if (known === undefined) waiting.set(id, { sinceMs: nowMs, comesAtMs });
      else known.comesAtMs = comesAtMs;
      return Math.max(1, Math.ceil(comesAtMs - nowMs));
    },
    inTurn: async <Value>(id: string, work: (waitedMs: number) => Promise<Value>): Promise<Value> => {
      const nowMs = clock.monotonicMs();
      const known = waiting.get(id);
      if (known === undefined) waiting.set(id, { sinceMs: nowMs, comesAtMs: undefined });
      else known.comesAtMs = undefined;
      await new Promise<void>((resolve) => {
        line.push(resolve);
        void serve();
      });
      waiting.delete(id);
      try {
        return await work(clock.monotonicMs() - nowMs);
      } finally {
        leave();
      }
    },
    outOfTurn: async <Value>(id: string, work: (waitedMs: number) => Promise<Value>): Promise<Value> => {
      inFlight += 1;
      waiting.delete(id);
      try {
        return await work(0);
      } finally {
        leave();
      }
    },
    forget: (): void => {
      const beforeMs = clock.monotonicMs() - FORGOTTEN_AFTER_MS;
      for (const [id, { comesAtMs }] of waiting) {
        if (comesAtMs !== undefined && comesAtMs < beforeMs) waiting.delete(id);
      }
    },
    status: (): FlowStatus => {
      const [first] = waiting.values();
      return {
        ...name,
        inFlight,
        waiting: waiting.size,
        longestWaitMs: first === undefined ? 0 : clock.monotonicMs() - first.sinceMs,
        limit,
      };
    },
  };
};

/**
 * A flow for each channel and kind, with places and a token bucket of its own. Who finds no room in its flow is told when to come again
 * and goes back into the queue, so that nobody waits behind another flow's checks, and nothing waits where it could be lost.
 *
 * @param options.placesMax checks under way at once of each flow.
 * @param options.limitOf of the channel's checks; a flow without a channel asks nobody and has none.
 * @param options.processes that share the limits.
 */
export const createFlows = (options: {
  readonly placesMax: number;
  readonly limitOf: (name: FlowName) => Limit;
  readonly limiter: RateLimiter;
  readonly processes: () => number;
  readonly clock: Clock;
  readonly random: Random;
}): Flows => {
  const flows = new Map<string, ReturnType<typeof createFlow>>();
  const flowOf = (name: FlowName): ReturnType<typeof createFlow> => {
    const key = `${name.channelId}/${name.kind}`;
    let flow = flows.get(key);
    if (flow === undefined) {
      const limit = name.channelId === '' ? undefined : options.limitOf(name);
      flow = createFlow({ channelId: name.channelId, kind: name.kind }, { ...options, limit });
      flows.set(key, flow);
    }
    return flow;
  };
  return {
    run: async (name, id, turn, work) => {
      const flow = flowOf(name);
      if (turn === 'at_once') return { kind: 'done', value: await flow.outOfTurn(id, work) };
      const afterMs = turn === 'scheduled' ? flow.whenElse(id) : undefined;
      if (afterMs !== undefined) return { kind: 'later', afterMs };
      return { kind: 'done', value: await flow.inTurn(id, work) };
    },
    status: () => [...flows.values()].map((flow) => flow.status()),
    show: () => {
      for (const flow of flows.values()) {
        flow.forget();
        const { inFlight, waiting, longestWaitMs } = flow.status();
        inFlightGauge.set(flow.labels, inFlight);
        waitingGauge.set(flow.labels, waiting);
        longestGauge.set(flow.labels, longestWaitMs / MS_PER_SECOND);
      }
    },
  };
};
