import { ManualClock, seededRandom } from '@tillmesh/clock';
import { createMemoryQueue, workQueue } from '@tillmesh/delay-queue';
import { createRateLimiter, type Limit } from '@tillmesh/rate-limits';
import { createLog } from '@tillmesh/telemetry';
import { expect, test } from 'vitest';
import { AWAY_MS_MAX, createFlows, type FlowName, LINE_MAX } from '../src/flows.ts';

const log = createLog('test', 'silent');
const A = { channelId: 'a', kind: 'payment' } as const;
const A_REFUNDS = { channelId: 'a', kind: 'refund' } as const;
const B = { channelId: 'b', kind: 'payment' } as const;
const PLACES = 4;
const SLOW: Limit = { perSecond: 10, burst: 5 };

const flowsWith = (clock: ManualClock, limitOf: (name: FlowName) => Limit = () => SLOW) => {
  const processes = () => 1;
  const limiter = createRateLimiter({ redis: undefined, processes, clock });
  return createFlows({ placesMax: PLACES, limitOf, limiter, processes, clock, random: seededRandom(1) });
};

const never = (): Promise<never> => new Promise(() => undefined);
const nothing = async (): Promise<void> => undefined;
const statusOf = (flows: ReturnType<typeof flowsWith>, { channelId, kind }: FlowName) =>
  flows.status().find((flow) => flow.channelId === channelId && flow.kind === kind);

/** What needs no time happens. */
const settle = (clock: ManualClock): Promise<void> => clock.advance(0);

test('a channel that hangs keeps its own places and nobody else’s', async () => {
  const clock = new ManualClock();
  const flows = flowsWith(clock, () => ({ perSecond: 1_000, burst: 1_000 }));
  for (let n = 0; n < 50; n += 1) void flows.run(A, `a${n}`, 'scheduled', never);
  await settle(clock);
  expect(statusOf(flows, A)).toMatchObject({ inFlight: PLACES, waiting: 50 - PLACES });
  expect(await flows.run(B, 'b', 'scheduled', async () => 'b')).toEqual({ kind: 'done', value: 'b' });
  expect(await flows.run(A_REFUNDS, 'r', 'scheduled', async () => 'r')).toEqual({ kind: 'done', value: 'r' });
});

test('after a burst no more begin than the bucket lets through, in the order in which they came', async () => {
  const clock = new ManualClock();
  const flows = flowsWith(clock);
  const began: { readonly id: number; readonly atMs: number }[] = [];
  for (let id = 0; id < 35; id += 1) {
    void flows.run(A, String(id), 'scheduled', async () => void began.push({ id, atMs: clock.monotonicMs() }));
  }
  await settle(clock);
  expect(began).toHaveLength(SLOW.burst);
  await clock.advance(1_000);
  expect(began).toHaveLength(SLOW.burst + SLOW.perSecond);
  await clock.advance(2_000);
  expect(began.map(({ id }) => id)).toEqual(Array.from({ length: 35 }, (_, id) => id));
  expect(statusOf(flows, A)).toMatchObject({ inFlight: 0, waiting: 0, longestWaitMs: 0, limit: SLOW });
});

test('who finds the line full is told when its turn comes, one after the other; who comes later is behind them', async () => {
  const clock = new ManualClock();
  const flows = flowsWith(clock);
  for (let n = 0; n < SLOW.burst; n += 1) void flows.run(A, `first${n}`, 'scheduled', nothing);
  await settle(clock);
  for (let n = 0; n < LINE_MAX; n += 1) void flows.run(A, `more${n}`, 'scheduled', nothing);
  const intervalMs = 1_000 / SLOW.perSecond;
  const [one, two] = [await flows.run(A, 'one', 'scheduled', nothing), await flows.run(A, 'two', 'scheduled', nothing)];
  expect([one, two]).toEqual([
    { kind: 'later', afterMs: LINE_MAX * intervalMs },
    { kind: 'later', afterMs: (LINE_MAX + 1) * intervalMs },
  ]);
  // By another way it comes too early: it is not asked, and keeps its place.
  await clock.advance(1_000);
  expect(await flows.run(A, 'one', 'scheduled', nothing)).toEqual({
    kind: 'later',
    afterMs: LINE_MAX * intervalMs - 1_000,
  });
  // There is room in the line, and others were before it.
  expect(await flows.run(A, 'three', 'scheduled', nothing)).toEqual({
    kind: 'later',
    afterMs: (LINE_MAX + 2) * intervalMs - 1_000,
  });
  expect(statusOf(flows, A)?.longestWaitMs).toBeGreaterThanOrEqual(1_000);
  await clock.advance(LINE_MAX * intervalMs - 1_000);
  const came = flows.run(A, 'one', 'scheduled', nothing);
  await clock.advance(intervalMs * 2);
  expect(await came).toMatchObject({ kind: 'done' });
});

