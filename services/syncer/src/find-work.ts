import { durationFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { type Clock, repeat } from '@tillmesh/clock';
import { type CheckItem, type DelayQueue, fromMember, type RedisConnection, toMember } from '@tillmesh/delay-queue';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { type Brownout, type RpcClient, runAsCall } from '@tillmesh/rpc';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import type { Checked } from './check-payment.ts';
import type { SyncerConfig } from './config.ts';

/** So many times rarer it looks while the process or a neighbour has too much to do: what is looked for is as true a second later. */
export const BROWNOUT_FACTOR = 4;

export type SweepReport = { lastSweepAtMs: number | undefined; oldestOverdueMs: number };

const overdueGauge = gauge(
  'tillmesh_oldest_overdue_seconds',
  'The longest any unresolved item was overdue at the last sweep.',
);

/** Looks for work for as long as the signal lets it: in the queue often, in the databases now and then. */
export const findWork = (deps: {
  readonly config: SyncerConfig;
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly redis: RedisConnection | undefined;
  readonly queue: DelayQueue | undefined;
  readonly check: (item: CheckItem) => Promise<Checked>;
  readonly report: SweepReport;
  readonly brownout: Pick<Brownout, 'isOn'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void>[] => {
  const { config, orderStore, redis, queue, check, report, brownout, clock, log, signal } = deps;
  const underWay = new Set<string>();
  const free = () => config.checksMax - underWay.size;

  /** Starts checks; nothing is started twice here, and never more than the limit. What finds no place comes again. */
  const start = (items: readonly CheckItem[]): void => {
    for (const item of items) {
      const member = toMember(item);
      if (underWay.has(member) || free() <= 0) continue;
      underWay.add(member);
      check(item)
        .catch((error: unknown) => log.error({ err: error, ...item }, 'a check ended in a way it should not'))
        .finally(() => underWay.delete(member));
    }
  };

  const drainQueue = async (): Promise<void> => {
    if (queue === undefined || redis?.isReady() !== true || free() <= 0) return;
    // A shard gives few at a time, so that one busy shard does not take every place.
    const members = await queue.claim(Math.max(1, Math.floor(free() / 8)), config.visibilityMs);
    start(members.flatMap((member) => fromMember(member) ?? []));
  };

  const sweep = async (): Promise<void> => {
    const withRedis = redis?.isReady() === true;
    const { items, unreachableGroupTags } = await runAsCall(
      { name: 'syncer/sweep', caller: 'syncer', priority: 'query', budgetMs: 5_000, clock },
      () =>
        orderStore.claimDue({
          limit: Math.max(1, Math.min(200, free())),
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
    start(
      items.flatMap(({ item }): CheckItem[] => {
        if (item.case === undefined) return [];
        return [{ kind: item.case === 'orderNo' ? 'payment' : 'refund', number: item.value }];
      }),
    );
  };

  const loop = (what: string, everyMs: () => number, task: () => Promise<void>): Promise<void> =>
    withoutSpans(() =>
      repeat({
        clock,
        everyMs: 0,
        signal,
        task: async () => {
          await clock.sleep(everyMs() * (brownout.isOn ? BROWNOUT_FACTOR : 1), signal);
          await task();
        },
        onError: (error) => log.warn({ err: error }, `${what} failed; it is tried again`),
      }),
    );

  return [
    loop('a look into the queue', () => config.queueEveryMs, drainQueue),
    loop('a sweep', () => (redis?.isReady() === true ? config.sweepEveryMs : config.sweepEveryMsWithoutRedis), sweep),
  ];
};
