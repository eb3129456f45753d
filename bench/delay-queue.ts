import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Clock, NO_TIMER, seededRandom, TimerWheel } from '@tillmesh/clock';
import {
  type Claim,
  createMemoryQueue,
  createRedisQueue,
  type DelayQueue,
  type Entry,
  openRedis,
  type RedisConnection,
  sizeOf,
  workQueue,
} from '@tillmesh/delay-queue';
import { startLocalStack } from '@tillmesh/local-stack';
import { createLog } from '@tillmesh/telemetry';
import { Queue, Worker } from 'bullmq';
import { type Bench, type BenchOptions, median, spread } from './bench.ts';

const WAITING = 1_000_000;
/** BullMQ keeps several keys for a job: so many are enough to know what one takes. */
const BULL_WAITING_PART = 10;
const BULL_CONCURRENT = 200;
const BULL_JOBS_PER_SECOND = 5_000;
const BATCH = 500;
/** Shards that are worked on at once by the one process. */
const LANES = 16;
const ADDS_AT_ONCE = 8;
const HOUR_MS = 3_600_000;
/** A Redis that loads is slow, and what is measured is how much it does. */
const REDIS_MS_MAX = 10_000;

/** An order's id as the syncer has it, and 64 bytes of payload. */
const idOf = (number: number): string => `p:${String(number).padStart(25, '0')}`;
const PAYLOAD = 'x'.repeat(64);
const entryOf = (number: number, afterMs: number, payload = PAYLOAD): Entry => ({
  id: idOf(number),
  payload,
  afterMs,
  ifWaiting: 'replace',
});

const percentile = (times: readonly number[], part: number): number => {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
};

/** Adds so many, some batches at once. How many a second. */
const fill = async (
  queue: DelayQueue,
  count: number,
  entry: (number: number) => Entry,
  clock: Clock,
): Promise<number> => {
  let from = 0;
  const beganMs = clock.monotonicMs();
  const lane = async (): Promise<void> => {
    for (let first = from; first < count; first = from) {
      from += BATCH;
      await queue.add(Array.from({ length: Math.min(BATCH, count - first) }, (_, n) => entry(first + n)));
    }
  };
  await Promise.all(Array.from({ length: ADDS_AT_ONCE }, lane));
  return (count / (clock.monotonicMs() - beganMs)) * 1_000;
};

type Drainable = Pick<DelayQueue, 'shardCount' | 'claim'> & {
  ack(claims: readonly Claim[]): Promise<readonly unknown[]>;
};
type Drained = { readonly perSecond: number; readonly redisUs: number; readonly ownUs: number };

/** CPU time that Redis has used, µs. */
const redisCpuOf = async (redis: RedisConnection): Promise<number> => {
  const info = await redis.run('INFO', (client) => client.info('cpu'));
  const used = (what: string): number => Number(new RegExp(`^used_cpu_${what}:([\\d.]+)`, 'm').exec(info)?.[1]);
  return (used('user') + used('sys')) * 1e6;
};

/** Claims and acknowledges all that is due, as one process that has every shard: how many a second, and what each costs. */
const drain = async (queue: Drainable, count: number, redis: RedisConnection, clock: Clock): Promise<Drained> => {
  const redisBefore = await redisCpuOf(redis);
  const ownBefore = process.cpuUsage();
  const beganMs = clock.monotonicMs();
  let done = 0;
  const lane = async (first: number): Promise<void> => {
    for (let shard = first; shard < queue.shardCount; shard += LANES) {
      for (let claims: readonly Claim[] = [], begun = false; !begun || claims.length > 0; begun = true) {
        ({ claims } = await queue.claim({ shard, limit: BATCH, visibilityMs: 60_000 }));
        if (claims.length > 0) await queue.ack(claims);
        done += claims.length;
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, first) => lane(first)));
  const tookMs = clock.monotonicMs() - beganMs;
  const own = process.cpuUsage(ownBefore);
  if (done !== count) throw new Error(`${done} of ${count} were claimed`);
  return {
    perSecond: (count / tookMs) * 1_000,
    redisUs: ((await redisCpuOf(redis)) - redisBefore) / count,
    ownUs: (own.user + own.system) / count,
  };
};

