import { durationMs } from '@bufbuild/protobuf/wkt';
import { BillKind, type BillLine, ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { createClients, type RpcClient, rpcErrors } from '@tillmesh/rpc';
import type { createLanes } from './lanes.ts';

const DAY_MS = 86_400_000;
const DESCRIBE_MS_MAX = 5_000;
/** FetchBill's own most. */
const BILL_MS_MAX = 600_000;

/** When a channel's days are, and when their bills. */
export type BillCalendar = { readonly aheadOfUtcMs: number; readonly readyAfterMs: number };

/** A day of a bill: its bounds and when the channel promises it, ms since 1970. */
export type BillDay = {
  readonly day: string;
  readonly beginsMs: number;
  readonly endsMs: number;
  readonly readyAtMs: number;
};

/** What comes of a bill. `absent`: the channel has none, so nothing moved. */
export type FetchedBill = { readonly kind: 'whole'; readonly rawSha256: string } | { readonly kind: 'absent' };

export type Channel = {
  readonly channelId: string;
  /** @throws {RpcError} */
  describe(): Promise<{ readonly accountIds: readonly string[]; readonly calendar: BillCalendar | undefined }>;
  /** Reads a trade bill; what was given to `take` counts only when this resolves. @throws {RpcError} */
  fetchBill(
    bill: { readonly accountId: string; readonly day: string },
    take: (line: BillLine) => Promise<void>,
    signal: AbortSignal,
  ): Promise<FetchedBill>;
};

export type Channels = {
  readonly all: readonly Channel[];
  find(channelId: string): Channel | undefined;
  close(): void;
};

/** The bounds of a day, `yyyy-mm-dd`; undefined for a day that no calendar has. */
export const billDayOf = (day: string, { aheadOfUtcMs, readyAfterMs }: BillCalendar): BillDay | undefined => {
  const utcMs = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(utcMs) || new Date(utcMs).toISOString().slice(0, 10) !== day) return undefined;
  const endsMs = utcMs - aheadOfUtcMs + DAY_MS;
  return { day, beginsMs: utcMs - aheadOfUtcMs, endsMs, readyAtMs: endsMs + readyAfterMs };
};

/** The day that a moment lies in. */
export const dayAt = (atMs: number, calendar: BillCalendar): BillDay => {
  const day = billDayOf(new Date(atMs + calendar.aheadOfUtcMs).toISOString().slice(0, 10), calendar);
  if (day === undefined) throw new RangeError(`${atMs} is in no day`);
  return day;
};

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'reason' in error && error.reason === 'BILL_ABSENT';

const channelOf = (
  channelId: string,
  client: Pick<RpcClient<typeof ChannelService>, 'describeChannel' | 'fetchBill'>,
  lanes: ReturnType<ReturnType<typeof createLanes>['channel']>,
): Channel => ({
  channelId,
  describe: async () => {
    const answer = await client.describeChannel({}, { passage: lanes.describe, capMs: DESCRIBE_MS_MAX });
    const plan = answer.billPlans.find(({ kind }) => kind === BillKind.TRADE);
    return {
      accountIds: answer.accountIds,
      calendar: plan && {
        aheadOfUtcMs: plan.dayAheadOfUtc === undefined ? 0 : durationMs(plan.dayAheadOfUtc),
        readyAfterMs: plan.readyAfter === undefined ? 0 : durationMs(plan.readyAfter),
      },
    };
  },
  fetchBill: async ({ accountId, day }, take, signal) => {
    try {
      let lines = 0n;
      const stream = client.fetchBill({ accountId, day, kind: BillKind.TRADE }, { capMs: BILL_MS_MAX, signal });
      for await (const { part } of stream) {
        if (part.case === 'lines') {
          lines += BigInt(part.value.lines.length);
          for (const line of part.value.lines) await take(line);
        }
        if (part.case === 'end') {
          if (part.value.lines !== lines)
            throw rpcErrors.billBroken(`${lines} lines came of ${part.value.lines}`, {
              metadata: { flaw: 'truncated' },
            });
          return { kind: 'whole', rawSha256: part.value.rawSha256 };
        }
      }
      throw rpcErrors.billBroken('the bill had no end', { metadata: { flaw: 'truncated' } });
    } catch (error) {
      if (isAbsent(error)) return { kind: 'absent' };
      throw error;
    }
  },
});

/** Connects to every channel's adapter. */
export const connectChannels = (
  targets: readonly { readonly channelId: string; readonly target: string }[],
  lanesOf: ReturnType<typeof createLanes>['channel'],
): Channels => {
  const clients = createClients(
    ChannelService,
    targets.map(({ channelId, target }) => ({ id: channelId, target })),
    { caller: 'reconciler', capMs: DESCRIBE_MS_MAX },
  );
  const all = clients.ids.flatMap((id) => {
    const client = clients.find(id);
    return client === undefined ? [] : [channelOf(id, client, lanesOf(id))];
  });
  return { all, find: (id) => all.find(({ channelId }) => channelId === id), close: clients.close };
};
