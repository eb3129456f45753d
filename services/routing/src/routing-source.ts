import type { Clock } from '@tillmesh/clock';
import type { AccountId, RoutedAccount, RoutingTable } from '@tillmesh/domain';
import type { Switch, Switches } from './switches.ts';
import type { RoutingData } from './table-file.ts';

/** The table as it is now, and a way to hear of changes. */
export type RoutingSource = {
  table(): RoutingTable;
  /** Replaces merchants and accounts; switches stay. */
  replace(data: RoutingData): void;
  /** The account afterwards; undefined where there is none of that name. */
  setSwitch(accountId: AccountId, value: Switch): RoutedAccount | undefined;
  /** Every version from now on, the present one first unless it is `knownVersion`. Ends with the signal. */
  watch(knownVersion: bigint, signal: AbortSignal): AsyncGenerator<RoutingTable>;
};

/** Creates the source of tables. Versions are times, so that they grow over restarts without being kept. */
export const createRoutingSource = (first: RoutingData, switches: Switches, clock: Clock): RoutingSource => {
  let data = first;
  let version = BigInt(clock.nowMs());
  let changed = Promise.withResolvers<void>();

  const withSwitch = (account: Omit<RoutedAccount, 'enabled' | 'stateNote'>): RoutedAccount => {
    const set = switches.of(account.accountId);
    return { ...account, enabled: set?.enabled ?? true, stateNote: set?.note ?? '' };
  };
  const build = (): RoutingTable => ({
    version,
    merchants: data.merchants,
    accounts: new Map([...data.accounts].map(([accountId, account]) => [accountId, withSwitch(account)])),
  });
  let table = build();
  const bump = () => {
    const nowMs = BigInt(clock.nowMs());
    version = nowMs > version ? nowMs : version + 1n;
    table = build();
    changed.resolve();
    changed = Promise.withResolvers();
  };

  return {
    table: () => table,
    replace: (next) => {
      data = next;
      bump();
    },
    setSwitch: (accountId, value) => {
      if (!data.accounts.has(accountId)) return undefined;
      switches.set(accountId, value);
      bump();
      return table.accounts.get(accountId);
    },
    watch: async function* (knownVersion, signal) {
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      let sent = knownVersion;
      while (!signal.aborted) {
        // Taken before the table is read: a change between the two is not missed.
        const next = changed.promise;
        if (table.version !== sent) {
          sent = table.version;
          yield table;
          continue;
        }
        await Promise.race([next, aborted]);
      }
    },
  };
};
