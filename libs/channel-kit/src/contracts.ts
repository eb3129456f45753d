import { hostname } from 'node:os';
import {
  allocateIn,
  CONTRACT_TIMES,
  type ContractLease,
  createContractLease,
  keepLeases,
  type Slot,
} from '@tillmesh/channel-contract';
import type { Clock, Random } from '@tillmesh/clock';
import type { RedisConnection } from '@tillmesh/delay-queue';
import type { Log } from '@tillmesh/telemetry';
import type { AccountSettings } from './account-settings.ts';

/** What the accounts of a process have been agreed. */
export type Contracts = {
  /** A place at the channel; undefined where there is none. */
  takeSlot(accountId: string): Slot | undefined;
  /** Keeps this process's part of them until the signal is aborted. */
  keep(signal: AbortSignal): Promise<void>;
};

const FREE: Slot = { release: () => undefined };

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
  const leases = new Map<string, { readonly lease: ContractLease; readonly refreshMs: number }>();
  for (const { accountId, agreed } of accounts) {
    if (agreed === undefined) continue;
    const refreshMs = Math.round((agreed.leaseMs * CONTRACT_TIMES.refreshMs) / CONTRACT_TIMES.leaseMs);
    const lease = createContractLease({
      resource: `${channelId}:${accountId}`,
      holder,
      contract: agreed,
      times: { leaseMs: agreed.leaseMs, refreshMs, callMsMax: agreed.callMsMax },
      allocate: redis === undefined ? undefined : allocateIn(redis),
      clock,
    });
    leases.set(accountId, { lease, refreshMs });
  }
  return {
    takeSlot: (accountId) => {
      const held = leases.get(accountId);
      return held === undefined ? FREE : held.lease.acquire();
    },
    keep: async (signal) => {
      await Promise.all(
        [...leases.values()].map(({ lease, refreshMs }) =>
          keepLeases({ leases: [lease], everyMs: refreshMs, clock, log, signal }),
        ),
      );
    },
  };
};
