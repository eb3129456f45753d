import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Alarms } from '@tillmesh/alarms';
import type { Clock } from '@tillmesh/clock';
import type { Report } from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { toRpcError } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import type { Tried } from './bill-queue.ts';
import { type BillCalendar, type BillDay, billDayOf, type Channels, dayAt } from './channels.ts';
import type { ReportKey, ReportStore } from './report-store.ts';
import { newProgress, type Runs } from './runs.ts';
import { tellAlarms } from './tell-alarms.ts';

const DAY_MS = 86_400_000;
/** A bill that could not be compared is tried again after so long; so long after it was due a person hears of it. */
const RETRY_MS = { first: 60_000, max: 3_600_000 } as const;
const LATE_MS = 4 * 3_600_000;
const DOUBLINGS_MAX = 10;
/** One that another process has is looked at again after so long. */
const TAKEN_MS = 5_000;

const nameOf = ({ channelId, accountId, day }: ReportKey): string => `${channelId}/${accountId}/${day}`;

/**
 * The days whose bills are due, the oldest first.
 *
 * @param daysBack whole days before today.
 */
export const dueDays = (nowMs: number, calendar: BillCalendar, daysBack: number): readonly BillDay[] =>
  Array.from({ length: daysBack }, (_, place) => dayAt(nowMs - (daysBack - place) * DAY_MS, calendar)).filter(
    ({ readyAtMs }) => readyAtMs <= nowMs,
  );

/** Whether a day's bill has to be compared: it never was, or something may stand in the next one, which is there by now. */
export const isToCompare = (report: Report | undefined, day: BillDay, nowMs: number): boolean => {
  if (report === undefined) return true;
  const nextReadyAtMs = day.readyAtMs + DAY_MS;
  const madeAtMs = report.madeAt === undefined ? 0 : timestampMs(report.madeAt);
  // Made before its day was over, by a person who wanted to see how it stands.
  if (madeAtMs < day.readyAtMs) return true;
  return report.awaitsNextBill && madeAtMs < nextReadyAtMs && nextReadyAtMs <= nowMs;
};

/** Since when a comparison is owed: the bill's own time, or that of the next one where its report waits for it. */
const dueSinceMs = (report: Report | undefined, { readyAtMs }: BillDay): number =>
  report?.awaitsNextBill === true ? readyAtMs + DAY_MS : readyAtMs;

/** A bill whose time has come, and the report that there is of it. */
type DueBill = { readonly key: ReportKey; readonly day: BillDay; readonly report: Report | undefined };

export type ScheduleDeps = {
  readonly channels: Pick<Channels, 'all' | 'find'>;
  readonly store: Pick<ReportStore, 'read'>;
  readonly daysBack: number;
  readonly clock: Clock;
  readonly log: Log;
};

/** Every bill whose time has come, of every account that the channels tell of. */
const dueBills = async function* (deps: ScheduleDeps, signal: AbortSignal): AsyncGenerator<DueBill> {
  const { channels, store, daysBack, clock, log } = deps;
  for (const channel of channels.all) {
    if (signal.aborted) return;
    const described = await channel.describe().catch((error: unknown) => {
      log.warn({ err: error, channelId: channel.channelId }, 'a channel does not say when its bills are due');
      return undefined;
    });
    const calendar = described?.calendar;
    if (described === undefined || calendar === undefined) continue;
    for (const accountId of described.accountIds) {
      for (const day of dueDays(clock.nowMs(), calendar, daysBack)) {
        const key = { channelId: channel.channelId, accountId, day: day.day };
        yield { key, day, report: await store.read(key) };
        if (signal.aborted) return;
      }
    }
  }
};

/** Looks once for bills that are due and not compared yet, and gives them to whoever compares. */
export const giveDue = async (
  deps: ScheduleDeps & { readonly give: (key: ReportKey) => Promise<void> },
  signal: AbortSignal,
): Promise<void> => {
  for await (const { key, day, report } of dueBills(deps, signal))
    if (isToCompare(report, day, deps.clock.nowMs())) await deps.give(key);
};

/** Why bills could not be compared, for people: what this process has tried itself. */
export type Failures = Map<string, string>;

/**
 * Tells once of bills that nobody has compared in time, and of what reports have left open. It fetches nothing, so every process does it for itself: alarms do not outlive one, and whoever
 * compares may be another process.
 */
export const tellDue = async (
  deps: ScheduleDeps & { readonly alarms: Pick<Alarms, 'raise' | 'end'>; readonly failures: Failures },
  signal: AbortSignal,
): Promise<void> => {
  const { alarms, failures, clock } = deps;
  for await (const { key, day, report } of dueBills(deps, signal)) {
    const alarm = { name: 'bill_not_compared', labels: { account: key.accountId, day: key.day } };
    if (report !== undefined) tellAlarms(alarms, report);
    if (!isToCompare(report, day, clock.nowMs())) {
      alarms.end(alarm);
      failures.delete(nameOf(key));
      continue;
    }
    if (clock.nowMs() - dueSinceMs(report, day) < LATE_MS) continue;
    alarms.raise({
      ...alarm,
      severity: 'watch',
      summary: `${nameOf(key)} was due at ${new Date(day.readyAtMs).toISOString()}: ${failures.get(nameOf(key)) ?? 'nobody has compared it'}`,
    });
  }
};

/** Compares a bill that is due, unless it was done meanwhile; what fails is tried again after 1, 2, 4 … 60 minutes. */
export const createCompareDue = (
  deps: ScheduleDeps & { readonly runs: Runs; readonly failures: Failures; readonly signal: AbortSignal },
): ((key: ReportKey, failures: number) => Promise<Tried>) => {
  const { channels, runs, store, failures, clock, log, signal } = deps;

  const isStillDue = async (key: ReportKey): Promise<boolean> => {
    const calendar = (await channels.find(key.channelId)?.describe())?.calendar;
    const day = calendar && billDayOf(key.day, calendar);
    return day !== undefined && isToCompare(await store.read(key), day, clock.nowMs());
  };

  return async (key, failed) => {
    try {
      await runs.runIfDue(key, newProgress(), signal, () => isStillDue(key));
      failures.delete(nameOf(key));
      return { kind: 'done' };
    } catch (error) {
      const { reason, retryAfterMs } = toRpcError(error);
      // It is being compared, or others are, or nobody can say: nothing is wrong with the bill.
      const isTaken = signal.aborted || reason === 'LANE_FULL';
      if (isTaken) return { kind: 'again', atMs: clock.nowMs() + (retryAfterMs ?? TAKEN_MS), failures: failed };
      failures.set(nameOf(key), error instanceof Error ? error.message : String(error));
      log.warn({ err: error, ...key, failures: failed + 1 }, 'a bill could not be compared; it is tried again');
      const waitMs = Math.min(RETRY_MS.max, RETRY_MS.first * 2 ** Math.min(failed, DOUBLINGS_MAX));
      return { kind: 'again', atMs: clock.nowMs() + waitMs, failures: failed + 1 };
    }
  };
};
