import type { Alarms } from '@tillmesh/alarms';
import type { Clock } from '@tillmesh/clock';
import { type AccountId, parseAccountId } from '@tillmesh/domain';
import type { Report } from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { rpcErrors, runAsCall } from '@tillmesh/rpc';
import { counter } from '@tillmesh/telemetry';
import type { BillLease, BillLeases } from './bill-lease.ts';
import type { Channels } from './channels.ts';
import { type CompareDeps, type Compared, compareBill, type Progress } from './compare-bill.ts';
import { discrepancyMessage } from './report-messages.ts';
import type { ReportKey, ReportStore } from './report-store.ts';
import { tellAlarms } from './tell-alarms.ts';

/** Comparisons at once: each holds a part of a bill in memory. */
export const RUNS_MAX = 2;
/** A comparison that takes longer is given up. */
export const RUN_MS_MAX = 3_600_000;
const RETRY_AFTER_MS = 5_000;

const runsTotal = counter('tillmesh_reconciliations_total', 'Comparisons of bills with the books, by how they ended.', [
  'channel',
  'end',
]);
const openTotal = counter('tillmesh_reconciliation_discrepancies_total', 'Discrepancies that were found, by class.', [
  'channel',
  'class',
]);

/** Comparisons of this process. */
export type Runs = {
  /** Compares a bill and keeps the report. @throws {RpcError} LANE_FULL, and what compareBill throws: then the report before stays. */
  run(key: ReportKey, progress: Progress, signal: AbortSignal): Promise<Report>;
  /**
   * The same, if it is still to be done once nobody else can be doing it any more.
   *
   * @returns undefined where it was not.
   */
  runIfDue(
    key: ReportKey,
    progress: Progress,
    signal: AbortSignal,
    isStillDue: () => Promise<boolean>,
  ): Promise<Report | undefined>;
};

/** Where a comparison begins. */
export const newProgress = (): Progress => ({ phase: 'bill', billLines: 0, bookEntries: 0 });

/** Creates what runs comparisons, two at once at most, and never two of one bill, in whichever process. */
export const createRuns = (deps: {
  readonly channels: Pick<Channels, 'find'>;
  readonly compare: CompareDeps;
  readonly store: Pick<ReportStore, 'write'>;
  readonly alarms: Pick<Alarms, 'raise' | 'end'>;
  readonly leases: BillLeases;
  readonly clock: Clock;
}): Runs => {
  const { channels, compare, store, alarms, leases, clock } = deps;
  const running = new Set<string>();

  const compareAndKeep = async (
    key: ReportKey & { readonly accountId: AccountId },
    lease: BillLease,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<Compared> => {
    const channel = channels.find(key.channelId);
    if (channel === undefined)
      throw rpcErrors.accountUnknown(`there is no channel ${key.channelId}`, {
        metadata: { account_id: key.accountId },
      });
    const syncer: CompareDeps['syncer'] = {
      retryNow: async (request, options) => {
        lease.assertHeld();
        return compare.syncer.retryNow(request, options);
      },
    };
    const bill = { channel, accountId: key.accountId, day: key.day };
    const compared = await compareBill(bill, { ...compare, syncer }, progress, signal);
    signal.throwIfAborted();
    lease.assertHeld();
    await store.write(compared.report, compared.found.map(discrepancyMessage));
    tellAlarms(alarms, compared.report);
    return compared;
  };

  /** Runs something about a bill that no other process runs about it meanwhile. */
  const alone = async <Result>(
    key: ReportKey,
    signal: AbortSignal,
    work: (accountId: AccountId, lease: BillLease, signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> => {
    const accountId = parseAccountId(key.accountId);
    if (accountId === undefined) throw rpcErrors.requestInvalid(`${key.accountId} is no account id`);
    const name = `${key.channelId}/${accountId}/${key.day}`;
    // Before a place is taken: it may take as long as a lease lasts.
    await leases.known(signal);
    if (running.has(name) || running.size >= RUNS_MAX)
      throw rpcErrors.laneFull(
        running.has(name) ? `${name} is being compared` : `${RUNS_MAX} other bills are being compared`,
        { metadata: { lane: 'comparisons' }, retryAfterMs: RETRY_AFTER_MS },
      );
    running.add(name);
    try {
      const lease = await leases.take(name);
      try {
        const call = { name: 'reconciler/run', caller: 'reconciler', priority: 'list', budgetMs: RUN_MS_MAX } as const;
        return await runAsCall({ ...call, clock, signal: AbortSignal.any([signal, lease.signal]) }, (own) =>
          work(accountId, lease, own.signal),
        );
      } finally {
        await lease.release();
      }
    } catch (error) {
      const reason = error instanceof Error && 'reason' in error ? String(error.reason) : 'failed';
      runsTotal.add({ channel: key.channelId, end: reason });
      throw error;
    } finally {
      running.delete(name);
    }
  };

  const counted = (key: ReportKey, { report, found }: Compared): Report => {
    for (const one of found) openTotal.add({ channel: key.channelId, class: one.class });
    runsTotal.add({ channel: key.channelId, end: 'compared' });
    return report;
  };

  return {
    run: async (key, progress, signal) =>
      counted(
        key,
        await alone(key, signal, (accountId, lease, own) =>
          compareAndKeep({ ...key, accountId }, lease, progress, own),
        ),
      ),
    runIfDue: async (key, progress, signal, isStillDue) => {
      const compared = await alone(key, signal, async (accountId, lease, own) =>
        (await isStillDue()) ? compareAndKeep({ ...key, accountId }, lease, progress, own) : undefined,
      );
      return compared && counted(key, compared);
    },
  };
};
