import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type BookSide,
  BookSideSchema,
  type CurrencySum,
  CurrencySumSchema,
  type Discrepancy as DiscrepancyMessage,
  DiscrepancySchema,
  type MerchantSum,
  MerchantSumSchema,
  DiscrepancyClass as WireClass,
} from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import type { BillEntry, BookEntry, DiscrepancyClass } from '@tillmesh/reconciliation';
import type { OwnEntry } from './entries.ts';
import type { Found } from './found.ts';

/** The classes as the wire names them. */
export const WIRE_CLASS: Readonly<Record<DiscrepancyClass, WireClass>> = {
  long: WireClass.LONG,
  short: WireClass.SHORT,
  amount: WireClass.AMOUNT,
  state: WireClass.STATE,
  fee: WireClass.FEE,
  duplicate: WireClass.DUPLICATE,
  unknown_order: WireClass.UNKNOWN_ORDER,
  cross_day: WireClass.CROSS_DAY,
};

const NOTE_CHARACTERS_MAX = 200;
/** Merchants that a report tells one by one. */
export const MERCHANTS_MAX = 10_000;

const sideOf = (entry: BookEntry | BillEntry): BookSide =>
  create(BookSideSchema, {
    amountMinorUnits: entry.amount,
    currency: entry.currency,
    state: entry.state,
    at: timestampFromMs(entry.atMs),
    ...(entry.fee === undefined ? {} : { feeMinorUnits: entry.fee }),
    lineNumber: 'lineNumber' in entry ? BigInt(entry.lineNumber) : 0n,
  });

/** A discrepancy as it is kept and told. */
export const discrepancyMessage = (found: Found): DiscrepancyMessage => {
  const { ours, theirs } = found;
  const about = ours ?? theirs;
  return create(DiscrepancySchema, {
    class: WIRE_CLASS[found.class],
    kind: about?.kind ?? '',
    channelOrderNo: about?.channelOrderNo ?? '',
    refundNo: about?.refundNo ?? '',
    ...(ours === undefined ? {} : { ours: sideOf(ours) }),
    ...(theirs === undefined ? {} : { bill: sideOf(theirs) }),
    note: found.note.slice(0, NOTE_CHARACTERS_MAX),
    open: found.isOpen,
  });
};

/** What moved, by currency: payments above 0, refunds below. */
export const createSums = () => {
  const sums = new Map<string, bigint>();
  return {
    add: ({ kind, amount, currency }: Pick<BookEntry, 'kind' | 'amount' | 'currency'>): void => {
      sums.set(currency, (sums.get(currency) ?? 0n) + (kind === 'payment' ? amount : -amount));
    },
    messages: (): CurrencySum[] =>
      [...sums]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([currency, minorUnits]) => create(CurrencySumSchema, { currency, minorUnits })),
  };
};

/** What each merchant took and gave back; merchants beyond MERCHANTS_MAX are left out. */
export const createMerchantSums = () => {
  const sums = new Map<string, MerchantSum>();
  return {
    add: ({ merchantId, entry: { kind, amount, currency } }: OwnEntry): void => {
      const key = `${merchantId} ${currency}`;
      let sum = sums.get(key);
      if (sum === undefined) {
        if (sums.size >= MERCHANTS_MAX) return;
        sum = create(MerchantSumSchema, { merchantId, currency });
        sums.set(key, sum);
      }
      if (kind === 'payment') {
        sum.payments += 1n;
        sum.takenMinorUnits += amount;
      } else {
        sum.refunds += 1n;
        sum.givenBackMinorUnits += amount;
      }
    },
    messages: (): MerchantSum[] => [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum),
  };
};