const BARE_CLAIM = `
local due = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
if #due == 0 then return {{}, {}} end
local keys, taken = {}, {}
for place, id in ipairs(due) do
  keys[place] = ARGV[4] .. id
  taken[place * 2 - 1] = ARGV[3]
  taken[place * 2] = id
end
redis.call('ZADD', KEYS[1], unpack(taken))
return {due, redis.call('MGET', unpack(keys))}`;
const BARE_ACK = `
redis.call('ZREM', KEYS[1], unpack(ARGV))
return redis.call('DEL', unpack(KEYS, 2))`;

/** The floor: the same sets and strings with the least that moves them. No tokens, no fences, no limits, no time of Redis. */
const bareLoop = (redis: RedisConnection, name: string, shardCount: number, clock: Clock): Drainable => {
  const base = (shard: number): string => `tillmesh:${name}:{${String(shard).padStart(2, '0')}}`;
  return {
    shardCount,
    claim: async ({ shard, limit, visibilityMs }) => {
      const nowUs = clock.nowMs() * 1_000;
      const words = [nowUs, limit, nowUs + visibilityMs * 1_000, `${base(shard)}/`];
      const [ids, payloads] = (await redis.run('EVAL', (client) =>
        client.eval(BARE_CLAIM, 1, `${base(shard)}:due`, ...words),
      )) as readonly [ids: string[], payloads: string[]];
      const claims = ids.map((id, at): Claim => ({ id, payload: payloads[at] ?? '', shard, token: 0, lateMs: 0 }));
      return { claims, nextInMs: undefined, stale: 0 };
    },
    ack: async (claims) => {
      const shard = claims[0]?.shard ?? 0;
      const keys = claims.map(({ id }) => `${base(shard)}/${id}`);
      const ids = claims.map(({ id }) => id);
      await redis.run('EVAL', (client) =>
        client.eval(BARE_ACK, keys.length + 1, `${base(shard)}:due`, ...keys, ...ids),
      );
      return claims;
    },
  };
};

const memoryOf = async (redis: RedisConnection): Promise<number> => {
  const info = await redis.run('INFO', (client) => client.info('memory'));
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
};

/** Empties Redis, and waits until what it frees in the background is free: all at once would take it longer than a connection waits. */
const empty = async (redis: RedisConnection, clock: Clock): Promise<void> => {
  await redis.run('FLUSHALL', (client) => client.flushall('ASYNC'));
  for (let before = Number.POSITIVE_INFINITY, now = await memoryOf(redis); now < before; now = await memoryOf(redis)) {
    before = now;
    await clock.sleep(500);
  }
};

/** Bytes of one that waits, by what Redis says of itself before and after. */
const bytesEach = async (
  redis: RedisConnection,
  count: number,
  add: () => Promise<unknown>,
  clock: Clock,
): Promise<number> => {
  await empty(redis, clock);
  const before = await memoryOf(redis);
  await add();
  const after = await memoryOf(redis);
  await empty(redis, clock);
  return (after - before) / count;
};

