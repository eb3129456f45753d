import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AdmissionLevel, LEVEL_ALL, RANKS, rankOf } from '../src/admission-level.ts';
import { PRIORITIES } from '../src/call-context.ts';

const RULES = { delayMsMax: 20, arrivalsMin: 25 };
const NOW = Date.UTC(2026, 10, 26, 12);

/** A window with so many calls of each rank. @returns how many were admitted of each. */
const window = (level: AdmissionLevel, calls: ReadonlyMap<number, number>, delayMs: number): Map<number, number> => {
  const admitted = new Map([...calls].map(([rank]) => [rank, 0]));
  for (const [rank, count] of calls) {
    for (let n = 0; n < count; n += 1) if (level.admits(rank)) admitted.set(rank, (admitted.get(rank) ?? 0) + 1);
  }
  level.endWindow(delayMs);
  return admitted;
};

describe('the rank of a call', () => {
  test('is by priority first, and within it by merchant; without one it is the last', () => {
    for (const [place, priority] of PRIORITIES.entries()) {
      for (const merchant of ['', 'm-1', 'shop-77']) {
        const rank = rankOf(priority, merchant, NOW);
        expect(Math.floor(rank / 128)).toBe(place);
        if (merchant === '') expect(rank % 128).toBe(127);
      }
    }
    expect(rankOf('list', '', NOW)).toBe(LEVEL_ALL);
  });

  test('changes with the hour, so that no merchant is always the first to go', () => {
    const ranks = Array.from({ length: 24 }, (_, hour) => rankOf('query', 'm-1', NOW + hour * 3_600_000));
    expect(new Set(ranks).size).toBeGreaterThan(12);
  });
});

