import { ManualClock } from '@tillmesh/clock';
import { groupTag } from '@tillmesh/domain';
import { createLog } from '@tillmesh/telemetry';
import { expect, test } from 'vitest';
import type { GroupStatus } from '../src/group-watch.ts';
import { untilOrdersAreTaken } from '../src/opening.ts';

const groupAt = (tag: number): GroupStatus => ({
  tag: groupTag(tag),
  state: 'open',
  circuit: 'closed',
  primary: '',
  replicas: [],
  semiSyncOn: true,
  mapVersion: 1,
  note: 'no single writable node',
  recentFailures: 0,
});

/** Opens groups that take orders so long after the start. */
const opening = (afterMs: readonly number[]) => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const beganMs = clock.monotonicMs();
  let openedMs: number | undefined;
  const waits: string[] = [];
  const opened = untilOrdersAreTaken({
    waitsFor: (what) => waits.push(what),
    look: async () => undefined,
    takesOrders: () =>
      afterMs.map((ms, place) => ({ group: groupAt(place + 1), yes: clock.monotonicMs() - beganMs >= ms })),
    signal: stop.signal,
    clock,
    log: createLog('test', 'silent'),
  }).then(
    () => {
      openedMs = clock.monotonicMs() - beganMs;
    },
    () => undefined,
  );
  const end = async (): Promise<void> => {
    stop.abort();
    await opened;
  };
  return { clock, openedMs: () => openedMs, waits, end };
};

test('is over at once where every group takes orders', async () => {
  const { clock, openedMs, end } = opening([0, 0, 0]);
  await clock.advance(0);
  expect(openedMs()).toBe(0);
  await end();
});

test('waits for a group that comes within the grace', async () => {
  const { clock, openedMs, end } = opening([0, 1_500, 0]);
  await clock.advance(10_000);
  expect(openedMs()).toBe(1_600);
  await end();
});

test('goes on without a group that does not come', async () => {
  const { clock, openedMs, waits, end } = opening([0, Infinity, 0]);
  await clock.advance(4_900);
  expect(new Set(waits)).toEqual(new Set(['no order can be written yet: waits for group 2 (no single writable node)']));
  expect(openedMs()).toBeUndefined();
  await clock.advance(5_000);
  expect(openedMs()).toBe(5_000);
  await end();
});

test('goes on as soon as any group takes orders after that, and never without one', async () => {
  const { clock, openedMs, end } = opening([Infinity, 60_000, Infinity]);
  await clock.advance(59_000);
  expect(openedMs()).toBeUndefined();
  await clock.advance(10_000);
  expect(openedMs()).toBe(60_000);
  await end();
});