/** How late entries are worked on that fall due evenly at a rate, ms: from when they were due to when the work begins. */
const lateness = async (
  queue: DelayQueue,
  perSecond: number,
  seconds: number,
  { clock, seed }: BenchOptions,
): Promise<number[]> => {
  const random = seededRandom(seed);
  const count = Math.round(perSecond * seconds);
  // All are there before the first is due, however slow the machine is.
  const leadMs = 2_000 + (count / 10_000) * 1_000;
  const firstDueAtMs = clock.nowMs() + leadMs;
  await fill(
    queue,
    count,
    (number) =>
      entryOf(number, Math.max(0, Math.floor(firstDueAtMs + random.fraction() * seconds * 1_000 - clock.nowMs()))),
    clock,
  );
  const late: number[] = [];
  const askedAtMs = new Map<string, number>();
  // Redis says how late it was when it gave the entry out; the rest is counted from before it was asked.
  const timed: DelayQueue = {
    ...queue,
    claim: async (request) => {
      const atMs = clock.monotonicMs();
      const batch = await queue.claim(request);
      for (const { id } of batch.claims) askedAtMs.set(id, atMs);
      return batch;
    },
  };
  const stop = new AbortController();
  const shards = Array.from({ length: queue.shardCount }, (_, shard) => shard);
  const working = workQueue({
    name: 'bench',
    queue: timed,
    owned: () => ({ shards, epoch: undefined }),
    free: () => 10_000,
    handle: async ({ id, lateMs }) => {
      late.push(lateMs + clock.monotonicMs() - (askedAtMs.get(id) ?? 0));
      return { kind: 'done' };
    },
    visibilityMs: 60_000,
    lookEveryMs: () => 250,
    retryAfterMs: 1_000,
    clock,
    log: createLog('bench', 'error'),
    signal: stop.signal,
  });
  const untilMs = clock.nowMs() + leadMs + seconds * 1_000 + 60_000;
  while ((late.length < count || (await sizeOf(queue)) > 0) && clock.nowMs() < untilMs) await clock.sleep(100);
  stop.abort();
  await working;
  if (late.length !== count) throw new Error(`${late.length} of ${count} were worked on`);
  return late;
};

type BullRun = { readonly perSecond: number; readonly addsPerSecond: number; readonly late: readonly number[] };

/** Delayed jobs of BullMQ, due at once or evenly over so many seconds. */
const bull = async (
  connection: { readonly host: string; readonly port: number },
  count: number,
  overMs: number,
  { clock, seed }: BenchOptions,
): Promise<BullRun> => {
  const random = seededRandom(seed);
  const queue = new Queue('bench', { connection });
  const beganMs = clock.monotonicMs();
  const leadMs = overMs === 0 ? 1 : 2_000 + count / 4;
  const firstDueAtMs = clock.nowMs() + leadMs;
  for (let first = 0; first < count; first += BATCH) {
    await queue.addBulk(
      Array.from({ length: Math.min(BATCH, count - first) }, (_, n) => {
        const nowMs = clock.nowMs();
        const delay = Math.max(1, Math.floor(firstDueAtMs + random.fraction() * overMs - nowMs));
        const data = { id: idOf(first + n), payload: PAYLOAD, dueAtMs: nowMs + delay };
        return { name: 'check', data, opts: { delay, removeOnComplete: true } };
      }),
    );
  }
  const addsPerSecond = (count / (clock.monotonicMs() - beganMs)) * 1_000;
  const late: number[] = [];
  const workedMs = clock.monotonicMs();
  const worker = new Worker<{ dueAtMs: number }>(
    'bench',
    async ({ data }) => {
      late.push(clock.nowMs() - data.dueAtMs);
    },
    { connection, concurrency: BULL_CONCURRENT },
  );
  const isOver = async (): Promise<boolean> =>
    late.length >= count && (await queue.getJobCountByTypes('active', 'delayed', 'waiting')) === 0;
  while (!(await isOver())) await clock.sleep(10);
  const perSecond = (count / (clock.monotonicMs() - workedMs)) * 1_000;
  await worker.close();
  await queue.obliterate({ force: true });
  await queue.close();
  return { perSecond, addsPerSecond, late };
};

/** Bytes of waiting jobs of BullMQ, the same data in them. */
const addBull = async (
  connection: { readonly host: string; readonly port: number },
  count: number,
): Promise<() => Promise<void>> => {
  const queue = new Queue('bench-bytes', { connection });
  for (let first = 0; first < count; first += BATCH) {
    await queue.addBulk(
      Array.from({ length: Math.min(BATCH, count - first) }, (_, n) => ({
        name: 'check',
        data: { id: idOf(first + n), payload: PAYLOAD },
        opts: { delay: HOUR_MS, removeOnComplete: true },
      })),
    );
  }
  return () => queue.close();
};

