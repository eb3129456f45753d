import type { Clock } from '@tillmesh/clock';
import type { AccountId, RouteHealth } from '@tillmesh/domain';

/** What one cashier sees of an account. */
export type ReportedHealth = {
  readonly accountId: string;
  readonly share: number;
  readonly handled: number;
  readonly failed: number;
  readonly reason: string;
};

/** A cashier that has said nothing for so long has no say, ms. */
const REPORT_MS_MAX = 5_000;
const ATTEMPTS_MIN = 20;
const REASON_MAX = 64;

export type HealthReports = {
  take(instance: string, accounts: readonly ReportedHealth[]): void;
  /** What all cashiers see together, and how many they are. */
  merged(): { readonly instances: number; readonly accounts: readonly ReportedHealth[] };
  /** The same for a decision. */
  health(): RouteHealth;
};

/** The middle of some shares, the lower one of two: one cashier with a broken network does not drain an account for all. */
const middle = (reports: readonly ReportedHealth[]): ReportedHealth | undefined =>
  reports.toSorted((a, b) => a.share - b.share)[Math.floor((reports.length - 1) / 2)];

/** Keeps what cashiers report, for as long as they go on reporting. */
export const createHealthReports = (clock: Clock): HealthReports => {
  const reports = new Map<string, { readonly atMs: number; readonly accounts: readonly ReportedHealth[] }>();

  const merged = () => {
    const nowMs = clock.monotonicMs();
    for (const [instance, { atMs }] of reports) if (nowMs - atMs > REPORT_MS_MAX) reports.delete(instance);
    const byAccount = new Map<string, ReportedHealth[]>();
    for (const { accounts } of reports.values()) {
      for (const account of accounts) {
        byAccount.set(account.accountId, [...(byAccount.get(account.accountId) ?? []), account]);
      }
    }
    const accounts = [...byAccount].map(
      ([accountId, seen]): ReportedHealth => ({
        accountId,
        share: middle(seen)?.share ?? 1,
        reason: (middle(seen)?.reason ?? '').slice(0, REASON_MAX),
        handled: seen.reduce((sum, { handled }) => sum + handled, 0),
        failed: seen.reduce((sum, { failed }) => sum + failed, 0),
      }),
    );
    return { instances: reports.size, accounts };
  };

  return {
    take: (instance, accounts) => {
      reports.set(instance, { atMs: clock.monotonicMs(), accounts });
    },
    merged,
    health: () =>
      new Map(
        merged().accounts.map(({ accountId, share, reason, handled, failed }) => {
          const attempts = handled + failed;
          const successShare = attempts < ATTEMPTS_MIN ? undefined : handled / attempts;
          return [accountId as AccountId, { share, reason, successShare }] as const;
        }),
      ),
  };
};
