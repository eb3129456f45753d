import type { Clock } from '@tillmesh/clock';
import { z } from '@tillmesh/config';
import { createJobConnections, type RedisSettings } from '@tillmesh/delay-queue';
import { type MerchantId, parseMerchantId, parseOrderNo } from '@tillmesh/domain';
import type { Chain, Due } from '@tillmesh/merchant-events';
import type { Log } from '@tillmesh/telemetry';
import { DelayedError, type Job, Queue, Worker } from 'bullmq';

/** The schedule of tellings. It may lose what it likes: the store knows what is due, and the sweep gives it again. */
export type DeliveryQueue = {
  /** Gives tellings to whoever works; one that is there already is not doubled. Never rejects. */
  give(due: readonly Due[]): Promise<void>;
  /** Starts to work. @param tell answers with when to come again, ms since 1970; undefined where the chain is done. */
  work(tell: (chain: Chain) => Promise<number | undefined>): void;
  close(): Promise<void>;
};

const QUEUE = 'merchant-deliveries';
const PREFIX = 'tillmesh:bull';
/** A worker that was killed gives its jobs back after this. */
const LOCK_MS = 30_000;
const STALLED_EVERY_MS = 5_000;
/** A job that is given back is as good as new: it never counts as failed. */
const STALLED_MAX = 1_000;
const CLOSE_MS_MAX = 5_000;

const JobData = z.strictObject({
  merchantId: z.string().refine((text) => parseMerchantId(text) !== undefined),
  endpointId: z.string().min(1).max(32),
  orderNo: z.string(),
});

/** @throws {Error} somebody else has written into the queue. */
const chainOf = (data: unknown): Chain => {
  const { merchantId, endpointId, orderNo: text } = JobData.parse(data);
  const orderNo = parseOrderNo(text)?.orderNo;
  if (orderNo === undefined) throw new Error('a job names no payment');
  return { merchantId: merchantId as MerchantId, endpointId, orderNo };
};

/** Opens the queue. */
export const openDeliveryQueue = (options: {
  readonly redis: Omit<RedisSettings, 'timeoutMs'>;
  /** Chains that this process has in hand at once. */
  readonly concurrent: number;
  readonly clock: Clock;
  readonly log: Log;
}): DeliveryQueue => {
  const { redis, concurrent, clock, log } = options;
  const connections = createJobConnections({
    redis,
    trouble: 'the schedule of webhooks has trouble; merchants are told later',
    log,
  });
  const { connect, complain } = connections;
  const producing = connect();
  const queue = new Queue(QUEUE, { connection: producing, prefix: PREFIX, skipWaitingForReady: true });
  queue.on('error', complain);
  let worker: Worker | undefined;

  return {
    give: async (due) => {
      if (due.length === 0 || producing.status !== 'ready') return;
      try {
        await queue.addBulk(
          due.map(({ seq, merchantId, endpointId, orderNo }) => ({
            name: 'tell',
            data: { merchantId, endpointId, orderNo },
            opts: { jobId: `${seq}.${endpointId}`, attempts: 1, removeOnComplete: true, removeOnFail: true },
          })),
        );
        connections.recovered();
      } catch (error) {
        complain(error);
      }
    },
    work: (tell) => {
      const process = async (job: Job<unknown>, token: string | undefined): Promise<void> => {
        const againAtMs = await tell(chainOf(job.data));
        if (againAtMs === undefined) return;
        await job.moveToDelayed(againAtMs, token);
        // How BullMQ is told that the job waits again.
        throw new DelayedError();
      };
      worker = new Worker(QUEUE, process, {
        connection: connect(),
        prefix: PREFIX,
        concurrency: concurrent,
        lockDuration: LOCK_MS,
        stalledInterval: STALLED_EVERY_MS,
        maxStalledCount: STALLED_MAX,
        drainDelay: 2,
      });
      worker.on('error', complain);
      worker.on('failed', (_, error) => complain(error));
    },
    close: async () => {
      const closing = Promise.allSettled([worker?.close(), queue.close()]);
      await Promise.race([closing, clock.sleep(producing.status === 'ready' ? CLOSE_MS_MAX : 0)]);
      connections.close();
    },
  };
};
