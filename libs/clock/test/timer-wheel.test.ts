import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_TIMER, seededRandom, type TimerHandle, TimerWheel } from '../src/index.ts';

/** Takes out everything that is due, in order. */
const takeDue = <Item>(wheel: TimerWheel<Item>): Item[] => {
  const taken: Item[] = [];
  for (let timer = wheel.firstDue(); timer !== NO_TIMER; timer = wheel.firstDue()) {
    taken.push(wheel.item(timer));
    wheel.remove(timer);
  }
  return taken;
};

const DAY_MS = 86_400_000;

describe('a timer of a wheel', () => {
  for (const afterMs of [0, 1, 4_095, 4_096, 4_097, 60_000, 4_194_303, 4_194_304, 4_194_305, DAY_MS, 60 * DAY_MS]) {
    test(`of ${afterMs} ms is due then and not a millisecond before`, () => {
      for (const startMs of [0, 4_095, 123_456_789.5]) {
        const wheel = new TimerWheel<string>(startMs, 10);
        const dueMs = Math.max(Math.floor(startMs) + 1, Math.ceil(startMs + afterMs));
        wheel.add('it', startMs + afterMs);
        wheel.advance(dueMs - 1);
        expect(takeDue(wheel)).toEqual([]);
        wheel.advance(dueMs);
        expect(takeDue(wheel)).toEqual(['it']);
        expect(wheel.count).toBe(0);
      }
    });
  }

  test('that is due stays until it is taken out, or is moved', () => {
    const wheel = new TimerWheel<string>(0, 10);
    const timer = wheel.add('it', 5);
    wheel.advance(10);
    wheel.advance(20);
    expect(wheel.firstDue()).toBe(timer);
    wheel.move(timer, 30);
    expect(wheel.firstDue()).toBe(NO_TIMER);
    wheel.advance(30);
    expect(takeDue(wheel)).toEqual(['it']);
  });

  test('that was taken out is refused by everything that asks for one', () => {
    const wheel = new TimerWheel<string>(0, 10);
    const timer = wheel.add('it', 5);
    wheel.remove(timer);
    expect(() => wheel.remove(timer)).toThrow(RangeError);
    expect(() => wheel.move(timer, 9)).toThrow(RangeError);
    expect(() => wheel.item(timer)).toThrow(RangeError);
  });

  test('finds no place in a full wheel, and finds one again when another goes', () => {
    const wheel = new TimerWheel<number>(0, 1_000);
    const timers = Array.from({ length: 1_000 }, (_, n) => wheel.add(n, n));
    expect(wheel.add(1_000, 1)).toBe(NO_TIMER);
    expect(wheel.count).toBe(1_000);
    wheel.remove(timers[500] ?? NO_TIMER);
    expect(wheel.add(1_001, 1)).not.toBe(NO_TIMER);
    wheel.advance(2_000);
    expect(takeDue(wheel)).toHaveLength(1_000);
  });
});

test.each([0, -1, 1.5, Number.NaN, 2 ** 31])('a wheel for %s timers is refused', (timersMax) => {
  expect(() => new TimerWheel(0, timersMax)).toThrow(RangeError);
});

type Step =
  | { readonly kind: 'add'; readonly afterMs: number }
  | { readonly kind: 'move' | 'remove'; readonly which: number; readonly afterMs: number }
  | { readonly kind: 'pass'; readonly ms: number };

const spans = fc.oneof(
  fc.integer({ min: 0, max: 10 }),
  fc.integer({ min: 0, max: 9_000 }),
  fc.integer({ min: 0, max: 10_000_000 }),
  fc.integer({ min: 0, max: 70 * DAY_MS }),
);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), afterMs: spans }) },
    fc.record({ kind: fc.constantFrom('move' as const, 'remove' as const), which: fc.nat(), afterMs: spans }),
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: spans }) },
  ),
  { maxLength: 60 },
);

describe('whatever is done with it, a wheel', () => {
  test('gives each timer once, in its time, the longest due first, and says when to look', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 10_000_000 }), (script, startMs) => {
        const wheel = new TimerWheel<number>(startMs, 1_000);
        const model = new Map<number, { timer: TimerHandle; dueMs: number }>();
        let nowMs = startMs;
        let named = 0;
        const dueOf = (afterMs: number) => Math.max(nowMs + 1, nowMs + afterMs);
        for (const step of script) {
          const waiting = [...model.keys()];
          const chosen = 'which' in step ? waiting[step.which % Math.max(1, waiting.length)] : undefined;
          if (step.kind === 'add') {
            model.set(named, { timer: wheel.add(named, nowMs + step.afterMs), dueMs: dueOf(step.afterMs) });
            named += 1;
          } else if (step.kind === 'pass') {
            // Nothing may be due before the time at which the wheel said that it has something to do.
            const wakeAtMs = wheel.wakeAtMs();
            nowMs += step.ms;
            wheel.advance(nowMs);
            const taken = takeDue(wheel);
            const expected = waiting.filter((name) => (model.get(name)?.dueMs ?? 0) <= nowMs);
            expect(taken.toSorted((a, b) => a - b)).toEqual(expected.toSorted((a, b) => a - b));
            const times = taken.map((name) => model.get(name)?.dueMs ?? 0);
            expect(times).toEqual(times.toSorted((a, b) => a - b));
            if (times[0] !== undefined) expect(wakeAtMs).toBeLessThanOrEqual(times[0]);
            for (const name of taken) model.delete(name);
          } else if (chosen !== undefined) {
            const known = model.get(chosen);
            if (known === undefined) continue;
            if (step.kind === 'move') {
              wheel.move(known.timer, nowMs + step.afterMs);
              known.dueMs = dueOf(step.afterMs);
            } else {
              wheel.remove(known.timer);
              model.delete(chosen);
            }
          }
          expect(wheel.count).toBe(model.size);
        }
        if (model.size > 0) expect(Number.isFinite(wheel.wakeAtMs())).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  test('costs the same with a million timers as with a thousand', () => {
    const random = seededRandom(7);
    const wheel = new TimerWheel<undefined>(0, 1_000_000);
    const timers = Array.from({ length: 1_000_000 }, () => wheel.add(undefined, random.below(3_600_000)));
    const nanosOfMoves = (of: readonly TimerHandle[]): number => {
      let best = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 5; round += 1) {
        const beganMs = performance.now();
        for (let n = 0; n < 20_000; n += 1) wheel.move(of[n % of.length] ?? 0, 1_000 + ((n * 7_919) % 3_600_000));
        best = Math.min(best, ((performance.now() - beganMs) * 1e6) / 20_000);
      }
      return best;
    };
    // Only a mistake of another order is meant: a move that walks a list would take milliseconds.
    expect(nanosOfMoves(timers)).toBeLessThan(20_000);
    wheel.advance(3_601_000);
    expect(takeDue(wheel)).toHaveLength(1_000_000);
  });
});
