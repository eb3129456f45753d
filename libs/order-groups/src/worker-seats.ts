import type { Clock, Random } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import type { Log } from '@tillmesh/telemetry';
import type { GroupClients } from './group-clients.ts';
import type { WorkerSeat } from './order-number-source.ts';
import { createWorkerLease, type WorkerLease } from './worker-lease.ts';

/** This instance's worker ids, one lease a group. */
export type WorkerSeats = {
  /** The right to draw a group's numbers. Asks for one, within the time of a statement, where there is none yet. */
  readonly of: (tag: GroupTag) => Promise<WorkerSeat | undefined>;
  /** True while this instance may draw the group's numbers. */
  isHeld(tag: GroupTag): boolean;
  /** Takes one in every group that answers. */
  take(): Promise<void>;
  close(): Promise<void>;
};

/** Creates the seats; nothing is taken yet. */
export const createWorkerSeats = (options: {
  readonly groups: GroupClients;
  readonly holder: string;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): WorkerSeats => {
  const { groups, ...rest } = options;
  const leases = new Map<GroupTag, WorkerLease>();

  const leaseOf = (tag: GroupTag): WorkerLease => {
    const known = leases.get(tag);
    if (known !== undefined) return known;
    const lease = createWorkerLease({ ...rest, client: groups.of(tag) });
    leases.set(tag, lease);
    return lease;
  };

  return {
    of: async (tag) => {
      const lease = leaseOf(tag);
      if (lease.seat() === undefined) await lease.renew().catch(() => undefined);
      return lease.seat();
    },
    isHeld: (tag) => leases.get(tag)?.seat() !== undefined,
    take: async () => {
      await Promise.all(
        groups.all().map(({ tag }) =>
          leaseOf(tag)
            .renew()
            .catch(() => undefined),
        ),
      );
    },
    close: async () => {
      await Promise.all([...leases.values()].map((lease) => lease.close()));
    },
  };
};
