import { describe, expect, test } from 'vitest';
import { LaneLimitsInvalid } from '../src/index.ts';
import { aLane, endOf, heldWork, settle } from './a-lane.ts';

const sick = () => Promise.reject(new Error('sick'));

describe('an operator’s switch', () => {
  test('refuses everything while it says open, and lets the breaker decide afterwards', async () => {
    const { lane } = aLane();
    lane.setControl('forced_open');
    expect(lane.reading()).toMatchObject({ breaker: 'open', control: 'forced_open', stalled: false });
    expect(await endOf(lane.run(async () => 7))).toBe('open');
    lane.setControl('auto');
    expect(await endOf(lane.run(async () => 7))).toBe('completed');
  });

  test('does not lose a break: what was open is open again', async () => {
    const { lane } = aLane({ callsMin: 2 });
    for (let n = 0; n < 2; n += 1) await endOf(lane.run(sick));
    expect(lane.reading().breaker).toBe('open');
    lane.setControl('forced_open');
    lane.setControl('auto');
    expect(lane.reading().breaker).toBe('open');
    lane.setControl('forced_closed');
    expect(await endOf(lane.run(async () => 7))).toBe('completed');
    lane.setControl('auto');
    expect(lane.reading().breaker).toBe('open');
  });

  test('lets everything through while it says closed, whatever is seen', async () => {
    const { lane } = aLane({ callsMin: 2, concurrentMax: 10 });
    lane.setControl('forced_closed');
    for (let n = 0; n < 20; n += 1) expect(await endOf(lane.run(sick))).toBe('threw');
    expect(lane.reading()).toMatchObject({ breaker: 'closed', control: 'forced_closed', failed: 20 });
  });

  test('refuses those who wait', async () => {
    const { lane } = aLane();
    const held = heldWork();
    const running = endOf(lane.run(held.work));
    const waiting = endOf(lane.run(async () => 7));
    lane.setControl('forced_open');
    expect(await waiting).toBe('open');
    held.succeed();
    expect(await running).toBe('completed');
  });
});

describe('limits that are changed while the lane works', () => {
  test('give new places to who waits', async () => {
    const { lane } = aLane({ concurrentMax: 1 });
    const works = [heldWork(), heldWork(), heldWork()];
    const ends = works.map(({ work }) => endOf(lane.run(work)));
    lane.change({ concurrentMax: 2 });
    await settle();
    expect(works.map(({ begun }) => begun())).toEqual([true, true, false]);
    for (const { succeed } of works) succeed();
    expect(await Promise.all(ends)).toEqual(['completed', 'completed', 'completed']);
  });

  test('cut nobody who is under way', async () => {
    const { lane } = aLane({ concurrentMax: 3, queuedMax: 0 });
    const works = [heldWork(), heldWork(), heldWork()];
    const ends = works.map(({ work }) => endOf(lane.run(work)));
    lane.change({ concurrentMax: 1 });
    expect(lane.reading()).toMatchObject({ inFlight: 3, concurrentMax: 1 });
    works[0]?.succeed();
    works[1]?.succeed();
    await settle();
    expect(await endOf(lane.run(async () => 7))).toBe('full');
    works[2]?.succeed();
    expect(await Promise.all(ends)).toEqual(['completed', 'completed', 'completed']);
    expect(await endOf(lane.run(async () => 7))).toBe('completed');
  });

  for (const limits of [
    { concurrentMax: 0 },
    { concurrentMax: 20_000 },
    { queuedMax: -1 },
    { timeoutMs: 0 },
    { queueWaitMsMax: Number.NaN },
  ]) {
    test(`are refused where they make no sense, and the old ones stay: ${JSON.stringify(limits)}`, () => {
      const { lane } = aLane();
      const before = lane.limits;
      expect(() => lane.change(limits)).toThrow(LaneLimitsInvalid);
      expect(lane.limits).toEqual(before);
    });
  }
});
