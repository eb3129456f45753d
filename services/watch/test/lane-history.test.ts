import { expect, test } from 'vitest';
import { laneOfReading } from '../src/lane-figures.ts';
import { createLaneHistory, HISTORY_SECONDS, type HistoryPoint, pointOf } from '../src/lane-history.ts';
import { said } from './a-board.ts';
import { aReading } from './a-lane-process.ts';

const at = (number: number): HistoryPoint => [number, 0, 0, 0];

test('a point is calls per second that went well, calls per second that did not, how open the lane was, and what is under way', () => {
  const [reading] = said('x', [
    aReading('a', { succeeded: 300n, declined: 20n, failed: 15n, rejectedOpen: 100n }),
  ]).lanes;
  if (reading === undefined) throw new Error('no reading');
  expect(pointOf(laneOfReading(reading), 1 / 3)).toEqual([32, 11.5, 0.33, 3]);
});

test('the last minute of each lane is kept, and that of a lane that is gone is not', () => {
  const history = createLaneHistory();
  for (let second = 1; second <= HISTORY_SECONDS + 5; second += 1) {
    history.add(new Map([['a', at(second)], ...(second > 62 ? [] : [['b', at(second)] as const])]));
  }
  expect(history.of('a')).toHaveLength(HISTORY_SECONDS);
  expect(history.of('a')[0]).toEqual(at(6));
  expect(history.of('a').at(-1)).toEqual(at(65));
  expect(history.of('b')).toEqual([]);
});
