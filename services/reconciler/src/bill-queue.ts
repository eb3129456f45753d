import type { Clock } from '@tillmesh/clock';
import { z } from '@tillmesh/config';
import { createJobConnections, type RedisSettings } from '@tillmesh/delay-queue';
import type { Log } from '@tillmesh/telemetry';
import { DelayedError, type Job, Queue, Worker } from 'bullmq';
import type { ReportKey } from './report-store.ts';
import { RUNS_MAX } from './runs.ts';

/** What a try at a bill came to: done with it, or when to try again, ms since 1970, after so many failures. */
export type Tried =
  | { readonly kind: 'done' }
  | { readonly kind: 'again'; readonly atMs: number; readonly failures: number };

/** Looks for bills that are due, and bills to compare, over all processes. It may lose what it likes: the next look finds it again. */
export type BillQueue = {
  /** Sees to it that there is a look at every interval. Never rejects. */
  keepSchedule(): Promise<void>;
  /** Gives a bill to whoever works; one that is there already, or waits for its next try, is not doubled. */
  give(key: ReportKey): Promise<void>;
  /** Starts to work. */
  work(jobs: {
    /** Looks for bills that are due, and gives them. */
    readonly look: () => Promise<void>;
    /** @param failures how often it has failed so far. */
    readonly compare: (key: ReportKey, failures: number) => Promise<Tried>;
  }): void;
  close(): Promise<void>;
};

const LOOKS = 'bill-looks';
const COMPARISONS = 'bill-comparisons';
const SCHEDULER = 'look';
const PREFIX = 'tillmesh:bull';
/** A worker that was killed gives its jobs back after this. */
const LOCK_MS = 30_000;
const STALLED_EVERY_MS = 5_000;
/** A job that is given back is as good as new: it never counts as failed. */
const STALLED_MAX = 1_000;
/** A look that is later than so many intervals does not come any more. */
const INTERVALS_LATE = 3;
const CLOSE_MS_MAX = 4_000;
const GONE = { attempts: 1, removeOnComplete: true, removeOnFail: true } as const;

const JobData = z.strictObject({
  channelId: z.string().min(1).max(32),
  accountId: z.string().min(1).max(32),
  day: z.string().regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/),
  failures: z.int().min(0),
});

/** Opens the queues. */
export const openBillQueue = (options: {
  readonly redis: Omit<RedisSettings, 'timeoutMs'>;
  /** Between two looks. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Log;
}): BillQueue => {
  const { redis, everyMs, clock, log } = options;
  const connections = createJobConnections({
    redis,
    trouble: 'the schedule of bills has trouble; they are compared later',
    log,
  });
  const { connect, complain } = connections;
  const producing = connect();
  const open = (name: string): Queue => {
    const queue = new Queue(name, { connection: producing, prefix: PREFIX, skipWaitingForReady: true });
    queue.on('error', complain);
    return queue;
  };
  const looks = open(LOOKS);
  const comparisons = open(COMPARISONS);
  const workers: Worker[] = [];

  const compareJob =
    (compare: (key: ReportKey, failures: number) => Promise<Tried>) =>
    async (job: Job<unknown>, token: string | undefined): Promise<void> => {
      const { failures, ...key } = JobData.parse(job.data);
      const tried = await compare(key, failures);
      if (tried.kind === 'done') return;
      await job.updateData({ ...key, failures: tried.failures });
      await job.moveToDelayed(tried.atMs, token);
      // How BullMQ is told that the job waits again.
      throw new DelayedError();
    };

  const keepSchedule = async (): Promise<void> => {
    if (producing.status !== 'ready') return;
    try {
      const there = await looks.getJobScheduler(SCHEDULER);
      const isAlive = there?.every === everyMs && (there.next ?? 0) > clock.nowMs() - INTERVALS_LATE * everyMs;
      // Redis may have lost it; and one that has lost its next job alone never comes to another.
      if (!isAlive) {
        await looks.removeJobScheduler(SCHEDULER);
        await looks.upsertJobScheduler(SCHEDULER, { every: everyMs }, { name: 'look', data: {}, opts: GONE });
      }
      connections.recovered();
    } catch (error) {
      complain(error);
    }
  };

  return {
    keepSchedule,
    give: async ({ channelId, accountId, day }) => {
      const data = { channelId, accountId, day, failures: 0 };
      await comparisons.add('compare', data, { ...GONE, jobId: `${channelId}.${accountId}.${day}` });
    },
    work: ({ look, compare }) => {
      // Also when it is back: it may have come back empty.
      producing.on('ready', () => void keepSchedule());
      void keepSchedule();
      const common = {
        prefix: PREFIX,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_EVERY_MS,
        maxStalledCount: STALLED_MAX,
        drainDelay: 2,
      };
      workers.push(
        new Worker(LOOKS, look, { connection: connect(), concurrency: 1, ...common }),
        new Worker(COMPARISONS, compareJob(compare), { connection: connect(), concurrency: RUNS_MAX, ...common }),
      );
      for (const worker of workers) {
        worker.on('error', complain);
        worker.on('failed', (_, error) => complain(error));
      }
    },
    close: async () => {
      const closing = Promise.allSettled([
        ...workers.map((worker) => worker.close()),
        looks.close(),
        comparisons.close(),
      ]);
      await Promise.race([closing, clock.sleep(producing.status === 'ready' ? CLOSE_MS_MAX : 0)]);
      connections.close();
    },
  };
};
