import { groupTag, type OrderKey } from '@tillmesh/domain';
import type { Change } from '@tillmesh/order-groups';
import { describe, expect, test } from 'vitest';
import { ChangeJob, jobsOf } from '../src/change-jobs.ts';

const change = (key: number, version: number, happenedAtMs?: number): Change => ({
  id: 1n,
  key: BigInt(key) as OrderKey,
  version,
  happenedAtMs,
  line: undefined,
});

describe('jobs for changes', () => {
  test('name each payment once, with its highest version and its earliest time', () => {
    const [job] = jobsOf(groupTag(3), [change(7, 2, 200), change(7, 4, 400), change(7, 3, 300), change(8, 2, 50)]);
    expect(job).toEqual({
      tag: 3,
      refs: [
        ['7', 4, 200],
        ['8', 2, 50],
      ],
    });
  });

  test('leave the time of a new order to its own row', () => {
    expect(jobsOf(groupTag(3), [change(7, 2, 200), change(7, 1)])[0]?.refs).toEqual([['7', 2, null]]);
  });

  test('are cut into pieces, and read back as they were written', () => {
    const jobs = jobsOf(
      groupTag(1),
      Array.from({ length: 150 }, (_, key) => change(key, 1)),
    );
    expect(jobs.map(({ refs }) => refs.length)).toEqual([64, 64, 22]);
    for (const job of jobs) expect(ChangeJob.parse(JSON.parse(JSON.stringify(job)))).toEqual(job);
  });
});
