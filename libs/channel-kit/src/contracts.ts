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
  /** Holds leases for accounts that have come since as well. What was agreed for one that is held changes with a restart. */
  take(accounts: Iterable<AccountSettings>): void;
  /** Keeps this process's part of them until the signal is aborted. */
  keep(signal: AbortSignal): void;
};

type Held = {
  readonly agreed: NonNullable<AccountSettings['agreed']>;
  readonly lease: ReturnType<typeof createContractLease>;
  readonly refreshMs: number;
  readonly queue: PlaceQueue;
};

/** Holds a lease for each account with a contract. */
export const holdContracts = (options: {
  readonly channelId: string;
  readonly accounts: Iterable<AccountSettings>;
  readonly redis: RedisConnection | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): Contracts => {
  const { channelId, accounts, redis, clock, random, log } = options;
  // A process that comes back is another one: calls of the one before may be under way.
  const holder = `${hostname()}-${process.pid}-${random.hex(6)}`;
  const held = new Map<string, Held>();
  let keptUntil: AbortSignal | undefined;

  const keepOne = ({ lease, refreshMs }: Held, signal: AbortSignal): void => {
    keepLeases({ leases: [lease], everyMs: refreshMs, clock, log, signal }).catch((error: unknown) =>
      log.fatal({ err: error }, 'a contract is kept no more'),
    );
  };

  const take: Contracts['take'] = (those) => {
    for (const { accountId, agreed } of those) {
      if (agreed === undefined) continue;
      const before = held.get(accountId);
      if (before !== undefined) {
        const isSame = JSON.stringify(before.agreed) === JSON.stringify(agreed);
        if (!isSame) log.warn({ accountId }, 'what was agreed for this account changes with the next start');
        continue;
      }
      const refreshMs = Math.round((agreed.leaseMs * CONTRACT_TIMES.refreshMs) / CONTRACT_TIMES.leaseMs);
      const lease = createContractLease({
        resource: `${channelId}:${accountId}`,
        holder,
        contract: agreed,
        times: { leaseMs: agreed.leaseMs, refreshMs, callMsMax: agreed.callMsMax },
        allocate: redis === undefined ? undefined : allocateIn(redis),
        clock,
      });
      const one: Held = { agreed, lease, refreshMs, queue: new PlaceQueue(lease, clock) };
      held.set(accountId, one);
      if (keptUntil !== undefined) keepOne(one, keptUntil);
    }
  };
  take(accounts);

  return {
    of: (accountId) => held.get(accountId)?.queue,
    take,
    keep: (signal) => {
      keptUntil = signal;
      for (const one of held.values()) keepOne(one, signal);
    },
  };
};
