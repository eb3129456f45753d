import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type AccountId, type Attempt, toChannelOrderNo } from '@tillmesh/domain';
import type { BookedRefund, StoredPayment } from '@tillmesh/order-groups';
import { type BillLine, BillLineKind, BillLineState } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { BillEntry, BookEntry, EntryKind } from '@tillmesh/reconciliation';
import type { Fee } from './config.ts';

/** An entry of our books, and whose it is. */
export type OwnEntry = { readonly merchantId: string; readonly entry: BookEntry };

/** What the channel should take for an amount, as it was agreed; a half counts as one. Undefined where nothing was. */
export const feeOf = (amount: bigint, kind: EntryKind, fee: Fee | undefined): bigint | undefined => {
  if (fee === undefined) return undefined;
  const taken = (amount * BigInt(fee.perTenThousand) + 5_000n) / 10_000n;
  if (kind === 'payment') return taken;
  return fee.isGivenBack ? -taken : 0n;
};

const stateOfAttempt = ({ state }: Attempt): BookEntry['state'] => {
  switch (state) {
    case 'succeeded':
    case 'surplus':
      return 'settled';
    case 'failed':
    case 'closed':
      return 'failed';
    case 'started':
    case 'pending_payer':
    case 'processing':
    case 'unknown':
      return 'open';
  }
};

/** The attempts of a payment that went to an account, each of which its bill may have. */
export const paymentEntries = (
  { payment }: StoredPayment,
  accountId: AccountId,
  fee: Fee | undefined,
): readonly OwnEntry[] =>
  payment.attempts
    .filter((attempt) => attempt.accountId === accountId)
    .map((attempt) => {
      const paidAtMs = attempt.state === 'succeeded' ? payment.paidAtMs : undefined;
      return {
        merchantId: payment.merchantId,
        entry: {
          kind: 'payment',
          channelOrderNo: toChannelOrderNo(payment.orderNo, attempt.attemptNo),
          refundNo: '',
          amount: payment.amount.minorUnits,
          currency: payment.amount.currency,
          state: stateOfAttempt(attempt),
          atMs: paidAtMs ?? attempt.settledAtMs ?? attempt.startedAtMs,
          fee: feeOf(payment.amount.minorUnits, 'payment', fee),
        },
      };
    });

/** A refund, where it went through an account. */
export const refundEntries = (
  { stored: { refund }, of }: BookedRefund,
  accountId: AccountId,
  fee: Fee | undefined,
): readonly OwnEntry[] => {
  const attempt = of.payment.attempts.find(({ attemptNo }) => attemptNo === refund.attemptNo);
  if (attempt?.accountId !== accountId) return [];
  return [
    {
      merchantId: refund.merchantId,
      entry: {
        kind: 'refund',
        channelOrderNo: toChannelOrderNo(refund.orderNo, refund.attemptNo),
        refundNo: refund.refundNo,
        amount: refund.amount.minorUnits,
        currency: refund.amount.currency,
        state: refund.state === 'succeeded' ? 'settled' : refund.state === 'failed' ? 'failed' : 'open',
        atMs: refund.settledAtMs ?? refund.createdAtMs,
        fee: feeOf(refund.amount.minorUnits, 'refund', fee),
      },
    },
  ];
};

const STATE_OF_LINE: ReadonlyMap<BillLineState, BillEntry['state']> = new Map([
  [BillLineState.SUCCEEDED, 'succeeded'],
  [BillLineState.PROCESSING, 'processing'],
  [BillLineState.FAILED, 'failed'],
]);

/** A line about a payment or a refund; undefined for one about something else. */
export const billEntry = (line: BillLine): BillEntry | undefined => {
  if (line.kind !== BillLineKind.PAYMENT && line.kind !== BillLineKind.REFUND) return undefined;
  const kind = line.kind === BillLineKind.PAYMENT ? 'payment' : 'refund';
  return {
    kind,
    channelOrderNo: line.channelOrderNo,
    refundNo: line.refundNo,
    // The kind says where it went; a payment of a negative amount is none that we know, and stays below 0.
    amount: kind === 'payment' ? line.amountMinorUnits : -line.amountMinorUnits,
    currency: line.currency,
    state: STATE_OF_LINE.get(line.state) ?? 'unknown',
    atMs: line.happenedAt === undefined ? 0 : timestampMs(line.happenedAt),
    fee: line.feeMinorUnits,
    repeated: line.repeatedLine,
    lineNumber: Number(line.lineNumber),
  };
};
