import { ManualClock } from '@tillmesh/clock';
import { groupTag } from '@tillmesh/domain';
import { createLog } from '@tillmesh/telemetry';
import { afterEach, describe, expect, test } from 'vitest';
import { type ListStatus, type StoreWatch, watchStore } from '../src/index.ts';

const tags = [groupTag(1), groupTag(2)];
let watch: StoreWatch | undefined;
afterEach(() => watch?.close());

const begin = async (answer: () => ListStatus | Error) => {
  const clock = new ManualClock();
  const status = async (): Promise<ListStatus> => {
    const given = answer();
    if (given instanceof Error) throw given;
    return given;
  };
  watch = watchStore({
    store: { status },
    tags: () => tags,
    lagMsMax: 2_000,
    everyMs: 1_000_000,
    clock,
    log: createLog('test', 'silent'),
  });
  await watch.look();
  return { watch, clock };
};

const at = (one: number, two: number | undefined, changes: Partial<ListStatus> = {}): ListStatus => ({
  phase: 'live',
  generation: 4,
  completeAtMs: new Map(
    two === undefined
      ? [[groupTag(1), one]]
      : [
          [groupTag(1), one],
          [groupTag(2), two],
        ],
  ),
  ...changes,
});

describe('the watch over the store of lists', () => {
  test('lets it be used while it is near every group', async () => {
    const clock = new ManualClock();
    const now = clock.nowMs();
    const { watch: seen } = await begin(() => at(now - 100, now - 1_900));
    expect(seen.usable()).toBe(4);
    expect(seen.lagOf(at(now - 100, now - 1_900), 4)).toBe(1_900);
  });

  test.each<[string, (nowMs: number) => ListStatus | Error]>([
    ['it is too far behind one group', (now) => at(now, now - 2_001)],
    ['it has never followed a group to its end', (now) => at(now, undefined)],
    ['it is being rebuilt', (now) => at(now, now, { phase: 'copying' })],
    ['it is away', () => new Error('away')],
  ])('keeps everybody from it while %s', async (_what, answer) => {
    const now = new ManualClock().nowMs();
    const { watch: seen } = await begin(() => answer(now));
    expect(seen.usable()).toBeUndefined();
  });

  test('keeps everybody from it after one failure, until a look finds it in order', async () => {
    const now = new ManualClock().nowMs();
    const { watch: seen } = await begin(() => at(now, now));
    seen.failed(new Error('cut off'));
    expect(seen.usable()).toBeUndefined();
    await seen.look();
    expect(seen.usable()).toBe(4);
  });

  test('does not believe a page that was read across a rebuild', async () => {
    const now = new ManualClock().nowMs();
    const { watch: seen } = await begin(() => at(now, now));
    expect(seen.lagOf(at(now, now, { phase: 'clearing' }), 4)).toBeUndefined();
    expect(seen.lagOf(at(now, now, { generation: 5 }), 4)).toBeUndefined();
  });
});
