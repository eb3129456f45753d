import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { Alarms } from '@tillmesh/alarms';
import type { Clock } from '@tillmesh/clock';
import type { Report } from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import type { Log } from '@tillmesh/telemetry';
import { type BillCalendar, type BillDay, type Channels, dayAt } from './channels.ts';
import type { ReportKey, ReportStore } from './report-store.ts';
import { newProgress, type Runs } from './runs.ts';
import { tellAlarms } from './tell-alarms.ts';

const DAY_MS = 86_400_000;
/** A bill that could not be compared is tried again after so long; so long after it was due a person hears of it. */
const RETRY_MS = { first: 60_000, max: 3_600_000 } as const;
const LATE_MS = 4 * 3_600_000;

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

/** What of the schedule lasts between two looks; the reports are what lasts over restarts. */
export type Tries = Map<string, { failures: number; nextAtMs: number }>;

/** Looks once for bills that are due, and compares them one after the other. */
export const compareDue = async (deps: {
  readonly channels: Pick<Channels, 'all'>;
  readonly runs: Runs;
  readonly store: Pick<ReportStore, 'read'>;
  readonly alarms: Pick<Alarms, 'raise' | 'end'>;
  readonly daysBack: number;
  readonly tries: Tries;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { channels, runs, store, alarms, daysBack, tries, clock, log, signal } = deps;

  const compareOne = async (key: ReportKey, day: BillDay): Promise<void> => {
    const name = `${key.channelId}/${key.accountId}/${key.day}`;
    const alarm = { name: 'bill_not_compared', labels: { account: key.accountId, day: key.day } };
    const before = tries.get(name);
    if (before !== undefined && clock.nowMs() < before.nextAtMs) return;
    try {
      await runs.run(key, newProgress(), signal);
      tries.delete(name);
      alarms.end(alarm);
    } catch (error) {
      if (signal.aborted) return;
      const failures = (before?.failures ?? 0) + 1;
      const nextAtMs = clock.nowMs() + Math.min(RETRY_MS.max, RETRY_MS.first * 2 ** (failures - 1));
      tries.set(name, { failures, nextAtMs });
      log.warn({ err: error, ...key, failures }, 'a bill could not be compared; it is tried again');
      if (clock.nowMs() - day.readyAtMs < LATE_MS) return;
      alarms.raise({
        ...alarm,
        severity: 'watch',
        summary: `${name} was due at ${new Date(day.readyAtMs).toISOString()}: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  };

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
        const report = await store.read(key);
        if (isToCompare(report, day, clock.nowMs())) await compareOne(key, day);
        // Alarms do not outlive a process: what is open is told again as long as the schedule looks at its day.
        else if (report !== undefined) tellAlarms(alarms, report);
        if (signal.aborted) return;
      }
    }
  }
};
