import type { Clock } from '@tillmesh/clock';
import { groupTag, type OrderKey } from '@tillmesh/domain';
import type { ListStore } from '@tillmesh/merchant-lists';
import type { ChangeFeed, StoredPayment } from '@tillmesh/order-groups';
import { durations } from '@tillmesh/telemetry';
import type { ChangeJob } from './change-jobs.ts';
import { listEntryOf } from './list-entry.ts';

const lag = durations('tillmesh_projection_lag_seconds', 'From the change of a payment until the lists show it.', [
  'group',
]);

/**
 * Does a job: reads the payments as they are now and writes them into the lists. What a replica does not show yet, or shows in an older
 * version than the job knows of, is read at the primary.
 *
 * @throws {DatabaseError} a server is away; the job has to be done again.
 */
export const createApply =
  (options: {
    readonly changes: Pick<ChangeFeed, 'payments'>;
    readonly store: Pick<ListStore, 'apply'>;
    readonly clock: Clock;
  }) =>
  async ({ tag: group, refs }: ChangeJob): Promise<void> => {
    const { changes, store, clock } = options;
    const tag = groupTag(group);
    // The form was checked where the job was read.
    const keyed = refs.map(([key, version, happenedAtMs]) => ({ key: BigInt(key) as OrderKey, version, happenedAtMs }));
    const near = await changes.payments(
      tag,
      keyed.map(({ key }) => key),
      'nearby',
    );
    const behind = keyed.filter(({ key, version }) => (near.get(key)?.payment.version ?? -1) < version);
    const exact =
      behind.length === 0
        ? new Map<bigint, StoredPayment>()
        : await changes.payments(
            tag,
            behind.map(({ key }) => key),
            'primary',
          );
    const entries = keyed.flatMap(({ key, happenedAtMs }) => {
      const stored = exact.get(key) ?? near.get(key);
      // One that the primary does not have was taken away: it is in another group, which tells of it itself.
      return stored === undefined ? [] : [listEntryOf(stored, happenedAtMs ?? stored.payment.createdAtMs)];
    });
    await store.apply(entries);
    const nowMs = clock.nowMs();
    for (const { changedAtMs } of entries)
      lag.record({ group: String(group) }, Math.max(0, nowMs - changedAtMs) / 1_000);
  };
