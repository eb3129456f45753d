import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ChangeJob } from '../src/change-jobs.ts';
import { type ChangeQueue, openChangeQueue } from '../src/change-queue.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-change-queue-'));
const DONE_MS_MAX = 1_500;
let stack: LocalStack;
const opened: ChangeQueue[] = [];

beforeAll(async () => {
  stack = await startLocalStack({ folder, groupTags: [], redis: true, clock: systemClock });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()));
});
afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const open = (instance: string): ChangeQueue => {
  const { redis } = stack;
  if (redis === undefined) throw new Error('there is no Redis');
  const queue = openChangeQueue({
    redis,
    concurrent: 4,
    doneMsMax: DONE_MS_MAX,
    instance,
    clock: systemClock,
    log: createLog('test', 'silent'),
  });
  opened.push(queue);
  return queue;
};

const jobs = (count: number): ChangeJob[] =>
  Array.from({ length: count }, (_, index) => ({ tag: 1, refs: [[String(index + 1), 1, null]] }));

/** A queue opens its connections by itself: what comes before they are there is refused. */
const untilDone = async (queue: ChangeQueue, given: readonly ChangeJob[]): Promise<void> => {
  for (let tries = 0; ; tries += 1) {
    try {
      return await queue.done(given);
    } catch (error) {
      if (tries === 20) throw error;
      await systemClock.sleep(100);
    }
  }
};

describe('the queue of changes', () => {
  test('is done when every job is, whoever did it', async () => {
    const giver = open('giver');
    const did: string[] = [];
    for (const name of ['one', 'two']) {
      open(name).work(async ({ refs }) => {
        await systemClock.sleep(5);
        did.push(refs[0]?.[0] ?? '');
      });
    }
    await untilDone(giver, jobs(20));
    expect(new Set(did)).toEqual(new Set(jobs(20).map(({ refs }) => refs[0]?.[0])));
  });

  test('has a job done again that failed a few times', async () => {
    const queue = open('failing');
    let tries = 0;
    queue.work(async () => {
      tries += 1;
      if (tries <= 3) throw new Error('not yet');
    });
    await untilDone(queue, jobs(1));
    expect(tries).toBe(4);
  });

  test('says so when nobody does a job in time, and leaves nothing behind for a later worker', async () => {
    const giver = open('alone');
    await expect(untilRefusedByTime(giver)).resolves.toContain(`not done within ${DONE_MS_MAX} ms`);
    const did: string[] = [];
    const later = open('later');
    later.work(async ({ refs }) => {
      did.push(refs[0]?.[0] ?? '');
    });
    await untilDone(later, [{ tag: 1, refs: [['77', 1, null]] }]);
    expect(did).toEqual(['77']);
  });

  test('refuses at once while Redis is away, and works again afterwards', async () => {
    const queue = open('redis');
    queue.work(async () => undefined);
    await untilDone(queue, jobs(1));
    await stack.redis?.kill('SIGKILL');
    await systemClock.sleep(50);
    const beganMs = systemClock.monotonicMs();
    await expect(queue.done(jobs(1))).rejects.toThrow();
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(500);
    await stack.redis?.start();
    await untilDone(queue, jobs(3));
  });
});

/** The message of the refusal that comes with time, not for want of a connection. */
const untilRefusedByTime = async (queue: ChangeQueue): Promise<string> => {
  for (let tries = 0; tries < 20; tries += 1) {
    const message = await queue.done(jobs(2)).then(
      () => 'done',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (message !== 'Redis is away') return message;
    await systemClock.sleep(100);
  }
  return 'Redis is away';
};
