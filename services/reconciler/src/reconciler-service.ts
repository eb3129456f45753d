import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Clock } from '@tillmesh/clock';
import { DatabaseError } from '@tillmesh/order-groups';
import { BillKind } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type {
  BillRef,
  ReconcilerService,
  Report,
  RunReconciliationRequest,
  RunReconciliationResponseSchema,
} from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { type Implementation, rpcErrors } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import type { ReportKey, ReportStore } from './report-store.ts';
import { newProgress, type Runs } from './runs.ts';

const TELL_EVERY_MS = 1_000;
const PAGE_DEFAULT = 100;

const keyOf = (bill: BillRef | undefined): ReportKey => {
  if (bill === undefined) throw rpcErrors.requestInvalid('bill is not set');
  const { channelId, accountId, day } = bill;
  return { channelId, accountId, day };
};

const toCaller = (error: unknown): unknown =>
  error instanceof DatabaseError
    ? rpcErrors.dependencyUnavailable(`the books cannot be read (${error.code})`, { retryAfterMs: 5_000, cause: error })
    : error;

type Told = MessageInitShape<typeof RunReconciliationResponseSchema>;

/** Compares a bill and tells about once a second how far it is. */
const runTold = async function* (
  request: RunReconciliationRequest,
  signal: AbortSignal,
  deps: { readonly runs: Runs; readonly clock: Clock; readonly log: Log },
): AsyncGenerator<Told> {
  const { runs, clock, log } = deps;
  if (request.kind !== BillKind.TRADE)
    throw rpcErrors.operationNotSupported('only bills of trade are compared: a fund flow has no refund numbers', {
      metadata: { channel_id: request.bill?.channelId ?? '', operation: 'RunReconciliation' },
    });
  const key = keyOf(request.bill);
  log.warn({ ...key, audit: true }, 'a comparison was asked for');
  const progress = newProgress();
  const told = (report?: Report): Told => ({
    phase: progress.phase,
    billLines: BigInt(progress.billLines),
    bookEntries: BigInt(progress.bookEntries),
    ...(report === undefined ? {} : { report }),
  });
  let isOver = false;
  const running = runs.run(key, progress, signal).finally(() => {
    isOver = true;
  });
  running.catch(() => undefined);
  while (!isOver && !signal.aborted) {
    await Promise.race([running.catch(() => undefined), clock.sleep(TELL_EVERY_MS, signal).catch(() => undefined)]);
    if (!isOver) yield told();
  }
  try {
    yield told(await running);
  } catch (error) {
    throw toCaller(error);
  }
};

/** The wire's side of the reconciler. */
export const createReconcilerService = (deps: {
  readonly runs: Runs;
  readonly store: ReportStore;
  readonly clock: Clock;
  readonly log: Log;
}): Implementation<typeof ReconcilerService> => {
  const { store } = deps;
  return {
    runReconciliation: (request, call) => runTold(request, call.signal, deps),
    getReport: async ({ bill, class: wanted, skip, limit }) => {
      const key = keyOf(bill);
      const report = await store.read(key);
      if (report === undefined)
        throw rpcErrors.reportUnknown(`the bill of ${key.day} of ${key.accountId} was not compared yet`);
      const page = { class: wanted, skip, limit: limit === 0 ? PAGE_DEFAULT : limit };
      return { report, discrepancies: [...(await store.discrepancies(key, page))] };
    },
    listReports: async ({ channelId, accountId, day, limit }) => {
      const keys = (await store.list()).filter(
        (key) =>
          (channelId === '' || key.channelId === channelId) &&
          (accountId === '' || key.accountId === accountId) &&
          (day === '' || key.day === day),
      );
      const shown = keys.slice(0, limit === 0 ? PAGE_DEFAULT : limit);
      const reports: Report[] = [];
      for (const key of shown) {
        const report = await store.read(key);
        // Merchants one by one are in the report itself.
        if (report !== undefined) reports.push({ ...report, merchants: [] });
      }
      return { reports, more: keys.length > shown.length };
    },
  };
};
