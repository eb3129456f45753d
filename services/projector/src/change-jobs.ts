import { z } from '@tillmesh/config';
import type { GroupTag, OrderKey } from '@tillmesh/domain';
import type { Change } from '@tillmesh/order-groups';

/** One payment that has changed: its key, the version that it has at least, and when it came to it (ms; null: its own row tells). */
const Ref = z.tuple([z.string().regex(/^[0-9]{1,20}$/), z.int().min(0), z.number().nullable()]);

/** What a job carries: which payments of a group to bring up to date. Nothing of what stands in them. */
export const ChangeJob = z.strictObject({ tag: z.int().min(0).max(127), refs: z.array(Ref).min(1).max(64) });
export type ChangeJob = z.output<typeof ChangeJob>;

/** Payments in one job. */
export const REFS_MAX = 64;

/** The jobs for some changes: each payment once, with its highest version and the time of the earliest change. */
export const jobsOf = (tag: GroupTag, changes: readonly Change[]): ChangeJob[] => {
  const refs = new Map<OrderKey, { version: number; happenedAtMs: number | null }>();
  for (const { key, version, happenedAtMs } of changes) {
    const known = refs.get(key);
    refs.set(key, {
      version: Math.max(version, known?.version ?? 0),
      // A new order's own row tells, and that is the earliest of all.
      happenedAtMs: known === undefined ? (happenedAtMs ?? null) : earlier(known.happenedAtMs, happenedAtMs ?? null),
    });
  }
  const all = [...refs].map(
    ([key, { version, happenedAtMs }]): z.output<typeof Ref> => [String(key), version, happenedAtMs],
  );
  const jobs: ChangeJob[] = [];
  for (let done = 0; done < all.length; done += REFS_MAX) jobs.push({ tag, refs: all.slice(done, done + REFS_MAX) });
  return jobs;
};

const earlier = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : Math.min(a, b);
