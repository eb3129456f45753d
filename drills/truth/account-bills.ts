import { durationMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import type { Mesh, RepeatableService } from '@tillmesh/local-mesh';
import { BillKind, ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import {
  type Discrepancy,
  DiscrepancyClass,
  type ReconcilerService,
  type Report,
} from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { createClient, type RpcClient, toRpcError } from '@tillmesh/rpc';
import { nameOf } from '../final-accounts.ts';

const DAY_MS = 86_400_000;
const CALL_MS_MAX = 20_000;
const RUN_MS_MAX = 120_000;
const PAGE = 500;

/** An account, and which of its channel's days a moment lies in. */
export type AccountBills = {
  readonly channelId: string;
  readonly accountId: string;
  /** yyyy-mm-dd. */
  dayOf(ms: number): string;
  /** Whether the channel promises a day's bill by then, be it one without lines. */
  isDue(day: string, ms: number): boolean;
};

/** One discrepancy that the reconciler has found. */
export type FoundOne = {
  /** `long`, `short` and so on. */
  readonly class: string;
  readonly accountId: string;
  readonly day: string;
  readonly channelOrderNo: string;
  readonly refundNo: string;
  readonly isOpen: boolean;
  readonly note: string;
};

/** What came of one bill: what differs, or why it could not be compared. */
export type ComparedBill =
  | { readonly kind: 'compared'; readonly report: Report; readonly found: readonly FoundOne[] }
  | { readonly kind: 'refused'; readonly reason: string };

/** Every account that channels tell of, and the days of its bills. */
export const findAccounts = async (
  mesh: Mesh,
  channelIds: readonly string[],
  clock: Clock,
): Promise<readonly AccountBills[]> => {
  const all = await Promise.all(
    channelIds.map(async (channelId) => {
      const target = mesh.target(`channel-${channelId}` as RepeatableService);
      const client = createClient(ChannelService, { target, caller: 'drill', capMs: CALL_MS_MAX, clock });
      try {
        const { accountIds, billPlans } = await client.describeChannel({});
        const plan = billPlans.find(({ kind }) => kind === BillKind.TRADE);
        const aheadMs = plan?.dayAheadOfUtc === undefined ? 0 : durationMs(plan.dayAheadOfUtc);
        const readyMs = plan?.readyAfter === undefined ? 0 : durationMs(plan.readyAfter);
        const dayOf = (ms: number): string => new Date(ms + aheadMs).toISOString().slice(0, 10);
        const isDue = (day: string, ms: number): boolean => Date.parse(day) - aheadMs + DAY_MS + readyMs <= ms;
        return accountIds.map((accountId) => ({ channelId, accountId, dayOf, isDue }));
      } finally {
        client.close();
      }
    }),
  );
  return all.flat();
};

const foundOne = (accountId: string, day: string, one: Discrepancy): FoundOne => ({
  class: nameOf(DiscrepancyClass, one.class).toLowerCase(),
  accountId,
  day,
  channelOrderNo: one.channelOrderNo,
  refundNo: one.refundNo,
  isOpen: one.open,
  note: one.note,
});

/** Has the reconciler fetch one bill and compare it with the books, and reads its report. */
export const compareBillOf = async (
  reconciler: RpcClient<typeof ReconcilerService>,
  { channelId, accountId }: AccountBills,
  day: string,
): Promise<ComparedBill> => {
  const bill = { channelId, accountId, day };
  try {
    for await (const _ of reconciler.runReconciliation({ bill, kind: BillKind.TRADE }, { capMs: RUN_MS_MAX })) {
      // How far it is.
    }
  } catch (error) {
    return { kind: 'refused', reason: toRpcError(error).reason };
  }
  const found: FoundOne[] = [];
  for (;;) {
    const { report, discrepancies } = await reconciler.getReport({ bill, skip: found.length, limit: PAGE });
    found.push(...discrepancies.map((one) => foundOne(accountId, day, one)));
    if (report === undefined) throw new Error('the reconciler answered without a report');
    if (discrepancies.length < PAGE) return { kind: 'compared', report, found };
  }
};
