import type { CallFacts } from '../channel.ts';

/** Payments and refunds one by one, or every movement of the account's money. */
export type BillKind = 'trade' | 'fund_flow';

/** Which bill: of one account, one day of the channel's zone. */
export type BillRequest = {
  readonly kind: BillKind;
  /** yyyy-mm-dd, a day that there is. */
  readonly day: string;
};

/** What a line is about; see BillLineKind in the proto. */
export type BillLineKind = 'payment' | 'refund' | 'fee' | 'other';

/** How it stood when the bill was made; `unknown` for words that are not listed. */
export type BillLineState = 'succeeded' | 'processing' | 'failed' | 'unknown';

/** One line of a bill, in our words. */
export type BillLine = {
  /** Where it stands in the channel's file, from 1. */
  readonly lineNumber: number;
  readonly kind: BillLineKind;
  /** Our number of the payment; empty where the line is about none. */
  readonly channelOrderNo: string;
  /** Our number of the refund; empty where it has none. */
  readonly refundNo: string;
  readonly channelTransactionId: string;
  readonly channelRefundId: string;
  /** Minor units; above 0 to the merchant, below 0 from it. */
  readonly amount: bigint;
  readonly currency: string;
  /** Minor units of feeCurrency; above 0 from the merchant, below 0 given back. */
  readonly fee: bigint;
  readonly feeCurrency: string;
  readonly happenedAtMs: number;
  readonly state: BillLineState;
  /** The channel's word. */
  readonly channelState: string;
  /** True for a line that has stood in the file before, character for character. */
  readonly repeated: boolean;
};

/** Why what was received is no bill that can be believed. */
export type BillFlaw =
  /** It ends too early: no totals, half a line, half an archive. */
  | 'truncated'
  | 'wrong_encoding'
  /** Its digest is not the one that the channel told. */
  | 'wrong_hash'
  /** A line stands twice, and the totals count it once. */
  | 'line_twice'
  /** The totals are not those of its lines. */
  | 'totals_differ'
  /** A zip or gzip file that cannot be opened. */
  | 'bad_archive'
  /** Columns that a known bill has are missing. */
  | 'unknown_header'
  /** A line that cannot be read: its columns, an amount, a time. */
  | 'bad_line'
  /** It is about another merchant. */
  | 'foreign_account'
  | 'too_large'
  | 'too_many_lines'
  | 'line_too_long';

/** What a reader throws: the bill cannot be believed, whatever of it was read before. */
export class BrokenBill extends Error {
  override readonly name = 'BrokenBill';
  readonly flaw: BillFlaw;
  /** Line of the file, from 1; undefined where it is the whole file. */
  readonly line: number | undefined;

  /** @param detail for a person; nothing of the bill's content. */
  constructor(flaw: BillFlaw, detail: string, line?: number) {
    super(detail);
    this.flaw = flaw;
    this.line = line;
  }
}

/** What a bill may cost; see the setting `bills`. */
export type BillLimits = {
  /** Of the file as it is received. */
  readonly rawBytesMax: number;
  /** Of what it unpacks to. */
  readonly plainBytesMax: number;
  readonly linesMax: number;
  readonly lineBytesMax: number;
};

/** 1 GiB received, 4 GiB unpacked, five million lines of at most 16 KiB. */
export const BILL_LIMITS: BillLimits = {
  rawBytesMax: 1_073_741_824,
  plainBytesMax: 4_294_967_296,
  linesMax: 5_000_000,
  lineBytesMax: 16_384,
};

/**
 * What came of fetching a bill into its spool.
 * - `fetched`: it lies there, and the digest that the channel told, where it told one, is right.
 * - `no_bill`: the channel says that it has none: not yet, or not at all, which the clock decides.
 * - `not_ready`: the channel says that it is being made.
 * - `rejected`: a verified answer refuses it.
 * - `unknown`: no answer, or none that says anything.
 */
export type BillReport = {
  readonly facts: CallFacts;
  readonly channelCode: string;
  readonly channelMessage: string;
} & (
  | { readonly kind: 'fetched'; readonly digestChecked: boolean }
  | { readonly kind: 'no_bill' | 'not_ready' | 'rejected' | 'unknown' }
);

/** What a reader says when it has read everything: whether the file's own totals stood against its lines. */
export type BillRead = { readonly totalsChecked: boolean };
