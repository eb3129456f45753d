import { ManualClock } from '@tillmesh/clock';
import { DAY_MAX, DAY_MS, groupTag, ORDER_EPOCH_MS, type OrderNo, parseOrderNo, toOrderKey } from '@tillmesh/domain';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClockWentBack } from '../src/index.ts';
import { createOrderNumberSource, type OrderNumberSource } from '../src/order-number-source.ts';

const TAG = groupTag(5);
const START_MS = ORDER_EPOCH_MS + 100 * DAY_MS;
const NUMBERS_A_MS = 128;

const sourceAt = (startMs: number, workerId = 9) => {
  const clock = new ManualClock(startMs);
  return { clock, source: createOrderNumberSource({ clock, workerId }) };
};

const draw = async (source: OrderNumberSource, count: number): Promise<OrderNo[]> => {
  const drawn: OrderNo[] = [];
  for (let n = 0; n < count; n += 1) drawn.push(await source.next(TAG));
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
      else expect((await source.next(TAG)) > (before ?? '')).toBe(true);
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

  test('need a worker id that fits them', () => {
    for (const workerId of [-1, 256, 1.5, Number.NaN]) {
      expect(() => createOrderNumberSource({ clock: new ManualClock(), workerId })).toThrow(/worker id/);
    }
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
          source.next(TAG).then(
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
