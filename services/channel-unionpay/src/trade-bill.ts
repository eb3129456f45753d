import {
  type BillLimits,
  type BillLine,
  type BillRead,
  BrokenBill,
  fromBeijingText,
  RepeatedLines,
  type TextLine,
  textLinesOf,
} from '@tillmesh/channel-kit';

/**
 * Widths of the fields of a ZM file in bytes, one byte between two of them (UnionPay's own demos, parseZMFile; names of the fields from third parties'
 * readers, to be confirmed in the appendix of the contract).
 */
const WIDTHS = [
  3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21, 15, 1, 15, 32, 13, 13,
  8, 32, 13, 13, 12, 2, 1, 32, 98,
] as const;
/** Numbers of the fields that are read, from 1. */
const FIELDS = {
  time: 5,
  amount: 7,
  queryId: 10,
  orderId: 12,
  fee: 16,
  type: 20,
  merchant: 28,
  originalOrderId: 41,
} as const;

const STARTS = WIDTHS.map((_, index) => WIDTHS.slice(0, index).reduce((sum, width) => sum + width + 1, 0));
/** The last field is reserved: nothing says that it is filled up to its width. */
const CHARACTERS_MIN = (STARTS.at(-1) ?? 0) - 1;

const CNY = 'CNY';
const PAYMENT = '01';
/** Refunds, and payments that were undone on the same day. */
const BACK: ReadonlySet<string> = new Set(['04', '31']);

type Cells = Readonly<Record<keyof typeof FIELDS, string>>;

const cellsOf = (line: TextLine): Cells => {
  if (line.text.length < CHARACTERS_MIN) {
    throw new BrokenBill(
      'bad_line',
      `${line.text.length} characters, and at least ${CHARACTERS_MIN} belong there`,
      line.number,
    );
  }
  const cell = (field: number): string => {
    const start = STARTS[field - 1] ?? 0;
    return line.text.slice(start, start + (WIDTHS[field - 1] ?? 0)).trim();
  };
  return Object.fromEntries(Object.entries(FIELDS).map(([name, field]) => [name, cell(field)])) as Cells;
};

const fenAt = (text: string, line: TextLine): bigint => {
  if (!/^[0-9]{12}$/.test(text)) throw new BrokenBill('bad_line', 'an amount cannot be read', line.number);
  return BigInt(text);
};

/** `D000000000012` is taken from the merchant, `C000000000012` is given to it. */
const feeAt = (text: string, line: TextLine): bigint => {
  const [, direction, digits] = /^([CD])([0-9]{12})$/.exec(text) ?? [];
  if (digits === undefined) throw new BrokenBill('bad_line', 'a fee cannot be read', line.number);
  return direction === 'D' ? BigInt(digits) : -BigInt(digits);
};

/** MMDDhhmmss in Beijing, of the year in which it lies nearest to the bill's day. */
const timeAt = (text: string, day: string, line: TextLine): number => {
  const dayMs = Date.parse(`${day}T00:00:00+08:00`);
  const year = Number(day.slice(0, 4));
  const times = [year - 1, year, year + 1].flatMap((one) => fromBeijingText(`${one}${text}`) ?? []);
  const [nearest] = times.toSorted((a, b) => Math.abs(a - dayMs) - Math.abs(b - dayMs));
  if (nearest === undefined) throw new BrokenBill('bad_line', 'a time cannot be read', line.number);
  return nearest;
};

const lineOf = (line: TextLine, merId: string, day: string, repeated: boolean): BillLine => {
  const cells = cellsOf(line);
  if (cells.merchant !== merId) throw new BrokenBill('foreign_account', 'a line of another merchant', line.number);
  if (!/^[0-9]{2}$/.test(cells.type))
    throw new BrokenBill('bad_line', 'the kind of transaction cannot be read', line.number);
  const isBack = BACK.has(cells.type);
  const fen = fenAt(cells.amount, line);
  return {
    lineNumber: line.number,
    kind: isBack ? 'refund' : cells.type === PAYMENT ? 'payment' : 'other',
    channelOrderNo: isBack ? cells.originalOrderId : cells.orderId,
    refundNo: isBack ? cells.orderId : '',
    channelTransactionId: isBack ? '' : cells.queryId,
    channelRefundId: isBack ? cells.queryId : '',
    amount: isBack ? -fen : fen,
    currency: CNY,
    fee: feeAt(cells.fee, line),
    feeCurrency: CNY,
    happenedAtMs: timeAt(cells.time, day, line),
    state: isBack || cells.type === PAYMENT ? 'succeeded' : 'unknown',
    channelState: cells.type,
    repeated,
  };
};

/**
 * Reads a ZM file: what a merchant's transactions of one settlement day were, in fields of fixed width. It tells no totals.
 *
 * @param merId whose bill it has to be.
 * @param day the settlement day, yyyy-mm-dd: the file does not tell years.
 * @throws {BrokenBill}
 */
export const readTradeBill = async function* (
  bytes: AsyncIterable<Uint8Array>,
  limits: Pick<BillLimits, 'lineBytesMax' | 'linesMax'>,
  merId: string,
  day: string,
): AsyncGenerator<readonly BillLine[], BillRead> {
  const seen = new RepeatedLines();
  let last: TextLine | undefined;
  const take = (line: TextLine, into: BillLine[]): void => {
    if (line.text !== '') into.push(lineOf(line, merId, day, seen.add(line.text)));
  };
  // Widths are bytes, and everything that is read is ASCII.
  for await (const batch of textLinesOf(bytes, 'bytes', limits)) {
    const lines: BillLine[] = [];
    for (const line of batch) {
      if (last !== undefined) take(last, lines);
      last = line;
    }
    if (lines.length > 0) yield lines;
  }
  const end: BillLine[] = [];
  try {
    if (last !== undefined) take(last, end);
  } catch (error) {
    if (!(error instanceof BrokenBill) || error.flaw !== 'bad_line') throw error;
    throw new BrokenBill('truncated', 'the bill ends in the middle of a line', last?.number);
  }
  if (end.length > 0) yield end;
  return { totalsChecked: false };
};
