import type { Clock } from '@tillmesh/clock';
import {
  type AccountHealth,
  type AccountId,
  type AccountReport,
  type Hearsay,
  isSickTo,
  type RouteHealth,
  type RoutingTable,
  rateShare,
} from '@tillmesh/domain';
import type { DayUses } from './day-uses.ts';
import type { News } from './news.ts';

/** More processes at once are not expected; the one that was silent the longest makes room. */
const REPORTERS_MAX = 1_000;

type Reporter = { readonly atMs: number; readonly accounts: ReadonlyMap<AccountId, AccountReport> };

/** What cashiers have reported of the accounts. */
export type HealthReports = {
  /** Replaces what this process had reported. */
  take(reporter: string, accounts: readonly AccountReport[]): void;
  /** What all others say, account by account; only accounts of which anything is known. */
  heardBy(reporter: string): ReadonlyMap<AccountId, Hearsay>;
  /** All of it as one health, for who asks why an account is or is not chosen: shares are the mean of what cashiers give. */
  present(): RouteHealth;
};

const isAlike = (before: Reporter | undefined, accounts: ReadonlyMap<AccountId, AccountReport>): boolean =>
  before !== undefined &&
  [...accounts].every(([accountId, { opinion }]) => before.accounts.get(accountId)?.opinion === opinion) &&
  [...before.accounts].every(([accountId, { opinion }]) => opinion !== 'sick' || accounts.has(accountId));

/** Gathers reports. One that is older than the table's policy allows has no say any more, except in what was taken today. */
export const createHealthReports = (deps: {
  readonly table: () => RoutingTable;
  readonly uses: DayUses;
  readonly clock: Clock;
  readonly news: Pick<News, 'tell'>;
}): HealthReports => {
  const { table, uses, clock, news } = deps;
  const reporters = new Map<string, Reporter>();
  let version = 0;

  const freshBut = (except: string): readonly Reporter[] => {
    const sinceMs = clock.monotonicMs() - table().healthPolicy.reportAgeMsMax;
    return [...reporters].flatMap(([name, reporter]) =>
      name !== except && reporter.atMs >= sinceMs ? [reporter] : [],
    );
  };
  const hearsayOf = (accountId: AccountId, fresh: readonly Reporter[], except: string): Hearsay => {
    const reports = fresh.flatMap(({ accounts }) => accounts.get(accountId) ?? []);
    const sick = reports.filter(({ opinion }) => opinion === 'sick');
    return {
      sick: sick.length,
      well: reports.filter(({ opinion }) => opinion === 'well').length,
      cause: sick[0]?.cause ?? '',
      good: reports.reduce((sum, { good }) => sum + good, 0),
      bad: reports.reduce((sum, { bad }) => sum + bad, 0),
      use: uses.of(accountId, except),
    };
  };
  const isKnown = ({ sick, well, good, bad, use }: Hearsay): boolean => sick + well + good + bad + use.count > 0;

  const healthOf = (accountId: AccountId, hearsay: Hearsay, fresh: readonly Reporter[]): AccountHealth => {
    const shares = fresh.flatMap(({ accounts }) => accounts.get(accountId)?.share ?? []);
    const isSick = isSickTo('none', hearsay);
    const mean = shares.length === 0 ? 1 : shares.reduce((sum, share) => sum + share, 0) / shares.length;
    const share = isSick ? 0 : Math.min(mean, rateShare(hearsay, table().healthPolicy));
    return {
      share,
      cause: share === 1 ? '' : hearsay.cause || `${hearsay.good} of ${hearsay.good + hearsay.bad} went well`,
      refuses: false,
      use: hearsay.use,
    };
  };

  return {
    take: (name, reported) => {
      const before = reporters.get(name);
      const accounts = reported.filter(({ accountId }) => table().accounts.has(accountId));
      const known = new Map(accounts.map((report) => [report.accountId, report]));
      // Taken out first: the map's order is that of the latest reports.
      reporters.delete(name);
      reporters.set(name, { atMs: clock.monotonicMs(), accounts: known });
      const [oldest] = reporters.keys();
      if (reporters.size > REPORTERS_MAX && oldest !== undefined) reporters.delete(oldest);
      for (const { accountId, use } of accounts) uses.set(name, accountId, use);
      version += 1;
      // Numbers can wait for the next second; who is sick and who is well cannot.
      if (!isAlike(before, known)) news.tell();
    },
    heardBy: (reporter) => {
      const fresh = freshBut(reporter);
      return new Map(
        [...table().accounts.keys()].flatMap((accountId) => {
          const hearsay = hearsayOf(accountId, fresh, reporter);
          return isKnown(hearsay) ? [[accountId, hearsay] as const] : [];
        }),
      );
    },
    present: () => {
      const fresh = freshBut('');
      return {
        version,
        accounts: new Map(
          [...table().accounts.keys()].map((accountId) => {
            const hearsay = hearsayOf(accountId, fresh, '');
            return [accountId, healthOf(accountId, hearsay, fresh)] as const;
          }),
        ),
      };
    },
  };
};
