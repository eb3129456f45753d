import type { Clock } from '@tillmesh/clock';
import { createJobConnections, type RedisSettings } from '@tillmesh/delay-queue';
import type { Log } from '@tillmesh/telemetry';
import { Queue, QueueEvents, Worker } from 'bullmq';
import { ChangeJob } from './change-jobs.ts';

/** Jobs between who follows the groups and who writes the lists; both may be many processes. */
export type ChangeQueue = {
  /** Resolves when a worker somewhere has done all of them. Rejects when one failed for good or none was done in time: give them again. */
  done(jobs: readonly ChangeJob[]): Promise<void>;
  /** Starts to do jobs with this. */
  work(apply: (job: ChangeJob) => Promise<void>): void;
  close(): Promise<void>;
};

const QUEUE = 'list-changes';
const PREFIX = 'tillmesh:bull';
/** A worker that was killed gives its jobs back after this; meanwhile their giver gives them again. */
const LOCK_MS = 5_000;
const STALLED_EVERY_MS = 2_000;
/** A job that is given back is as good as new: it never counts as failed. */
const STALLED_MAX = 1_000;
const CLOSE_MS_MAX = 4_000;
const TRIES_MAX = 6;
const RETRY_AFTER_MS = 50;

type Waiting = { readonly resolve: () => void; readonly reject: (error: Error) => void };

/** Opens the queue. A Redis that is away makes `done` fail at once; the databases know what has to be done. */
export const openChangeQueue = (options: {
  readonly redis: Omit<RedisSettings, 'timeoutMs'>;
  /** Jobs that this process does at once. */
  readonly concurrent: number;
  /** How long given jobs may take until they are given again, ms. */
  readonly doneMsMax: number;
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Log;
}): ChangeQueue => {
  const { redis, concurrent, doneMsMax, instance, clock, log } = options;
  const connections = createJobConnections({
    redis,
    trouble: 'the queue of changes has trouble; lists fall behind',
    log,
  });
  const { connect, complain } = connections;
  const producing = connect();
  const queue = new Queue(QUEUE, { connection: producing, prefix: PREFIX, skipWaitingForReady: true });
  const events = new QueueEvents(QUEUE, { connection: connect(), prefix: PREFIX });
  const waiting = new Map<string, Waiting>();
  queue.on('error', complain);
  events.on('error', complain);
  events.on('completed', ({ jobId }) => waiting.get(jobId)?.resolve());
  events.on('failed', ({ jobId, failedReason }) => waiting.get(jobId)?.reject(new Error(failedReason)));
  let worker: Worker | undefined;
  let given = 0;

  const untilDone = (jobId: string): Promise<void> =>
    new Promise<void>((resolve, reject) => {
      const cancel = clock.after(doneMsMax, () => reject(new Error(`not done within ${doneMsMax} ms`)));
      waiting.set(jobId, {
        resolve: () => {
          cancel();
          resolve();
        },
        reject: (error) => {
          cancel();
          reject(error);
        },
      });
    }).finally(() => waiting.delete(jobId));

  return {
    done: async (jobs) => {
      const named = jobs.map((data) => {
        given += 1;
        // A new name each time: jobs that are given again must not be taken for those that were lost.
        return { name: 'apply', data, opts: { jobId: `${instance}.${given}` } };
      });
      // Before they are given: the first may be done before the last is there.
      const all = Promise.all(named.map(({ opts }) => untilDone(opts.jobId)));
      all.catch(() => undefined);
      try {
        if (producing.status !== 'ready') throw new Error('Redis is away');
        await Promise.race([
          queue.addBulk(
            named.map(({ opts, ...job }) => ({
              ...job,
              opts: {
                ...opts,
                attempts: TRIES_MAX,
                backoff: { type: 'exponential', delay: RETRY_AFTER_MS },
                removeOnComplete: true,
                removeOnFail: true,
              },
            })),
          ),
          all,
        ]);
        await all;
        connections.recovered();
      } catch (error) {
        for (const { opts } of named) {
          waiting.get(opts.jobId)?.reject(new Error('given up'));
          // What nobody has begun must not pile up while nobody works.
          if (producing.status === 'ready') queue.remove(opts.jobId).catch(complain);
        }
        throw error;
      }
    },
    work: (apply) => {
      worker = new Worker(QUEUE, ({ data }) => apply(ChangeJob.parse(data)), {
        connection: connect(),
        prefix: PREFIX,
        concurrency: concurrent,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_EVERY_MS,
        maxStalledCount: STALLED_MAX,
        drainDelay: 2,
      });
      worker.on('error', complain);
    },
    close: async () => {
      // Jobs under way end, unless they would take longer than stopping may.
      const closing = Promise.allSettled([worker?.close(), events.close(), queue.close()]);
      await Promise.race([closing, clock.sleep(producing.status === 'ready' ? CLOSE_MS_MAX : 0)]);
      connections.close();
    },
  };
};
