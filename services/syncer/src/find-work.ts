import { durationFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { Alarms } from '@tillmesh/alarms';
import { type Clock, repeat } from '@tillmesh/clock';
import {
  CHECK_QUEUE,
  type CheckItem,
  type Claim,
  fromMember,
  type Owned,
  type RedisConnection,
  type ShardOwner,
  type StoppedQueue,
  toMember,
  type Verdict,
  watchQueue,
  workQueue,
} from '@tillmesh/delay-queue';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { type Brownout, type RpcClient, runAsCall } from '@tillmesh/rpc';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import type { Checked } from './check-payment.ts';
import type { SyncerConfig } from './config.ts';
import type { Flows } from './flows.ts';
import { STAND_IN_MS, type Tier, type Tiers } from './tiers.ts';
import { itemFromWire } from './wire-item.ts';

/** So many times rarer it looks while the process or a neighbour has too much to do: what is looked for is as true a second later. */
export const BROWNOUT_FACTOR = 4;

export type SweepReport = {
  lastSweepAtMs: number | undefined;
  oldestOverdueMs: number;
  /** While the queue in Redis has stopped. */
  stoppedQueue?: StoppedQueue | undefined;
};

const QUEUE_STOPPED = { name: 'queue_stopped', labels: { queue: CHECK_QUEUE } };

const overdueGauge = gauge(
  'tillmesh_oldest_overdue_seconds',
  'The longest any unresolved item was overdue at the last sweep.',
);

/** What is added meanwhile is not due before: no step of a plan is shorter. */
const NEAR_LOOK_EVERY_MS = 200;
const WATCH_EVERY_MS = 2_000;
/** Taken from a queue or a database at once. Each is put into its flow or back at once, so that there is always room for more. */
const TAKEN_MAX = 200;
/** A sweep that finds as many as it may take goes on at once, so often: what waits for its turn hides nothing behind it. */
const SWEEPS_MAX = 5;

const ONE_SHARD: Owned = { shards: [0], epoch: undefined };
const NO_SHARDS: Owned = { shards: [], epoch: undefined };

/** Looks for work for as long as the signal lets it: in both queues when something is due, in the databases now and then. */
export const findWork = (deps: {
  readonly config: SyncerConfig;
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly redis: RedisConnection | undefined;
  readonly tiers: Tiers;
  /** Of the queue in Redis; undefined where no Redis is configured. */
  readonly owner: ShardOwner | undefined;
  readonly check: (item: CheckItem) => Promise<Checked>;
  readonly flows: Pick<Flows, 'show'>;
  readonly report: SweepReport;
  readonly alarms: Pick<Alarms, 'raise' | 'end'>;
  readonly brownout: Pick<Brownout, 'isOn'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void>[] => {
  const { config, orderStore, redis, tiers, owner, check, flows, report, alarms, brownout, clock, log, signal } = deps;
  const underWay = new Set<string>();
  const slowness = () => (brownout.isOn ? BROWNOUT_FACTOR : 1);

  /** Starts a check unless one of it is under way here. What it came to; undefined where none was started. */
  const start = async (item: CheckItem): Promise<Checked | undefined> => {
    const member = toMember(item);
    if (underWay.has(member)) return undefined;
    underWay.add(member);
    try {
      return await check(item);
    } finally {
      underWay.delete(member);
    }
  };

  /** What a tier has handed out. */
  const handle =
    (tier: Tier) =>
    async ({ id }: Claim): Promise<Verdict> => {
      const item = fromMember(id);
      if (item === undefined) {
        log.warn({ tier, id }, 'what is none of ours was in the queue; it is dropped');
        return { kind: 'done' };
      }
      const checked = await start(item);
      return checked === undefined ? { kind: 'again', afterMs: STAND_IN_MS } : tiers.verdictFor(tier, item, checked);
    };

  const work = (tier: Tier): Promise<void> => {
    const queue = tiers[tier];
    if (queue === undefined) return Promise.resolve();
    return withoutSpans(() =>
      workQueue({
        name: tier === 'near' ? 'check-near' : 'check',
        queue,
        owned: () => (tier === 'near' ? ONE_SHARD : (owner?.owned() ?? NO_SHARDS)),
        free: () => TAKEN_MAX,
        handle: handle(tier),
        visibilityMs: config.queueVisibilityMs,
        lookEveryMs: () => (tier === 'near' ? NEAR_LOOK_EVERY_MS : config.queueEveryMs * slowness()),
        retryAfterMs: STAND_IN_MS,
        // Somebody has come: hear of it now and not with the next renewal.
        onNotOwner: () => void owner?.renew().catch(() => undefined),
        clock,
        log,
        signal,
      }),
    );
  };

  /** The watchdog: every syncer looks at all shards, for those that have them may be what has stopped. */
  const watch = (): Promise<void> => {
    if (tiers.queue === undefined) return Promise.resolve();
    return watchQueue({
      name: CHECK_QUEUE,
      queue: tiers.queue,
      workers: () => owner?.workers ?? 0,
      overdueMsMax: config.queueStoppedAfterMs,
      everyMs: WATCH_EVERY_MS,
      onStopped: (stopped) => {
        report.stoppedQueue = stopped;
        alarms.raise({
          ...QUEUE_STOPPED,
          severity: 'urgent',
          summary: `the queue ${CHECK_QUEUE} has stopped: something in it is ${Math.round(stopped.overdueMs / 1_000)} s overdue; the databases are swept all the same`,
        });
      },
      onGoing: () => {
        report.stoppedQueue = undefined;
        alarms.end(QUEUE_STOPPED);
      },
      clock,
      log,
      signal,
    });
  };

  const sweep = async (): Promise<void> => {
    for (let sweeps = 0; sweeps < SWEEPS_MAX && !signal.aborted; sweeps += 1) {
      if ((await sweepOnce()) < TAKEN_MAX) return;
    }
  };

  /** @returns how many were found. */
  const sweepOnce = async (): Promise<number> => {
    const withRedis = redis?.isReady() === true;
    const { items, unreachableGroupTags } = await runAsCall(
      { name: 'syncer/sweep', caller: 'syncer', priority: 'query', budgetMs: 5_000, clock },
      () =>
        orderStore.claimDue({
          limit: TAKEN_MAX,
          visibility: durationFromMs(config.visibilityMs),
          // The queue is given its chance first; while it is away nobody else looks.
          overdueBy: durationFromMs(withRedis ? 3_000 : 0),
        }),
    );
    const nowMs = clock.nowMs();
    report.lastSweepAtMs = nowMs;
    report.oldestOverdueMs = Math.max(
      0,
      ...items.map(({ dueAt }) => (dueAt === undefined ? 0 : nowMs - timestampMs(dueAt))),
    );
    overdueGauge.set({}, report.oldestOverdueMs / 1_000);
    if (unreachableGroupTags.length > 0) log.warn({ groups: unreachableGroupTags }, 'groups that could not be swept');
    for (const { item } of items) {
      const found = itemFromWire(item);
      if (found === undefined) continue;
      start(found).then(
        (checked) => (checked === undefined ? undefined : tiers.tell(found, checked)),
        (error: unknown) => log.error({ err: error, ...found }, 'a check ended in a way it should not'),
      );
    }
    return items.length;
  };

  const showFlows = (): Promise<void> =>
    repeat({
      clock,
      everyMs: WATCH_EVERY_MS,
      signal,
      task: async () => flows.show(),
      onError: (error) => log.warn({ err: error }, 'how the flows stand could not be shown'),
    });

  const loop = (what: string, everyMs: () => number, task: () => Promise<void>): Promise<void> =>
    withoutSpans(() =>
      repeat({
        clock,
        everyMs: 0,
        signal,
        task: async () => {
          await clock.sleep(everyMs() * slowness(), signal);
          await task();
        },
        onError: (error) => log.warn({ err: error }, `${what} failed; it is tried again`),
      }),
    );

  return [
    work('near'),
    work('queue'),
    owner === undefined ? Promise.resolve() : owner.keep(signal),
    watch(),
    showFlows(),
    loop('a sweep', () => (redis?.isReady() === true ? config.sweepEveryMs : config.sweepEveryMsWithoutRedis), sweep),
  ];
};
