import { ManualClock } from '@tillmesh/clock';
import { DAY_MAX, DAY_MS, groupTag, ORDER_EPOCH_MS, type OrderNo, parseOrderNo, toOrderKey } from '@tillmesh/domain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClockWentBack } from '../src/index.ts';
import { createOrderNumberSource, type OrderNumberSource, type WorkerSeat } from '../src/order-number-source.ts';

const TAG = groupTag(5);
const START_MS = ORDER_EPOCH_MS + 100 * DAY_MS;
const NUMBERS_A_MS = 128;

/** A worker id that nobody else ever has. */
const seatOf = (workerId: number): WorkerSeat => ({ workerId, afterMs: 0, untilMs: () => Number.POSITIVE_INFINITY });

/** The source's next number, where there is one. */
const nextOf = async (source: OrderNumberSource): Promise<OrderNo> => {
  const orderNo = await source.next(TAG);
  if (orderNo === undefined) throw new Error('no number could be drawn');
  return orderNo;
};

const sourceAt = (startMs: number, seat: WorkerSeat | undefined = seatOf(9)) => {
  const clock = new ManualClock(startMs);
  return { clock, source: createOrderNumberSource({ clock, seatOf: async () => seat }) };
};

const draw = async (source: OrderNumberSource, count: number): Promise<OrderNo[]> => {
  const drawn: OrderNo[] = [];
  for (let n = 0; n < count; n += 1) drawn.push(await nextOf(source));
  return drawn;
};

const partsOf = (orderNo: OrderNo | undefined) => {
  const parsed = orderNo === undefined ? undefined : parseOrderNo(orderNo);
  if (parsed === undefined) throw new Error(`${orderNo} is no order number`);
  return parsed.parts;
};
const msOf = (orderNo: OrderNo | undefined): number => {
  const { day, msOfDay } = partsOf(orderNo);
  return ORDER_EPOCH_MS + day * DAY_MS + msOfDay;
};

/** The promise's value if it has one by now. */
const settledNow = async <T>(promise: Promise<T>): Promise<T | 'waits'> => {
  await new Promise((resolve) => setImmediate(resolve));
  return Promise.race([promise, Promise.resolve('waits' as const)]);
};

describe('order numbers', () => {
  test('name their time, group and worker', async () => {
    const { source } = sourceAt(START_MS + 12_345);
    expect(partsOf(await source.next(TAG))).toEqual({
      day: 100,
      msOfDay: 12_345,
      groupTag: 5,
      workerId: 9,
      sequence: 0,
    });
  });

  test('of one ms count up, the 129th borrows the next ms', async () => {
    const { source } = sourceAt(START_MS);
    const drawn = await draw(source, NUMBERS_A_MS + 1);
    expect(drawn.slice(0, NUMBERS_A_MS).map((orderNo) => partsOf(orderNo).sequence)).toEqual(
      Array.from({ length: NUMBERS_A_MS }, (_, n) => n),
    );
    expect(partsOf(drawn.at(-1)).sequence).toBe(0);
    expect(msOf(drawn.at(-1))).toBe(START_MS + 1);
  });

  test('run at most 5 ms ahead of the clock; then their callers wait for it', async () => {
    const { clock, source } = sourceAt(START_MS);
    const drawn = await draw(source, NUMBERS_A_MS * 6);
    expect(msOf(drawn.at(-1))).toBe(START_MS + 5);
    const next = source.next(TAG);
    expect(await settledNow(next)).toBe('waits');
    await clock.advance(1);
    expect(msOf(await next)).toBe(START_MS + 6);
  });

  test('that many callers wait for are all different, in the order of time', async () => {
    const { clock, source } = sourceAt(START_MS);
    await draw(source, NUMBERS_A_MS * 6);
    const waiting = Promise.all(Array.from({ length: 300 }, () => source.next(TAG)));
    await clock.advance(10);
    expect(new Set(await waiting).size).toBe(300);
  });

  const STEPS_BACK = [
    [1, 'goes on'],
    [50, 'goes on'],
    [51, 'is refused'],
    [60_000, 'is refused'],
  ] as const;
  for (const [backMs, then] of STEPS_BACK) {
    test(`after a clock that was set back by ${backMs} ms: the next number ${then}`, async () => {
      const { clock, source } = sourceAt(START_MS);
      const [before] = await draw(source, 1);
      clock.stepWall(-backMs);
      if (then === 'is refused') await expect(source.next(TAG)).rejects.toThrow(ClockWentBack);
      else expect((await nextOf(source)) > (before ?? '')).toBe(true);
    });
  }

  test('are refused until the clock is where it was, and never repeat then', async () => {
    const { clock, source } = sourceAt(START_MS);
    const before = await draw(source, 10);
    clock.stepWall(-200);
    await expect(source.next(TAG)).rejects.toThrow(/200 ms/);
    await clock.advance(149);
    await expect(source.next(TAG)).rejects.toThrow(ClockWentBack);
    await clock.advance(1);
    const after = await draw(source, 10);
    expect(new Set([...before, ...after]).size).toBe(20);
  });

  test('reach the last day that they can name, and are refused on the day after rather than begin again', async () => {
    const lastMs = ORDER_EPOCH_MS + DAY_MAX * DAY_MS + DAY_MS - 1;
    expect(new Date(lastMs).getUTCFullYear()).toBe(2115);
    const { clock, source } = sourceAt(lastMs);
    expect(msOf(await source.next(TAG))).toBe(lastMs);
    await clock.advance(1);
    await expect(source.next(TAG)).rejects.toThrow(/does not fit an order number/);
  });

  test('need a worker id that fits them', async () => {
    for (const workerId of [-1, 256, 1.5, Number.NaN]) {
      await expect(sourceAt(START_MS, seatOf(workerId)).source.next(TAG)).rejects.toThrow(/worker/);
    }
  });

  test('are not drawn without a worker id', async () => {
    const clock = new ManualClock(START_MS);
    const source = createOrderNumberSource({ clock, seatOf: async () => undefined });
    expect(await source.next(TAG)).toBeUndefined();
  });

  test('lie behind the last one that the holder before could draw, and never beyond what is reserved', async () => {
    let untilMs = START_MS + 10;
    const { clock, source } = sourceAt(START_MS, { workerId: 9, afterMs: START_MS + 3, untilMs: () => untilMs });
    const first = nextOf(source);
    expect(await settledNow(first)).toBe(await settledNow(first));
    await clock.advance(10);
    expect(msOf(await first)).toBeGreaterThan(START_MS + 3);
    await clock.advance(1);
    expect(await source.next(TAG)).toBeUndefined();
    untilMs += 1_000;
    expect(msOf(await nextOf(source))).toBe(START_MS + 11);
  });

  test('are not drawn while the clock is far behind what the holder before could draw', async () => {
    const { source } = sourceAt(START_MS, { workerId: 9, afterMs: START_MS + 5_000, untilMs: () => START_MS + 9_000 });
    expect(await source.next(TAG)).toBeUndefined();
  });

  test('of two holders of one worker id, one after the other, never meet', async () => {
    const before = sourceAt(START_MS, { workerId: 9, afterMs: 0, untilMs: () => START_MS + 4 });
    const drawn: OrderNo[] = [];
    for (let ms = 0; ms < 8; ms += 1) {
      const orderNo = await before.source.next(TAG);
      if (orderNo !== undefined) drawn.push(orderNo);
      await before.clock.advance(1);
    }
    const after = sourceAt(START_MS + 5, { workerId: 9, afterMs: START_MS + 4, untilMs: () => START_MS + 100 });
    drawn.push(...(await draw(after.source, 300)));
    expect(new Set(drawn).size).toBe(drawn.length);
    expect(drawn.length).toBe(305);
  });
});

