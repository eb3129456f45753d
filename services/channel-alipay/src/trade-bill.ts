import {
  type BillLimits,
  type BillLine,
  type BillRead,
  BillTotals,
  BrokenBill,
  fromBeijingText,
  parseBillAmount,
  RepeatedLines,
  roundedCents,
  type TextLine,
  textLinesOf,
  wholeCents,
} from '@tillmesh/channel-kit';

const COLUMNS = [
  '支付宝交易号',
  '商户订单号',
  '业务类型',
  '完成时间',
  '订单金额(元)',
  '商家实收(元)',
  '退款批次号/请求号',
  '服务费(元)',
] as const;
type Column = (typeof COLUMNS)[number];
type Cells = Readonly<Record<Column, string>>;

const TITLE = '#支付宝';
const ACCOUNT = /^#账号：\[([0-9]{1,32})\]/;
const LIST_END = /^#-+业务明细列表结束-+$/;
/** `#交易合计：2笔，商家实收共20.00元，商家优惠共0.00元`; of refunds the sums stand with a sign or without. */
const TOTALS = {
  交易: /^#交易合计：([0-9]{1,9})笔，商家实收共(-?[0-9.]{1,16})元/,
  退款: /^#退款合计：([0-9]{1,9})笔，商家实收退款共(-?[0-9.]{1,16})元/,
} as const;
type Counted = keyof typeof TOTALS;
type Total = `${Counted} ${'count' | 'sum'}`;

const CNY = 'CNY';
const plainName = (name: string): string => name.trim().replaceAll('（', '(').replaceAll('）', ')');
const absolute = (units: bigint): bigint => (units < 0n ? -units : units);

const amountAt = (text: string, line: TextLine): bigint => {
  const units = parseBillAmount(text);
  if (units === undefined) throw new BrokenBill('bad_line', 'an amount cannot be read', line.number);
  return units;
};

/** Cells in commas; one with a comma in it stands in quotes. White space around them means nothing: numbers have a tab behind them. */
const cellsOf = (text: string): readonly string[] => {
  if (!text.includes('"')) return text.split(',').map((cell) => cell.trim());
  const cells: string[] = [];
  for (const [, quoted, plain] of text.matchAll(/(?:^|,)(?:\s*"((?:[^"]|"")*)"\s*(?=,|$)|([^,]*))/g)) {
    cells.push((quoted?.replaceAll('""', '"') ?? plain ?? '').trim());
  }
  return cells;
};

const readHeader = (header: TextLine): ((line: TextLine) => Cells) => {
  const names = header.text.split(',').map(plainName);
  const missing = COLUMNS.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw new BrokenBill('unknown_header', `columns are missing: ${missing.join(', ')}`, header.number);
  }
  return (line) => {
    const cells = cellsOf(line.text);
    if (cells.length !== names.length) {
      throw new BrokenBill('bad_line', `${cells.length} cells under ${names.length} columns`, line.number);
    }
    return Object.fromEntries(COLUMNS.map((name) => [name, cells[names.indexOf(name)] ?? ''])) as Cells;
  };
};

const lineOf = (cells: Cells, line: TextLine, repeated: boolean): BillLine => {
  const word = cells['业务类型'];
  const happenedAtMs = fromBeijingText(cells['完成时间']);
  if (happenedAtMs === undefined) throw new BrokenBill('bad_line', 'a time cannot be read', line.number);
  const told = wholeCents(amountAt(cells['订单金额(元)'], line));
  if (told === undefined) throw new BrokenBill('bad_line', 'an amount has fractions of a cent', line.number);
  return {
    lineNumber: line.number,
    kind: word === '交易' ? 'payment' : word === '退款' ? 'refund' : 'other',
    channelOrderNo: cells['商户订单号'],
    refundNo: word === '退款' ? cells['退款批次号/请求号'] : '',
    channelTransactionId: cells['支付宝交易号'],
    channelRefundId: '',
    amount: word === '退款' ? -absolute(told) : told,
    currency: CNY,
    // What Alipay takes stands below 0 there.
    fee: -roundedCents(amountAt(cells['服务费(元)'], line)),
    feeCurrency: CNY,
    happenedAtMs,
    state: word === '交易' || word === '退款' ? 'succeeded' : 'unknown',
    channelState: word,
    repeated,
  };
};

