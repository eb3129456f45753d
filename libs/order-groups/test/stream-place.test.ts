import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createStreamPlace } from '../src/follow/stream-place.ts';

const HOUR_MS = 3_600_000;

describe('the place in a stream', () => {
  test('keeps an id that it passes over as a gap, until it is seen', () => {
    const place = createStreamPlace(undefined);
    place.advance([1n, 2n, 5n], 0);
    expect(place.position).toBe(5n);
    expect(place.due(10, 100)).toEqual([{ from: 3n, to: 4n }]);
    place.looked([{ from: 3n, to: 4n }], [4n], 100);
    expect(place.due(10, 10_000)).toEqual([{ from: 3n, to: 3n }]);
    place.looked([{ from: 3n, to: 3n }], [3n], 10_000);
    expect(place.gapCount).toBe(0);
  });

  test('looks for a missing id again when its age has doubled, and some twenty times in all', () => {
    const place = createStreamPlace(undefined);
    place.advance([2n], 0);
    let looks = 0;
    for (let nowMs = 0; nowMs < 30 * HOUR_MS; nowMs += looks < 15 ? 10 : 10_000) {
      const ranges = place.due(10, nowMs);
      if (ranges.length === 0) continue;
      looks += 1;
      place.looked(ranges, [], nowMs);
    }
    expect(looks).toBeGreaterThan(15);
    expect(looks).toBeLessThan(30);
    expect(place.gapCount, 'it is given up after 25 hours').toBe(0);
  });

  test('goes on from what was saved with the same position and gaps', () => {
    const place = createStreamPlace(undefined);
    place.advance([3n, 9n], 5);
    const again = createStreamPlace(place.toJson());
    expect(again.position).toBe(9n);
    expect(again.due(10, 5)).toEqual([
      { from: 1n, to: 2n },
      { from: 4n, to: 8n },
    ]);
  });

  test('takes of a wide gap only what can be under way at once', () => {
    const place = createStreamPlace(undefined);
    place.advance([5_000_000n], 0);
    expect(place.due(10, 100)).toEqual([{ from: 4_990_000n, to: 4_999_999n }]);
  });

  test('sees every id that is ever there, in whatever order they become visible', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ delay: fc.integer({ min: 0, max: 40 }), isUndone: fc.boolean() }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 10 }),
        (transactions, limit) => {
          // Id n is drawn at time n and visible from n + delay on; the times are tenths of a second.
          const visible = (now: number): bigint[] =>
            transactions.flatMap(({ delay, isUndone }, index) =>
              !isUndone && index + delay <= now ? [BigInt(index + 1)] : [],
            );
          let place = createStreamPlace(undefined);
          const seen: bigint[] = [];
          for (let now = 0; now < 400; now += 1) {
            const shown = visible(now);
            const ranges = place.due(16, now * 100);
            const late = shown.filter((id) => ranges.some(({ from, to }) => id >= from && id <= to));
            const behind = shown.filter((id) => id > place.position).slice(0, limit);
            seen.push(...late, ...behind);
            place.looked(ranges, late, now * 100);
            place.advance(behind, now * 100);
            // A projector that dies goes on from what it saved.
            if (now % 7 === 0) place = createStreamPlace(place.toJson());
          }
          expect([...seen].sort((a, b) => (a < b ? -1 : 1))).toEqual(visible(400));
        },
      ),
      { numRuns: 300 },
    );
  });
});
