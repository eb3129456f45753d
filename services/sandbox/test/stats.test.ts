import { ManualClock } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { createStats } from '../src/stats.ts';

test('exchanges are counted by account: under way, the most at once, and the most that began within a second or ten', async () => {
  const clock = new ManualClock();
  const stats = createStats(clock);
  const begin = (count: number) => Array.from({ length: count }, () => stats.exchange('a', 'query'));
  const over = begin(3);
  await clock.advance(999);
  over.push(...begin(2));
  await clock.advance(1);
  // What came a whole second ago is not within this one.
  over.push(...begin(1));
  for (const end of over.slice(1)) end();
  stats.exchange('b', 'pay');
  expect(stats.read().exchanges).toEqual({
    a: { underWay: 1, most: 6, total: 6, mostInSecond: 5, mostInTenSeconds: 6, paying: { underWay: 0, most: 0 } },
    b: { underWay: 1, most: 1, total: 1, mostInSecond: 1, mostInTenSeconds: 1, paying: { underWay: 1, most: 1 } },
  });
  stats.forgetMost();
  begin(1);
  expect(stats.read().exchanges['a']).toMatchObject({
    underWay: 2,
    most: 2,
    total: 7,
    mostInSecond: 1,
    mostInTenSeconds: 1,
  });
});
