import { ManualClock } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { createAcrossSwitch } from '../src/across-switch.ts';
import { DatabaseError } from '../src/database-error.ts';

/** Work that fails with these codes first, on a map that changes as often as told. */
const play = async (codes: readonly string[], changes: number) => {
  let version = 1;
  const clock = new ManualClock();
  const acrossSwitch = createAcrossSwitch({
    maps: {
      current: () => ({ map: { version, groups: [] }, earlier: [] }),
      newerThan: async (than, deadline) => {
        if (version === than && version <= changes) version += 1;
        else await clock.advance(deadline.atMs - clock.monotonicMs());
        return version > than;
      },
    },
    waitMsMax: 1_000,
    clock,
  });
  const left = [...codes];
  const onMaps: number[] = [];
  const end = await acrossSwitch(async () => {
    onMaps.push(version);
    const code = left.shift();
    if (code !== undefined) throw new DatabaseError(code, 'not_written');
    return 'done';
  }).catch((error: unknown) => (error instanceof DatabaseError ? error.code : 'something else'));
  return { end, onMaps };
};

const CASES: readonly (readonly [
  what: string,
  codes: readonly string[],
  changes: number,
  end: string,
  onMaps: readonly number[],
])[] = [
  ['nothing is in its way', [], 0, 'done', [1]],
  ['the group has just given its orders away', ['ER_READ_ONLY_MODE'], 1, 'done', [1, 2]],
  ['its group’s connections were closed meanwhile', ['TILLMESH_CLOSED'], 1, 'done', [1, 2]],
  [
    'two groups give their orders away, one after the other',
    ['ER_READ_ONLY_MODE', 'ER_READ_ONLY_MODE'],
    2,
    'done',
    [1, 2, 3],
  ],
  ['the switch is given up', ['ER_READ_ONLY_MODE', 'ER_READ_ONLY_MODE'], 0, 'done', [1, 1, 1]],
  [
    'the switch takes longer than the work may',
    Array.from({ length: 30 }, () => 'ER_READ_ONLY_MODE'),
    0,
    'ER_READ_ONLY_MODE',
    Array.from({ length: 11 }, () => 1),
  ],
  ['the group is away', ['ECONNREFUSED'], 1, 'ECONNREFUSED', [1]],
];

for (const [what, codes, changes, end, onMaps] of CASES) {
  test(`work on an order where ${what} ends with ${end}`, async () => {
    expect(await play(codes, changes)).toEqual({ end, onMaps });
  });
}