test('nobody is sent away for longer than the first tier of the queue takes', async () => {
  const clock = new ManualClock();
  const flows = flowsWith(clock, () => ({ perSecond: 1, burst: 1 }));
  const waits: number[] = [];
  for (let n = 0; n < 1_000; n += 1) {
    void flows
      .run(A, String(n), 'scheduled', nothing)
      .then((ran) => (ran.kind === 'later' ? waits.push(ran.afterMs) : 0));
  }
  await settle(clock);
  expect(waits.length).toBe(1_000 - LINE_MAX);
  expect(Math.max(...waits)).toBeLessThanOrEqual(AWAY_MS_MAX);
});

test('one that a person waits for takes no turn, and a patient one waits in line however long it is', async () => {
  const clock = new ManualClock();
  const flows = flowsWith(clock);
  for (let n = 0; n < 500; n += 1) void flows.run(A, String(n), 'scheduled', never);
  await settle(clock);
  expect(await flows.run(A, 'now', 'at_once', async () => 'now')).toEqual({ kind: 'done', value: 'now' });
  let came = '';
  void flows.run(A, 'patient', 'patient', nothing).then(({ kind }) => {
    came = kind;
  });
  await clock.advance(600_000);
  expect(came).toBe('');
  expect(statusOf(flows, A)?.inFlight).toBe(PLACES);
});

test('what goes wrong gives its place back', async () => {
  const clock = new ManualClock();
  const flows = flowsWith(clock, () => ({ perSecond: 1_000, burst: 1_000 }));
  for (let n = 0; n < 3 * PLACES; n += 1) {
    const run = flows.run(A, String(n), 'scheduled', () => Promise.reject(new Error('broken')));
    await expect(run).rejects.toThrow('broken');
  }
  expect(statusOf(flows, A)).toMatchObject({ inFlight: 0, waiting: 0 });
});

test('who was sent away and never came again is forgotten, and holds nobody up', async () => {
  const clock = new ManualClock();
  const flows = flowsWith(clock, () => ({ perSecond: 100, burst: 1 }));
  for (let n = 0; n < 400; n += 1) void flows.run(A, String(n), 'scheduled', nothing);
  await settle(clock);
  await clock.advance(70_000);
  flows.show();
  expect(statusOf(flows, A)?.waiting).toBe(0);
  expect(await flows.run(A, 'new', 'scheduled', nothing)).toMatchObject({ kind: 'done' });
});

test('of 1,000 payments that wait in the queue each is checked once, at the rate of their channel; a refund beside them and another channel wait for none of them', async () => {
  const clock = new ManualClock();
  const limits = new Map([['a', { perSecond: 50, burst: 10 }]]);
  const flows = flowsWith(clock, ({ channelId }) => limits.get(channelId) ?? { perSecond: 1_000, burst: 1_000 });
  const queue = createMemoryQueue(clock);
  const stop = new AbortController();
  const ended = new Map<string, number>();
  let twice = 0;
  const working = workQueue({
    name: 'test',
    queue,
    owned: () => ({ shards: [0], epoch: undefined }),
    free: () => 200,
    handle: async ({ id }) => {
      const [channelId = '', kind] = id.split(':');
      const ran = await flows.run(
        { channelId, kind: kind === 'refund' ? 'refund' : 'payment' },
        id,
        'scheduled',
        async () => {
          await clock.sleep(20);
          if (ended.has(id)) twice += 1;
          ended.set(id, clock.monotonicMs());
        },
      );
      return ran.kind === 'done' ? { kind: 'done' } : { kind: 'again', afterMs: ran.afterMs };
    },
    visibilityMs: 5_000,
    lookEveryMs: () => 200,
    retryAfterMs: 1_000,
    clock,
    log,
    signal: stop.signal,
  });
  const add = (id: string, afterMs: number) => queue.add([{ id, payload: '', afterMs, ifWaiting: 'sooner' }]);
  for (let n = 0; n < 1_000; n += 1) await add(`a:payment:${n}`, 0);
  await add('a:refund:1', 3_000);
  await add('b:payment:1', 3_000);
  await clock.advance(4_000);
  expect(ended.get('a:refund:1')).toBeLessThanOrEqual(3_300);
  expect(ended.get('b:payment:1')).toBeLessThanOrEqual(3_300);
  const early = [...ended.keys()].filter((id) => id.startsWith('a:payment')).length;
  expect(early).toBeGreaterThan(150);
  expect(early).toBeLessThanOrEqual(4 * 50 + 10);
  // Nothing is lost: what is not done waits.
  expect((await queue.look(0)).count).toBe(1_000 - early);
  await clock.advance(22_000);
  expect(ended.size).toBe(1_002);
  expect(twice).toBe(0);
  stop.abort();
  await clock.advance(6_000);
  await working;
}, 60_000);
