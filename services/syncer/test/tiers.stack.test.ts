import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { systemClock, systemRandom } from '@tillmesh/clock';
import {
  type CheckItem,
  checkEntry,
  createMemoryQueue,
  createRedisQueue,
  createShardOwner,
  type DelayQueue,
  type RedisConnection,
  sizeOf,
} from '@tillmesh/delay-queue';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { RpcClient } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Checked } from '../src/check-payment.ts';
import { SyncerConfig } from '../src/config.ts';
import { findWork } from '../src/find-work.ts';
import { createTiers } from '../src/tiers.ts';
import { type LocalRedis, startLocalRedis } from './local-redis.ts';

const clock = systemClock;
const log = createLog('test', 'silent');
const LOOKS = 3;
const STEP_MS = 400;
const VISIBILITY_MS = 5_000;

let local: LocalRedis;
let redis: RedisConnection;

beforeAll(async () => {
  local = await startLocalRedis();
  ({ redis } = local);
});

afterAll(async () => {
  await local.close();
});

/** Rows as the order groups have them: whether open, and when to look next. The truth that the sweep goes by. */
const someRows = (count: number) => {
  const rows = new Map<string, { dueAtMs: number; looks: number; settledAtMs: number | undefined; atOnce: number }>();
  for (let n = 0; n < count; n += 1) {
    const dueAtMs = clock.nowMs() + systemRandom.below(STEP_MS);
    rows.set(String(n).padStart(25, '0'), { dueAtMs, looks: 0, settledAtMs: undefined, atOnce: 0 });
  }
  const orderStore = {
    claimDue: async ({ overdueBy, limit = 0 }: { overdueBy?: { seconds?: bigint }; limit?: number }) => {
      const nowMs = clock.nowMs();
      const overdueMs = Number(overdueBy?.seconds ?? 0n) * 1_000;
      const due = [...rows].filter(([, row]) => row.settledAtMs === undefined && row.dueAtMs + overdueMs <= nowMs);
      return {
        unreachableGroupTags: [],
        items: due.slice(0, limit).map(([value, row]) => {
          const dueAt = timestampFromMs(row.dueAtMs);
          row.dueAtMs = nowMs + VISIBILITY_MS;
          return { item: { case: 'orderNo', value }, dueAt };
        }),
      };
    },
  };
  /** The third look finds the end. */
  const check = async ({ number }: CheckItem): Promise<Checked> => {
    const row = rows.get(number);
    if (row === undefined) throw new Error(`there is no row ${number}`);
    row.atOnce += 1;
    await clock.sleep(10);
    row.atOnce -= 1;
    row.looks += 1;
    row.dueAtMs = clock.nowMs() + STEP_MS;
    if (row.looks < LOOKS) return { settled: false, nextAfterMs: STEP_MS, note: 'open' };
    row.settledAtMs ??= clock.nowMs();
    return { settled: true, nextAfterMs: undefined, note: 'done' };
  };
  return { rows, check, orderStore: orderStore as unknown as RpcClient<typeof OrderStoreService> };
};

const aSyncer = (
  work: ReturnType<typeof someRows>,
  connection: RedisConnection | undefined,
  name: string,
): { readonly queue: DelayQueue | undefined; stop(): Promise<void> } => {
  const queue = connection === undefined ? undefined : createRedisQueue(connection, name);
  const worker = systemRandom.hex(8);
  const stop = new AbortController();
  const loops = findWork({
    config: SyncerConfig.parse({
      server: { port: 0 },
      orderStore: { target: '127.0.0.1:1' },
      channels: [{ channelId: 'wechat', target: '127.0.0.1:1' }],
      sweepEveryMs: 1_000,
    }),
    orderStore: work.orderStore,
    redis: connection,
    tiers: createTiers({ near: createMemoryQueue(clock), queue }),
    owner: connection === undefined ? undefined : createShardOwner({ redis: connection, name, worker, clock, log }),
    check: work.check,
    flows: { show: () => undefined },
    alarms: { raise: () => undefined, end: () => undefined },
    report: { lastSweepAtMs: undefined, oldestOverdueMs: 0 },
    brownout: { isOn: false },
    clock,
    log,
    signal: stop.signal,
  });
  return {
    queue,
    stop: async () => {
      stop.abort();
      await Promise.all(loops);
    },
  };
};

const settled = ({ rows }: ReturnType<typeof someRows>): number =>
  [...rows.values()].filter(({ settledAtMs }) => settledAtMs !== undefined).length;
const ROWS = 120;

const give = async (queue: DelayQueue | undefined, work: ReturnType<typeof someRows>): Promise<void> => {
  await queue?.add([...work.rows.keys()].map((number) => checkEntry({ kind: 'payment', number }, STEP_MS)));
};

describe('what is unresolved is looked at until its end', () => {
  test('by the two fast tiers while all is well: the sweep has nothing to find, and nothing is left behind', async () => {
    const work = someRows(ROWS);
    const syncer = aSyncer(work, redis, `test-${systemRandom.hex(4)}`);
    await give(syncer.queue, work);
    const beganMs = clock.monotonicMs();
    await expect.poll(() => settled(work), { timeout: 20_000 }).toBe(ROWS);
    // Three looks, 400 ms apart: no tier behind the first two would be so soon.
    expect(clock.monotonicMs() - beganMs).toBeLessThan(3_000 + STEP_MS * LOOKS);
    expect([...work.rows.values()].every(({ looks }) => looks === LOOKS)).toBe(true);
    await expect.poll(() => (syncer.queue === undefined ? -1 : sizeOf(syncer.queue))).toBe(0);
    await syncer.stop();
  });

  test('by the sweep alone where there is no Redis', async () => {
    const work = someRows(ROWS);
    const syncer = aSyncer(work, undefined, 'none');
    await expect.poll(() => settled(work), { timeout: 20_000 }).toBe(ROWS);
    await syncer.stop();
  });

  test('also when Redis is emptied in the middle and the process that had begun it dies: later, and no more than that', async () => {
    const work = someRows(ROWS);
    const name = `test-${systemRandom.hex(4)}`;
    const first = aSyncer(work, redis, name);
    await give(first.queue, work);
    await expect.poll(() => [...work.rows.values()].filter(({ looks }) => looks > 0).length).toBeGreaterThan(ROWS / 2);
    // Its wheel goes with it, and the only other schedule with Redis.
    await first.stop();
    await redis.run('FLUSHALL', (client) => client.flushall());
    expect(settled(work)).toBeLessThan(ROWS);
    const second = aSyncer(work, redis, name);
    await expect.poll(() => settled(work), { timeout: 30_000 }).toBe(ROWS);
    expect([...work.rows.values()].every(({ atOnce }) => atOnce === 0)).toBe(true);
    await second.stop();
  });
});