type Step = { readonly kind: 'draw' | 'advance' | 'set_clock'; readonly by: number };

const stepOf: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('draw' as const), by: fc.integer({ min: 1, max: 150 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), by: fc.integer({ min: 0, max: 3 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('set_clock' as const), by: fc.integer({ min: -60, max: 60 }) }),
  },
);

/** Draws numbers while the clock runs and is set; what waits is let through at the end. */
const runHistory = async (steps: readonly Step[]) => {
  const { clock, source } = sourceAt(START_MS);
  const drawn: { readonly orderNo: OrderNo; readonly aheadMs: number }[] = [];
  const waiting: Promise<void>[] = [];
  for (const { kind, by } of steps) {
    if (kind === 'advance') await clock.advance(by);
    else if (kind === 'set_clock') clock.stepWall(by);
    else {
      for (let n = 0; n < by; n += 1) {
        waiting.push(
          nextOf(source).then(
            (orderNo) => {
              drawn.push({ orderNo, aheadMs: msOf(orderNo) - clock.nowMs() });
            },
            (error: unknown) => {
              if (!(error instanceof ClockWentBack)) throw error;
            },
          ),
        );
      }
      await settledNow(Promise.resolve());
    }
  }
  await clock.advance(600);
  await Promise.all(waiting);
  return drawn;
};

test('whatever the clock does, numbers only grow, and so never repeat', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stepOf, { maxLength: 12 }), async (steps) => {
      const drawn = await runHistory(steps);
      for (const [place, { orderNo }] of drawn.entries()) {
        const before = drawn[place - 1]?.orderNo;
        if (before !== undefined) expect(toOrderKey(orderNo)).toBeGreaterThan(toOrderKey(before));
      }
    }),
    { numRuns: 40 },
  );
});

test('while the clock is not set back, no number is more than 5 ms ahead of it', async () => {
  const forward = stepOf.filter(({ kind, by }) => kind !== 'set_clock' || by >= 0);
  await fc.assert(
    fc.asyncProperty(fc.array(forward, { maxLength: 12 }), async (steps) => {
      for (const { aheadMs } of await runHistory(steps)) expect(aheadMs).toBeLessThanOrEqual(5);
    }),
    { numRuns: 40 },
  );
});
