import { ManualClock } from '@tillmesh/clock';
import { createLog } from '@tillmesh/telemetry';
import { expect, test } from 'vitest';
import { createMemoryQueue, DelayQueueError, type StoppedQueue, watchQueue } from '../src/index.ts';
import { claimAll, entry } from './queue-contract.ts';

const watched = () => {
  const clock = new ManualClock();
  const queue = createMemoryQueue(clock);
  const heard: (StoppedQueue | 'goes again')[] = [];
  const stop = new AbortController();
  let isAway = false;
  void watchQueue({
    name: 'test',
    queue: {
      ...queue,
      look: async (shard) => {
        if (isAway) throw new DelayQueueError('unavailable', 'away');
        return queue.look(shard);
      },
    },
    workers: () => 3,
    overdueMsMax: 10_000,
    everyMs: 1_000,
    onStopped: (stopped) => heard.push(stopped),
    onGoing: () => heard.push('goes again'),
    clock,
    log: createLog('test', 'silent'),
    signal: stop.signal,
  });
  const away = (value: boolean) => {
    isAway = value;
  };
  return { clock, queue, heard, stop, away };
};

test('a queue whose workers hold leases and claim nothing is found stopped, once, and found going again', async () => {
  const { clock, queue, heard, stop } = watched();
  await queue.add([entry('it', 5_000), entry('other', 6_000)]);
  await clock.advance(14_500);
  expect(heard).toEqual([]);
  await clock.advance(2_000);
  expect(heard).toEqual([{ queue: 'test', shard: 0, overdueMs: expect.any(Number), workers: 3 }]);
  await clock.advance(30_000);
  expect(heard).toHaveLength(1);
  await queue.ack(await claimAll(queue));
  await clock.advance(1_000);
  expect(heard.slice(1)).toEqual(['goes again']);
  stop.abort();
});

test('a queue with nothing due, and one that cannot be seen, is not stopped', async () => {
  const { clock, queue, heard, stop, away } = watched();
  await queue.add([entry('it', 3_600_000)]);
  await clock.advance(60_000);
  away(true);
  await clock.advance(3_600_000);
  expect(heard).toEqual([]);
  away(false);
  await clock.advance(30_000);
  expect(heard).toHaveLength(1);
  stop.abort();
});