const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
};
const usedBytes = (): number => {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

type WheelRun = {
  readonly addsPerSecond: number;
  readonly movesPerSecond: number;
  readonly takenPerSecond: number;
  readonly megabytes: number;
};

/** A million timers over an hour. */
const measureWheel = (count: number, { clock, seed }: BenchOptions): WheelRun => {
  const random = seededRandom(seed);
  const delays = Float64Array.from({ length: count }, () => random.below(HOUR_MS));
  const before = usedBytes();
  const wheel = new TimerWheel<undefined>(0, count);
  const handles = new Int32Array(count);
  const perSecond = (sinceMs: number): number => (count / (clock.monotonicMs() - sinceMs)) * 1_000;
  let beganMs = clock.monotonicMs();
  for (let n = 0; n < count; n += 1) handles[n] = wheel.add(undefined, delays[n] ?? 0);
  const addsPerSecond = perSecond(beganMs);
  const megabytes = (usedBytes() - before - handles.byteLength) / 1e6;
  beganMs = clock.monotonicMs();
  for (let n = 0; n < count; n += 1) wheel.move(handles[n] ?? 0, delays[count - 1 - n] ?? 0);
  const movesPerSecond = perSecond(beganMs);
  beganMs = clock.monotonicMs();
  for (let atMs = 0; wheel.count > 0; atMs += 10) {
    wheel.advance(atMs);
    for (let timer = wheel.firstDue(); timer !== NO_TIMER; timer = wheel.firstDue()) wheel.remove(timer);
  }
  return { addsPerSecond, movesPerSecond, takenPerSecond: perSecond(beganMs), megabytes };
};

/** The first tier whole: entries with their ids and payloads, which are the syncer's (nothing). */
const measureMemoryQueue = async (
  count: number,
  { clock, seed }: BenchOptions,
): Promise<{ readonly addsPerSecond: number; readonly megabytes: number }> => {
  const random = seededRandom(seed);
  const before = usedBytes();
  const queue = createMemoryQueue(clock, { shardEntriesMax: count });
  let addMs = 0;
  for (let first = 0; first < count; first += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - first) }, (_, n) =>
      entryOf(first + n, random.below(HOUR_MS), ''),
    );
    const beganMs = clock.monotonicMs();
    await queue.add(batch);
    addMs += clock.monotonicMs() - beganMs;
  }
  const megabytes = (usedBytes() - before) / 1e6;
  if ((await queue.look(0)).count !== count) throw new Error('not all wait');
  return { addsPerSecond: (count / addMs) * 1_000, megabytes };
};

const round0 = (value: number): number => Math.round(value);
const row = (cells: readonly string[]): string =>
  cells.map((cell, at) => (at === 0 ? cell.padEnd(52) : cell.padStart(30))).join('');

