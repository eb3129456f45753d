import { ManualClock } from '@tillmesh/clock';
import { createLog } from '@tillmesh/telemetry';
import { describe, expect, test } from 'vitest';
import {
  type Claim,
  createMemoryQueue,
  type DelayQueue,
  DelayQueueError,
  type Verdict,
  workQueue,
} from '../src/index.ts';
import { entry } from './queue-contract.ts';

type Work = { readonly claim: Claim; readonly signal: AbortSignal; end(verdict: Verdict): void; fail(): void };

const VISIBILITY_MS = 900;

/** A worker whose work ends when the test says so. */
const aWorker = (places = 10, broken: Partial<DelayQueue> = {}) => {
  const clock = new ManualClock();
  const whole = createMemoryQueue(clock);
  const queue: DelayQueue = { ...whole, ...broken };
  const stop = new AbortController();
  const works: Work[] = [];
  let busy = 0;
  let shards = [0];
  const notOwner: number[] = [];
  const ended = workQueue({
    name: 'test',
    queue,
    owned: () => ({ shards, epoch: 3 }),
    free: () => places - busy,
    handle: (claim, signal) => {
      busy += 1;
      return new Promise<Verdict>((resolve, reject) => {
        works.push({ claim, signal, end: resolve, fail: () => reject(new Error('it broke')) });
      }).finally(() => {
        busy -= 1;
      });
    },
    visibilityMs: VISIBILITY_MS,
    lookEveryMs: () => 100,
    retryAfterMs: 500,
    onNotOwner: (shard) => notOwner.push(shard),
    clock,
    log: createLog('test', 'silent'),
    signal: stop.signal,
  });
  const ids = () => works.map(({ claim }) => claim.id);
  return {
    clock,
    whole,
    works,
    ids,
    notOwner,
    ended,
    own: (now: number[]) => {
      shards = now;
    },
    stop: async () => {
      stop.abort();
      await clock.advance(10);
    },
  };
};

const DONE: Verdict = { kind: 'done' };

describe('a worker of a queue', () => {
  test('begins what it sees coming in its millisecond, and what it does not with its next look', async () => {
    const { clock, whole, ids, stop } = aWorker();
    await whole.add([entry('seen', 250)]);
    await clock.advance(120);
    await whole.add([entry('unseen', 1)]);
    await clock.advance(100);
    expect(ids()).toEqual(['unseen']);
    await clock.advance(29);
    expect(ids()).toEqual(['unseen']);
    await clock.advance(2);
    expect(ids()).toEqual(['unseen', 'seen']);
    await stop();
  });

  test('keeps what takes long for itself, and tells what came of it', async () => {
    const { clock, whole, works, stop } = aWorker();
    await whole.add([entry('long'), entry('other')]);
    await clock.advance(VISIBILITY_MS * 5);
    expect(works).toHaveLength(2);
    works[0]?.end(DONE);
    works[1]?.end({ kind: 'again', afterMs: 1_000 });
    await clock.advance(10);
    expect((await whole.look(0)).count).toBe(1);
    await clock.advance(980);
    expect(works).toHaveLength(2);
    await clock.advance(200);
    expect(works.map(({ claim }) => claim.id).toSorted()).toEqual(
      ['long', 'other', works[1]?.claim.id ?? ''].toSorted(),
    );
    await stop();
  });

  test('does again after a while what failed', async () => {
    const { clock, whole, works, stop } = aWorker();
    await whole.add([entry('it')]);
    await clock.advance(100);
    works[0]?.fail();
    await clock.advance(490);
    expect(works).toHaveLength(1);
    await clock.advance(200);
    expect(works).toHaveLength(2);
    await stop();
  });

  test('never has more than its places, and takes the next in the moment in which one is free', async () => {
    const { clock, whole, works, ids, stop } = aWorker(2);
    await whole.add(['a', 'b', 'c'].map((id, place) => entry(id, place * 2)));
    await clock.advance(300);
    expect(ids()).toEqual(['a', 'b']);
    works[0]?.end(DONE);
    await clock.advance(2);
    expect(ids()).toEqual(['a', 'b', 'c']);
    await stop();
  });

  test('hears when it has lost a claim, and its verdict counts no more', async () => {
    const { clock, whole, works, stop } = aWorker();
    await whole.add([entry('it')]);
    await clock.advance(100);
    // The process stands still; its claim is over and another one takes it.
    clock.jump(VISIBILITY_MS + 1);
    const [other] = (await whole.claim({ shard: 0, limit: 1, visibilityMs: 60_000 })).claims;
    expect(other?.id).toBe('it');
    await clock.advance(VISIBILITY_MS);
    expect(works[0]?.signal.aborted).toBe(true);
    works[0]?.end(DONE);
    await clock.advance(10);
    expect((await whole.look(0)).count).toBe(1);
    await stop();
  });

  test('looks into no shard that is not its own, and says when somebody else has it', async () => {
    const asked: (number | undefined)[] = [];
    const worker = aWorker(10, {
      claim: async ({ epoch }) => {
        asked.push(epoch);
        throw new DelayQueueError('not_owner', 'taken');
      },
    });
    await worker.clock.advance(10);
    expect(asked).toEqual([3]);
    expect(worker.notOwner).toEqual([0]);
    worker.own([]);
    await worker.clock.advance(1_000);
    expect(asked).toEqual([3]);
    await worker.stop();
  });

  test('goes on after the queue was away, and loses nothing that it could not tell', async () => {
    let isAway = false;
    const away =
      <Args extends unknown[], Answer>(call: (...args: Args) => Promise<Answer>) =>
      async (...args: Args): Promise<Answer> => {
        if (isAway) throw new DelayQueueError('unavailable', 'away');
        return call(...args);
      };
    const clock = new ManualClock();
    const whole = createMemoryQueue(clock);
    const stop = new AbortController();
    const done: string[] = [];
    const ended = workQueue({
      name: 'test',
      queue: { ...whole, claim: away(whole.claim), ack: away(whole.ack), extend: away(whole.extend) },
      owned: () => ({ shards: [0], epoch: undefined }),
      free: () => 10,
      handle: async ({ id }) => {
        done.push(id);
        isAway = true;
        return DONE;
      },
      visibilityMs: VISIBILITY_MS,
      lookEveryMs: () => 100,
      retryAfterMs: 500,
      clock,
      log: createLog('test', 'silent'),
      signal: stop.signal,
    });
    await whole.add([entry('it')]);
    await clock.advance(VISIBILITY_MS * 3);
    expect(done).toEqual(['it']);
    isAway = false;
    await clock.advance(300);
    expect(done).toEqual(['it', 'it']);
    isAway = false;
    stop.abort();
    await clock.advance(50);
    await ended;
  });

  test('ends with what is under way, tells it, and begins nothing more', async () => {
    const { clock, whole, works, ended, stop } = aWorker();
    await whole.add([entry('under way'), entry('later', 500)]);
    await clock.advance(100);
    await stop();
    works[0]?.end(DONE);
    await clock.advance(600);
    await ended;
    expect(works).toHaveLength(1);
    expect((await whole.look(0)).count).toBe(1);
  });
});