describe('the level', () => {
  const [payment, list] = [rankOf('payment', 'm-1', NOW), rankOf('list', 'm-1', NOW)];

  test('stays where calls wait as long as they may, or where they are few', () => {
    const level = new AdmissionLevel(RULES);
    window(level, new Map([[list, 1_000]]), 20);
    window(level, new Map([[list, 24]]), 500);
    expect(level.level).toBe(LEVEL_ALL);
  });

  test('sheds lists within a second where there is far too much to do, and no payment', () => {
    const level = new AdmissionLevel(RULES);
    const calls = new Map([
      [payment, 100],
      [list, 900],
    ]);
    let last = new Map<number, number>();
    for (let n = 0; n < 4; n += 1) last = window(level, calls, 200);
    expect(last.get(list)).toBeLessThan(900 * 0.03);
    expect(window(level, calls, 200)).toEqual(
      new Map([
        [payment, 100],
        [list, 0],
      ]),
    );
  });

  /** Of a process that can do so many calls in a window, and is late by what is above. @returns how many were admitted in each. */
  const play = (level: AdmissionLevel, capacity: number, offer: (n: number) => void, windows: number): number[] =>
    Array.from({ length: windows }, (_, n) => {
      admittedNow = 0;
      offer(n);
      for (let done = Math.min(admittedNow, capacity); done > 0; done -= 1) level.finish();
      level.endWindow(admittedNow > capacity ? 20 + (200 * (admittedNow - capacity)) / capacity : 1);
      return admittedNow;
    });
  let admittedNow = 0;
  const call = (level: AdmissionLevel, rank: number, standsFor = 1): boolean => {
    const admitted = level.admits(rank, standsFor);
    if (admitted) admittedNow += 1;
    return admitted;
  };
  const least = (counts: readonly number[]): number => Math.min(...counts);
  const mean = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0) / counts.length;

  test('lets in as much as can be done of ten times as much, after a second, although it hears of little of what is refused', () => {
    const level = new AdmissionLevel(RULES);
    const rankAt = (n: number) => 2 * 128 + ((n * 37) % 128);
    let unheard = 0;
    const admitted = play(
      level,
      250,
      () => {
        const told = Math.ceil(level.level);
        for (let n = 0; n < 2_500; n += 1) {
          if (rankAt(n) <= told) call(level, rankAt(n));
          else {
            unheard += 1;
            if (unheard < 200) continue;
            call(level, rankAt(n), unheard);
            unheard = 0;
          }
        }
      },
      100,
    );
    const settled = admitted.slice(6);
    expect(mean(settled)).toBeGreaterThan(250 * 0.95);
    expect(mean(settled)).toBeLessThan(250 * 1.1);
    expect(least(settled)).toBeGreaterThan(250 * 0.75);
  });

  test('lets a part of one merchant in who offers most of what comes', () => {
    const level = new AdmissionLevel(RULES);
    const admitted = play(
      level,
      250,
      () => {
        for (let n = 0; n < 2_000; n += 1) call(level, 2 * 128 + 60);
      },
      100,
    );
    expect(mean(admitted.slice(6))).toBeGreaterThan(250 * 0.9);
    expect(least(admitted.slice(6))).toBeGreaterThan(250 * 0.6);
  });

  test('lets as much of it in where its callers have refused the others already', () => {
    const level = new AdmissionLevel(RULES);
    const rank = 2 * 128 + 60;
    let refused = 0;
    const admitted = play(
      level,
      250,
      () => {
        const share = 1 - (rank - Number(level.level.toFixed(2)));
        for (let n = 0; n < 2_000; n += 1) {
          refused += 1;
          if (share < 1 && refused * share < 1) continue;
          call(level, rank, refused);
          refused = 0;
        }
      },
      100,
    );
    expect(mean(admitted.slice(6))).toBeGreaterThan(250 * 0.85);
    expect(mean(admitted.slice(6))).toBeLessThan(250 * 1.15);
  });

  test('admits all within four seconds after a flood', () => {
    const level = new AdmissionLevel(RULES);
    const offer = (count: number) => () => {
      for (let n = 0; n < count; n += 1) call(level, 2 * 128 + ((n * 37) % 128));
    };
    play(level, 250, offer(2_500), 40);
    expect(level.level).toBeLessThan(2 * 128 + 20);
    play(level, 250, offer(240), 16);
    expect(level.level).toBe(LEVEL_ALL);
  });

  test('sinks as well where what was admitted finds no room, also while the loop is in time', () => {
    const level = new AdmissionLevel(RULES);
    const spread = new Map(Array.from({ length: 128 }, (_, n) => [2 * 128 + n, 10] as const));
    for (let n = 0; n < 8; n += 1) {
      for (const [rank, count] of spread)
        for (let nth = 0; nth < count; nth += 1) if (level.admits(rank) && nth > 2) level.press();
      level.endWindow(1);
    }
    expect(level.level).toBeLessThan(2 * 128 + 64);
    expect(level.level).toBeGreaterThanOrEqual(127);
  });

  test('comes back in steps when it is over', () => {
    const level = new AdmissionLevel(RULES);
    const spread = new Map(Array.from({ length: 128 }, (_, n) => [3 * 128 + n, 10] as const));
    for (let n = 0; n < 20; n += 1) window(level, spread, 100);
    const low = level.level;
    expect(low).toBeLessThan(LEVEL_ALL);
    const admitted: number[] = [];
    for (let n = 0; n < 100; n += 1) {
      const counts = window(level, spread, 1);
      admitted.push([...counts.values()].reduce((sum, count) => sum + count, 0));
    }
    expect(admitted).toEqual(admitted.toSorted((a, b) => a - b));
    expect(level.level).toBe(LEVEL_ALL);
  });

  test('never refuses a call while it admits one that is less important, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ ranks: fc.array(fc.nat(RANKS - 1), { maxLength: 60 }), delayMs: fc.nat(300) }), {
          maxLength: 20,
        }),
        (windows) => {
          const level = new AdmissionLevel(RULES);
          for (const { ranks, delayMs } of windows) {
            const refused = ranks.filter((rank) => !level.admits(rank));
            const admitted = ranks.filter((rank) => !refused.includes(rank));
            if (refused.length > 0 && admitted.length > 0) {
              expect(Math.min(...refused)).toBeGreaterThan(Math.max(...admitted));
            }
            level.endWindow(delayMs);
          }
        },
      ),
    );
  });
});