/** The delay queue's two tiers, and BullMQ doing the same on the same Redis. */
export const delayQueue: Bench = {
  name: 'delay-queue',
  title: 'claims with acknowledgement a second, bytes and lateness of the delay queue beside BullMQ; the timer wheel',
  defaults: { rounds: 5, seconds: 4 },
  run: async (options) => {
    const { rounds, seconds, extra, folder, clock, onProgress } = options;
    const waiting = Number(extra.waiting ?? WAITING);
    if (!Number.isInteger(waiting) || waiting < 10 * BATCH)
      throw new Error(`--waiting has to be at least ${10 * BATCH}`);
    const wheels: WheelRun[] = [];
    const memories: { addsPerSecond: number; megabytes: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      wheels.push(measureWheel(waiting, options));
      memories.push(await measureMemoryQueue(waiting, options));
    }
    onProgress('the wheel is measured');

    const stack = await startLocalStack({ folder, groupTags: [], redis: true, clock });
    const server = stack.redis;
    if (server === undefined) throw new Error('the stack has no Redis');
    const connection = { host: server.host, port: server.port };
    const redis = openRedis({ ...connection, timeoutMs: REDIS_MS_MAX }, createLog('bench', 'error'));
    try {
      while (!redis.isReady()) await clock.sleep(20);
      // A million jobs of BullMQ's size do not fit into what the local stack gives a Redis; a rewrite in between measures the disk.
      await redis.run('CONFIG', (client) => client.config('SET', 'maxmemory', '4gb'));
      await redis.run('CONFIG', (client) => client.config('SET', 'auto-aof-rewrite-percentage', '0'));
      const queue = createRedisQueue(redis, 'bench');
      const perRound = Math.max(BATCH * 10, Math.min(waiting, 60_000 * seconds));
      const bullJobs = Math.max(BATCH, Math.min(waiting, BULL_JOBS_PER_SECOND * seconds));
      const bareQueue = bareLoop(redis, 'bench', queue.shardCount, clock);
      const ours: (Drained & { readonly adds: number })[] = [];
      const bares: Drained[] = [];
      const bulls: BullRun[] = [];
      // The first warms up and does not count.
      for (let round = 0; round <= rounds; round += 1) {
        const adds = await fill(queue, perRound, (number) => entryOf(number, 0), clock);
        const drained = await drain(queue, perRound, redis, clock);
        if ((await sizeOf(queue)) !== 0) throw new Error('not all were drained');
        await fill(queue, perRound, (number) => entryOf(number, 0), clock);
        // What was rounded up to the next µs is due then.
        await clock.sleep(5);
        const bare = await drain(bareQueue, perRound, redis, clock);
        const theirs = await bull(connection, bullJobs, 0, options);
        await empty(redis, clock);
        if (round > 0) {
          ours.push({ ...drained, adds });
          bares.push(bare);
          bulls.push(theirs);
        }
        onProgress(
          `round ${round} of ${rounds}: ${round0(drained.perSecond)}, bare ${round0(bare.perSecond)}, BullMQ ${round0(theirs.perSecond)} a second`,
        );
      }
      const drained = ours.map((each) => each.perSecond);
      const bareDrained = bares.map((each) => each.perSecond);
      const bullDrained = bulls.map((each) => each.perSecond);
      const halfLoad = median(drained) / 2;
      const bullHalfLoad = median(bullDrained) / 2;
      const lates: number[][] = [];
      const bullLates: (readonly number[])[] = [];
      for (let round = 1; round <= Math.min(3, rounds); round += 1) {
        lates.push(await lateness(queue, halfLoad, seconds, options));
        await empty(redis, clock);
        bullLates.push((await bull(connection, Math.round(bullHalfLoad * seconds), seconds * 1_000, options)).late);
        await empty(redis, clock);
      }
      onProgress('lateness is measured');
      const bytes = await bytesEach(
        redis,
        waiting,
        () => fill(queue, waiting, (number) => entryOf(number, HOUR_MS), clock),
        clock,
      );
      const bytesOfSyncer = await bytesEach(
        redis,
        waiting,
        () => fill(queue, waiting, (number) => entryOf(number, HOUR_MS, ''), clock),
        clock,
      );
      const bullWaiting = Math.floor(waiting / BULL_WAITING_PART);
      let closeBull = async (): Promise<void> => undefined;
      const bullBytes = await bytesEach(
        redis,
        bullWaiting,
        async () => {
          closeBull = await addBull(connection, bullWaiting);
        },
        clock,
      );
      await closeBull();
      onProgress('bytes are measured');

      const p99s = lates.map((late) => percentile(late, 0.99));
      const bullP99s = bullLates.map((late) => percentile(late, 0.99));
      const figures = {
        'claim+ack a second': round0(median(drained)),
        'of the bare loop': Number(
          median(drained.map((perSecond, at) => perSecond / (bareDrained[at] ?? Number.NaN))).toFixed(2),
        ),
        'CPU of Redis for a claim+ack, µs': Number(median(ours.map(({ redisUs }) => redisUs)).toFixed(1)),
        'CPU of the process for a claim+ack, µs': Number(median(ours.map(({ ownUs }) => ownUs)).toFixed(1)),
        'CPU of Redis for the bare loop’s, µs': Number(median(bares.map(({ redisUs }) => redisUs)).toFixed(1)),
        'bare loop a second': round0(median(bareDrained)),
        'adds a second': round0(median(ours.map(({ adds }) => adds))),
        'bytes of a waiting entry with 64 bytes of payload': round0(bytes),
        'bytes of a waiting entry of the syncer': round0(bytesOfSyncer),
        'lateness p50 at half load, ms': Number(median(lates.map((late) => percentile(late, 0.5))).toFixed(1)),
        'lateness p99 at half load, ms': Number(median(p99s).toFixed(1)),
        'bullmq jobs a second': round0(median(bullDrained)),
        'bullmq adds a second': round0(median(bulls.map(({ addsPerSecond }) => addsPerSecond))),
        'bullmq bytes of a waiting job': round0(bullBytes),
        'bullmq lateness p50 at its half load, ms': median(bullLates.map((late) => percentile(late, 0.5))),
        'bullmq lateness p99 at its half load, ms': median(bullP99s),
        'wheel adds a second': round0(median(wheels.map(({ addsPerSecond }) => addsPerSecond))),
        'wheel moves a second': round0(median(wheels.map(({ movesPerSecond }) => movesPerSecond))),
        'wheel taken when due a second': round0(median(wheels.map(({ takenPerSecond }) => takenPerSecond))),
        'wheel megabytes': round0(median(wheels.map(({ megabytes }) => megabytes))),
        'memory tier adds a second': round0(median(memories.map(({ addsPerSecond }) => addsPerSecond))),
        'memory tier megabytes': round0(median(memories.map(({ megabytes }) => megabytes))),
      };
      const version = /^redis_version:(.+)$/m.exec(await redis.run('INFO', (client) => client.info('server')))?.[1];
      return {
        conditions: {
          rounds,
          seconds,
          waiting,
          entriesPerRound: perRound,
          batch: BATCH,
          'half load, entries a second': round0(halfLoad),
          'bullmq jobs per round': bullJobs,
          'bullmq concurrency': BULL_CONCURRENT,
          'bullmq jobs waiting': bullWaiting,
          redis: `${version?.trim() ?? 'unknown'}, append-only file, fsync every second`,
          node: process.version,
        },
        figures,
        lines: [
          row(['median (least to most)', 'delay queue in Redis', 'bare zset + Lua', 'BullMQ']),
          row([
            'claims with acknowledgement a second',
            spread(drained, 0),
            spread(bareDrained, 0),
            spread(bullDrained, 0),
          ]),
          row([
            'adds a second',
            spread(
              ours.map(({ adds }) => adds),
              0,
            ),
            '',
            spread(
              bulls.map(({ addsPerSecond }) => addsPerSecond),
              0,
            ),
          ]),
          `CPU for a claim with acknowledgement, µs: of Redis ${spread(
            ours.map(({ redisUs }) => redisUs),
            1,
          )}, of the process ${spread(
            ours.map(({ ownUs }) => ownUs),
            1,
          )}`,
          row(['lateness p99 at half of its own load, ms', spread(p99s, 1), '', spread(bullP99s, 0)]),
          row(['bytes of one that waits, 64 bytes of payload', bytes.toFixed(0), '', bullBytes.toFixed(0)]),
          row(['bytes of one that waits, no payload', bytesOfSyncer.toFixed(0), '']),
          '',
          `timer wheel, ${waiting} timers: ${spread(
            wheels.map(({ addsPerSecond }) => addsPerSecond / 1e6),
            1,
          )} million adds a second, ${figures['wheel megabytes']} MB; as the memory tier, with ids: ${spread(
            memories.map(({ addsPerSecond }) => addsPerSecond / 1e6),
            1,
          )} million adds a second, ${figures['memory tier megabytes']} MB`,
        ],
        targets: [
          { name: 'claim+ack a second', measured: figures['claim+ack a second'], op: '>=', target: 50_000 },
          { name: 'bytes of a waiting entry', measured: round0(bytes), op: '<=', target: 400 },
          { name: 'lateness p99 at half load, ms', measured: Number(median(p99s).toFixed(1)), op: '<=', target: 50 },
          { name: 'wheel adds a second', measured: figures['wheel adds a second'], op: '>=', target: 1_000_000 },
          { name: 'wheel, megabytes', measured: figures['wheel megabytes'], op: '<=', target: 150 },
        ],
      };
    } finally {
      redis.close();
      await stack.stop();
    }
  },
};
