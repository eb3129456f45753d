import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import {
  type BillLineSchema,
  type FetchBillResponseSchema,
  BillKind as WireKind,
  BillLineKind as WireLineKind,
  BillLineState as WireLineState,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { type RpcError, rpcErrors } from '@tillmesh/rpc';
import { counter } from '@tillmesh/telemetry';
import { printable } from '../to-wire.ts';
import {
  type BillKind,
  type BillLine,
  type BillLineKind,
  type BillLineState,
  type BillRead,
  type BillReport,
  BrokenBill,
} from './bill.ts';
import type { BillSpool } from './bill-spool.ts';

const LINES_PER_MESSAGE = 500;
const WORD_CHARACTERS_MAX = 64;
/** When nothing says how long a bill will still take. */
const RETRY_MS = 600_000;

const billsEnded = counter('tillmesh_channel_bills_total', 'Bills that were asked for, by what came of them.', [
  'channel',
  'bill',
  'end',
]);
const billLines = counter('tillmesh_channel_bill_lines_total', 'Lines of bills that were read.', ['channel', 'bill']);

const KINDS: readonly (readonly [BillKind, WireKind])[] = [
  ['trade', WireKind.TRADE],
  ['fund_flow', WireKind.FUND_FLOW],
];

/** A kind of bill from the wire; undefined for one that this version does not know. */
export const billKindFromWire = (wire: WireKind): BillKind | undefined =>
  KINDS.find(([, known]) => known === wire)?.[0];

/** A kind of bill, for the wire. */
export const billKindToWire = (kind: BillKind): WireKind => (kind === 'trade' ? WireKind.TRADE : WireKind.FUND_FLOW);

const LINE_KINDS: Readonly<Record<BillLineKind, WireLineKind>> = {
  payment: WireLineKind.PAYMENT,
  refund: WireLineKind.REFUND,
  fee: WireLineKind.FEE,
  other: WireLineKind.OTHER,
};

const LINE_STATES: Readonly<Record<BillLineState, WireLineState>> = {
  succeeded: WireLineState.SUCCEEDED,
  processing: WireLineState.PROCESSING,
  failed: WireLineState.FAILED,
  unknown: WireLineState.UNSPECIFIED,
};

const lineToWire = (line: BillLine): MessageInitShape<typeof BillLineSchema> => ({
  lineNumber: BigInt(line.lineNumber),
  kind: LINE_KINDS[line.kind],
  channelOrderNo: printable(line.channelOrderNo, WORD_CHARACTERS_MAX),
  refundNo: printable(line.refundNo, WORD_CHARACTERS_MAX),
  channelTransactionId: printable(line.channelTransactionId, WORD_CHARACTERS_MAX),
  channelRefundId: printable(line.channelRefundId, WORD_CHARACTERS_MAX),
  amountMinorUnits: line.amount,
  currency: line.currency,
  feeMinorUnits: line.fee,
  feeCurrency: line.feeCurrency,
  happenedAt: timestampFromMs(line.happenedAtMs),
  state: LINE_STATES[line.state],
  channelState: printable(line.channelState, WORD_CHARACTERS_MAX),
  repeatedLine: line.repeated,
});

/** What a bill is asked of, for its errors and counters. */
export type AskedBill = {
  readonly channelId: string;
  readonly kind: BillKind;
  readonly day: string;
  /** When the channel promises it, ms since 1970. */
  readonly readyAtMs: number;
};

const toldCode = ({ channelCode, channelMessage }: BillReport): string =>
  [channelCode, channelMessage].filter((text) => text !== '').join(': ') || 'no answer';

/** Why there is no bill. */
const refusalOf = (
  report: BillReport & { readonly kind: Exclude<BillReport['kind'], 'fetched'> },
  asked: AskedBill,
  clock: Clock,
): RpcError => {
  const untilReadyMs = asked.readyAtMs - clock.nowMs();
  const what = `the ${asked.kind} bill of ${asked.day}`;
  const details = { metadata: { channel_code: printable(report.channelCode, WORD_CHARACTERS_MAX) } };
  const notReady = (): RpcError =>
    rpcErrors.billNotReady(`${what} is not made yet (${toldCode(report)})`, {
      ...details,
      retryAfterMs: untilReadyMs > 0 ? untilReadyMs : RETRY_MS,
    });
  switch (report.kind) {
    case 'not_ready':
      return notReady();
    case 'no_bill':
      return untilReadyMs > 0
        ? notReady()
        : rpcErrors.billAbsent(`there is no such bill: ${what} (${toldCode(report)})`, details);
    case 'rejected':
      return rpcErrors.billRefused(`${asked.channelId} does not give ${what}: ${toldCode(report)}`, details);
    case 'unknown':
      return rpcErrors.dependencyUnavailable(`${asked.channelId} did not give ${what}: ${toldCode(report)}`, {
        ...details,
        retryAfterMs: RETRY_MS,
      });
  }
};

/** A broken bill as the error of its stream. */
export const brokenBillError = ({ flaw, line, message }: BrokenBill): RpcError =>
  rpcErrors.billBroken(
    `the bill cannot be believed (${flaw}): ${message}${line === undefined ? '' : `, line ${line}`}`,
    {
      metadata: { flaw, ...(line === undefined ? {} : { line: String(line) }) },
    },
  );

/**
 * Fetches a bill and tells it line by line; the last message says that it was whole.
 *
 * @throws {RpcError} why there is none, or that it is broken.
 */
export const streamBill = async function* (options: {
  readonly asked: AskedBill;
  readonly spool: BillSpool;
  readonly fetch: () => Promise<BillReport>;
  readonly read: () => AsyncGenerator<readonly BillLine[], BillRead>;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}): AsyncGenerator<MessageInitShape<typeof FetchBillResponseSchema>> {
  const { asked, spool, signal, clock } = options;
  const labels = { channel: asked.channelId, bill: asked.kind };
  let end = 'left';
  try {
    const report = await options.fetch();
    if (report.kind !== 'fetched') {
      end = report.kind;
      throw refusalOf(report, asked, clock);
    }
    await spool.complete();
    const reader = options.read();
    let lines = 0;
    let repeatedLines = 0;
    for (;;) {
      const step = await reader.next();
      if (step.done === true) {
        end = 'whole';
        const { bytes, sha256 } = spool;
        yield {
          part: {
            case: 'end',
            value: {
              lines: BigInt(lines),
              repeatedLines: BigInt(repeatedLines),
              rawBytes: BigInt(bytes),
              rawSha256: sha256,
              digestChecked: report.digestChecked,
              totalsChecked: step.value.totalsChecked,
            },
          },
        };
        return;
      }
      lines += step.value.length;
      billLines.add(labels, step.value.length);
      for (let from = 0; from < step.value.length; from += LINES_PER_MESSAGE) {
        signal.throwIfAborted();
        const some = step.value.slice(from, from + LINES_PER_MESSAGE);
        repeatedLines += some.filter(({ repeated }) => repeated).length;
        yield { part: { case: 'lines', value: { lines: some.map(lineToWire) } } };
      }
    }
  } catch (error) {
    if (!(error instanceof BrokenBill)) throw error;
    end = error.flaw;
    throw brokenBillError(error);
  } finally {
    billsEnded.add({ ...labels, end });
    await spool.remove();
  }
};
