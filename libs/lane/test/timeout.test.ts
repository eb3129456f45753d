import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { LaneTimeout } from '../src/index.ts';
import { timeOutsOf } from '../src/time-outs.ts';
import { aLane, endOf, heldWork, settle } from './a-lane.ts';

describe('work that takes too long', () => {
  test('is told by its signal, and its caller hears of it at once', async () => {
    const { lane, clock } = aLane({ timeoutMs: 100 });
    const held = heldWork();
    const running = endOf(lane.run(held.work));
    await clock.advance(99);
    expect(held.signal()?.aborted).toBe(false);
    await clock.advance(1);
    expect(held.signal()?.reason).toBeInstanceOf(LaneTimeout);
    expect(await running).toBe('timeout');
    expect(lane.reading()).toMatchObject({ timedOut: 1, failed: 1, succeeded: 0 });
    held.succeed();
  });

  test('keeps its place until it has really ended: a place stands for a request that is out', async () => {
    const { lane, clock } = aLane({ timeoutMs: 100, queuedMax: 0 });
    const held = heldWork();
    const running = endOf(lane.run(held.work));
    await clock.advance(100);
    expect(await running).toBe('timeout');
    expect(lane.reading().inFlight).toBe(1);
    expect(await endOf(lane.run(async () => 7))).toBe('full');
    held.fail();
    await settle();
    expect(lane.reading().inFlight).toBe(0);
    expect(await endOf(lane.run(async () => 7))).toBe('completed');
  });

  test('has the smaller of its own time and its budget', async () => {
    const { lane, clock } = aLane({ timeoutMs: 100, concurrentMax: 2 });
    const short = heldWork();
    const long = heldWork();
    const ends = [endOf(lane.run(short.work, { budgetMs: 40 })), endOf(lane.run(long.work, { budgetMs: 4_000 }))];
    await clock.advance(40);
    expect([short.signal()?.aborted, long.signal()?.aborted]).toEqual([true, false]);
    await clock.advance(60);
    expect(await Promise.all(ends)).toEqual(['timeout', 'timeout']);
    short.succeed();
    long.succeed();
  });

  test('that ends in time leaves no timer and no listener behind', async () => {
    const { lane, clock } = aLane();
    const abort = new AbortController();
    await lane.run(async () => 7, { signal: abort.signal });
    await lane.run(() => Promise.reject(new Error('x')), { signal: abort.signal }).catch(() => undefined);
    await clock.advance(200);
    expect(timeOutsOf(clock).count).toBe(0);
    // The wheel's own timer is left to run out.
    await clock.advance(10_000);
    expect(clock.waitingCount).toBe(0);
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  });

  test('rejects later without anybody hearing of it twice', async () => {
    const { lane, clock } = aLane({ timeoutMs: 10 });
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listen);
    const held = heldWork();
    const running = endOf(lane.run(held.work));
    await clock.advance(10);
    await running;
    held.fail();
    await settle();
    await settle();
    process.off('unhandledRejection', listen);
    expect(unhandled).toEqual([]);
  });
});

describe('a caller that goes away', () => {
  test('reaches the work with its own reason, and is no time-out and no failure', async () => {
    const { lane, clock } = aLane();
    const abort = new AbortController();
    const reason = new Error('gone');
    const running = lane.run((signal) => clock.sleep(5_000, signal), { signal: abort.signal });
    await clock.advance(1);
    abort.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(lane.reading()).toMatchObject({ timedOut: 0, failed: 0, inFlight: 0 });
  });

  test('counts as a time-out all the same when the work does not stop and the time is up', async () => {
    const { lane, clock } = aLane({ timeoutMs: 100 });
    const abort = new AbortController();
    const held = heldWork();
    const running = endOf(lane.run(held.work, { signal: abort.signal }));
    abort.abort();
    await clock.advance(100);
    expect(await running).toBe('timeout');
    expect(lane.reading()).toMatchObject({ timedOut: 1, failed: 1, inFlight: 1 });
    held.succeed();
  });
});
