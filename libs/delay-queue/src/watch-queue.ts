import { type Clock, repeat } from '@tillmesh/clock';
import { counter, gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import type { DelayQueue } from './delay-queue.ts';

const overdueGauge = gauge(
  'tillmesh_delay_queue_oldest_overdue_seconds',
  'How long the oldest entry has been due without being claimed.',
  ['queue'],
);
const waitingGauge = gauge('tillmesh_delay_queue_waiting', 'Entries that wait, are due or are claimed.', ['queue']);
const stoppedGauge = gauge('tillmesh_delay_queue_stopped', '1 while the queue counts as stopped.', ['queue']);
const stops = counter('tillmesh_delay_queue_stops_total', 'How often the queue was found stopped.', ['queue']);

/** What was seen when a queue was found to have stopped. */
export type StoppedQueue = {
  readonly queue: string;
  /** Where the oldest due entry waits. */
  readonly shard: number;
  readonly overdueMs: number;
  /** Workers that hold a lease; 0 says that nobody works at all. */
  readonly workers: number;
};

/**
 * Looks at all shards of a queue again and again until the signal is aborted, and finds the queue stopped when what is due is not
 * claimed, whatever its workers say of themselves: they may hold leases and do nothing. What it sees is in the metrics. While Redis is
 * away it sees nothing and says nothing: then the queue is not what is broken.
 *
 * @param options.overdueMsMax what has been due for longer means that the queue has stopped.
 * @param options.onStopped once, when it stops; `onGoing` once, when it goes again. What they throw is logged.
 */
export const watchQueue = (options: {
  readonly name: string;
  readonly queue: DelayQueue;
  readonly workers: () => number;
  readonly overdueMsMax: number;
  readonly everyMs: number;
  readonly onStopped: (stopped: StoppedQueue) => void;
  readonly onGoing: () => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { name, queue, workers, overdueMsMax, everyMs, onStopped, onGoing, clock, log, signal } = options;
  let isStopped = false;
  const look = async (): Promise<void> => {
    const looks = await Promise.all(Array.from({ length: queue.shardCount }, (_, shard) => queue.look(shard)));
    const overdueMs = Math.max(...looks.map((each) => each.overdueMs));
    const shard = looks.findIndex((each) => each.overdueMs === overdueMs);
    overdueGauge.set({ queue: name }, overdueMs / 1_000);
    waitingGauge.set(
      { queue: name },
      looks.reduce((sum, { count }) => sum + count, 0),
    );
    const wasStopped = isStopped;
    isStopped = overdueMs > overdueMsMax;
    stoppedGauge.set({ queue: name }, isStopped ? 1 : 0);
    if (isStopped && !wasStopped) {
      const stopped: StoppedQueue = { queue: name, shard, overdueMs, workers: workers() };
      stops.add({ queue: name });
      log.error(stopped, 'the queue has stopped: what is due is not claimed');
      onStopped(stopped);
    } else if (!isStopped && wasStopped) {
      log.warn({ queue: name }, 'the queue goes again');
      onGoing();
    }
  };
  return withoutSpans(() =>
    repeat({
      clock,
      everyMs,
      signal,
      task: look,
      onError: (error) => log.debug({ err: error, queue: name }, 'the queue could not be looked at'),
    }),
  );
};
