import { hostname } from 'node:os';
import { allocateIn, CONTRACT_TIMES, createContractLease, keepLeases } from '@tillmesh/channel-contract';
import type { Clock, Random } from '@tillmesh/clock';
import type { RedisConnection } from '@tillmesh/delay-queue';
import type { Log } from '@tillmesh/telemetry';
import type { AccountSettings } from './account-settings.ts';
import { PlaceQueue } from './place-queue.ts';

/** What the accounts of a process have been agreed. */
export type Contracts = {
  /** Who waits for a place in an account's contract; undefined where nothing is agreed. */
  of(accountId: string): PlaceQueue | undefined;
  /** Keeps this process's part of them until the signal is aborted. */
  keep(signal: AbortSignal): Promise<void>;
};

/** Holds a lease for each account with a contract. */
export const holdContracts = (options: {
  readonly channelId: string;
  readonly accounts: readonly AccountSettings[];
  readonly redis: RedisConnection | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): Contracts => {
  const { channelId, accounts, redis, clock, random, log } = options;
  // A process that comes back is another one: calls of the one before may be under way.
  const holder = `${hostname()}-${process.pid}-${random.hex(6)}`;
  const held = accounts.flatMap(({ accountId, agreed }) => {
    if (agreed === undefined) return [];
    const refreshMs = Math.round((agreed.leaseMs * CONTRACT_TIMES.refreshMs) / CONTRACT_TIMES.leaseMs);
    const lease = createContractLease({
      resource: `${channelId}:${accountId}`,
      holder,
      contract: agreed,
      times: { leaseMs: agreed.leaseMs, refreshMs, callMsMax: agreed.callMsMax },
      allocate: redis === undefined ? undefined : allocateIn(redis),
      clock,
    });
    return [{ accountId, lease, refreshMs, queue: new PlaceQueue(lease, clock) }];
  });
  const queues = new Map(held.map(({ accountId, queue }) => [accountId, queue]));
  return {
    of: (accountId) => queues.get(accountId),
    keep: async (signal) => {
      await Promise.all(
        held.map(({ lease, refreshMs }) => keepLeases({ leases: [lease], everyMs: refreshMs, clock, log, signal })),
      );
    },
  };
};
