import { expect, test } from 'vitest';
import { createProgressLines, type MoveProgress, progressLine } from '../src/index.ts';

const LINES: readonly (readonly [what: string, progress: Parameters<typeof progressLine>[0], line: string])[] = [
  [
    'nothing is known of the rate yet',
    { phase: 'copy', done: 0, total: 5_000, elapsedMs: 0, doneBefore: 0 },
    'copy           [                        ] 0 of 5000',
  ],
  [
    'half is done',
    { phase: 'copy', done: 2_500, total: 5_000, elapsedMs: 5_000, doneBefore: 0 },
    'copy           [████████████            ] 2500 of 5000, 500/s, 5 s left',
  ],
  [
    'an earlier process has done its part, which says nothing of the rate of this one',
    { phase: 'copy', done: 3_000, total: 5_000, elapsedMs: 1_000, doneBefore: 2_900 },
    'copy           [██████████████          ] 3000 of 5000, 100/s, 20 s left',
  ],
  [
    'it takes hours',
    { phase: 'verify', done: 1_000, total: 10_000_000, elapsedMs: 1_000, doneBefore: 0 },
    'verify         [                        ] 1000 of 10000000, 1000/s, 2 h 46 min left',
  ],
  [
    'all is done',
    { phase: 'verify', done: 10, total: 10, elapsedMs: 1_000, doneBefore: 0 },
    'verify         [████████████████████████] 10 of 10',
  ],
  [
    'there was nothing to do',
    { phase: 'copy', done: 0, total: 0, elapsedMs: 1_000, doneBefore: 0 },
    'copy           [████████████████████████] 0 of 0',
  ],
];

for (const [what, progress, line] of LINES) {
  test(`a line of progress where ${what}`, () => {
    expect(progressLine(progress)).toBe(line);
  });
}

test('the rate is that of the present phase', () => {
  let nowMs = 0;
  const lineOf = createProgressLines(() => nowMs);
  const at = (ms: number, progress: MoveProgress): string => {
    nowMs = ms;
    return lineOf(progress);
  };
  at(0, { phase: 'copy', done: 0, total: 100 });
  expect(at(1_000, { phase: 'copy', done: 50, total: 100 })).toContain('50/s, 1 s left');
  at(9_000, { phase: 'verify', done: 0, total: 100 });
  expect(at(10_000, { phase: 'verify', done: 20, total: 100 })).toContain('20/s, 4 s left');
});