/**
 * Reads the detail file of a trade bill (业务明细): GBK, comments with `#`, yuan, Beijing time, refunds and fees below 0.
 *
 * @param sellerId whose bill it has to be; an account's number begins with it.
 * @throws {BrokenBill}
 */
export const readTradeBill = async function* (
  bytes: AsyncIterable<Uint8Array>,
  limits: Pick<BillLimits, 'lineBytesMax' | 'linesMax'>,
  sellerId: string,
): AsyncGenerator<readonly BillLine[], BillRead> {
  const seen = new RepeatedLines();
  const totals = new BillTotals<Total>();
  const told = new Map<Total, bigint>();
  let columns: ((line: TextLine) => Cells) | undefined;
  let isOurs = false;
  let isListOver = false;
  let lastNumber = 0;

  const takeComment = (line: TextLine): void => {
    const [, account] = ACCOUNT.exec(line.text) ?? [];
    if (account !== undefined) {
      if (!account.startsWith(sellerId)) {
        throw new BrokenBill('foreign_account', 'the bill of another merchant', line.number);
      }
      isOurs = true;
    }
    if (LIST_END.test(line.text)) isListOver = true;
    for (const name of Object.keys(TOTALS) as Counted[]) {
      const [, count = '', sum = ''] = TOTALS[name].exec(line.text) ?? [];
      if (count === '') continue;
      told.set(`${name} count`, BigInt(count));
      told.set(`${name} sum`, absolute(amountAt(sum, line)));
    }
  };
  const takeRow = (line: TextLine, into: BillLine[]): void => {
    if (columns === undefined) {
      columns = readHeader(line);
      return;
    }
    const repeated = seen.add(line.text);
    const cells = columns(line);
    const word = cells['业务类型'];
    if (word === '交易' || word === '退款') {
      totals.add(`${word} count`, 1n, repeated);
      totals.add(`${word} sum`, absolute(amountAt(cells['商家实收(元)'], line)), repeated);
    }
    into.push(lineOf(cells, line, repeated));
  };
  const take = (line: TextLine, into: BillLine[]): void => {
    // What every such file begins with cannot be read: it is no question of its columns.
    if (line.number === 1 && !line.text.startsWith(TITLE)) {
      throw new BrokenBill('wrong_encoding', 'the title is not there, or not in GBK', 1);
    }
    if (line.text.trim() === '') return;
    if (line.text.startsWith('#')) takeComment(line);
    else if (isListOver) throw new BrokenBill('bad_line', 'something stands behind the list', line.number);
    else takeRow(line, into);
  };

  let last: TextLine | undefined;
  for await (const batch of textLinesOf(bytes, 'gb18030', limits)) {
    const lines: BillLine[] = [];
    for (const line of batch) {
      if (last !== undefined) take(last, lines);
      last = line;
    }
    if (lines.length > 0) yield lines;
  }
  lastNumber = last?.number ?? 0;
  try {
    if (last !== undefined) take(last, []);
  } catch (error) {
    if (!(error instanceof BrokenBill) || error.flaw !== 'bad_line' || isListOver) throw error;
    throw new BrokenBill('truncated', 'the bill ends in the middle of a line', lastNumber);
  }
  if (!isListOver || told.size !== 2 * Object.keys(TOTALS).length) {
    throw new BrokenBill('truncated', 'the bill ends before its totals', lastNumber);
  }
  if (!isOurs) throw new BrokenBill('foreign_account', 'the bill does not say whose it is');
  totals.check(told, lastNumber);
  return { totalsChecked: true };
};
