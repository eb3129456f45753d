import type { Clock } from '@tillmesh/clock';
import type { AccountId, RoutedAccount, RoutingTable } from '@tillmesh/domain';
import type { News } from './news.ts';
import type { Switch, Switches } from './switches.ts';
import type { AccountData, RoutingData } from './table-file.ts';

/** The table as it is now; every change is told. */
export type RoutingSource = {
  table(): RoutingTable;
  /** Replaces merchants, accounts and policy; switches stay. */
  replace(data: RoutingData): void;
  /** The account afterwards; undefined where there is none of that name. */
  setSwitch(accountId: AccountId, value: Switch): RoutedAccount | undefined;
};

/** Creates the source of tables. Versions are times, so that they grow over restarts without being kept. */
export const createRoutingSource = (
  first: RoutingData,
  switches: Switches,
  clock: Clock,
  news: Pick<News, 'tell'>,
): RoutingSource => {
  let data = first;
  let version = BigInt(clock.nowMs());

  const withSwitch = (account: AccountData): RoutedAccount => {
    const set = switches.of(account.accountId);
    return { ...account, enabled: set?.enabled ?? true, stateNote: set?.note ?? '' };
  };
  const build = (): RoutingTable => ({
    version,
    merchants: data.merchants,
    accounts: new Map([...data.accounts].map(([accountId, account]) => [accountId, withSwitch(account)])),
    healthPolicy: data.healthPolicy,
  });
  let table = build();
  const bump = () => {
    const nowMs = BigInt(clock.nowMs());
    version = nowMs > version ? nowMs : version + 1n;
    table = build();
    news.tell();
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
  };
};
