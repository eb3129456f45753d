import {
  type BillLimits,
  type BillLine,
  type BillLineState,
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
import { type Cells, type Columns, readHeader } from './bill-columns.ts';

const TRADE_COLUMNS = [
  '交易时间',
  '商户号',
  '特约商户号',
  '微信订单号',
  '商户订单号',
  '交易状态',
  '货币种类',
  '应结订单金额',
  '微信退款单号',
  '商户退款单号',
  '退款金额',
  '充值券退款金额',
  '退款状态',
  '手续费',
  '订单金额',
  '申请退款金额',
] as const;
/** The totals' columns, and the column that each adds up; the first one counts the lines. */
const TRADE_TOTALS = {
  总交易单数: undefined,
  应结订单总金额: '应结订单金额',
  退款总金额: '退款金额',
  充值券退款总金额: '充值券退款金额',
  手续费总金额: '手续费',
  订单总金额: '订单金额',
  申请退款总金额: '申请退款金额',
} as const;

const FLOW_COLUMNS = [
  '记账时间',
  '微信支付业务单号',
  '资金流水单号',
  '业务类型',
  '收支类型',
  '收支金额(元)',
  '业务凭证号',
] as const;
const FLOW_TOTALS = ['资金流水总笔数', '收入笔数', '收入金额', '支出笔数', '支出金额'] as const;

const CNY = 'CNY';
const ONE = 100_000n;

/** The words of 退款状态. Theirs are not those of the API (WeChat Pay, document 4012075249). */
const REFUND_STATES: ReadonlyMap<string, BillLineState> = new Map([
  ['SUCCESS', 'succeeded'],
  ['PROCESSING', 'processing'],
  ['FAIL', 'failed'],
]);

const amountAt = (text: string, line: TextLine): bigint => {
  const units = parseBillAmount(text);
  if (units === undefined) throw new BrokenBill('bad_line', 'an amount cannot be read', line.number);
  return units;
};

const centsAt = (text: string, line: TextLine): bigint => {
  const cents = wholeCents(amountAt(text, line));
  if (cents === undefined) throw new BrokenBill('bad_line', 'an amount has fractions of a cent', line.number);
  return cents;
};

const timeAt = (text: string, line: TextLine): number => {
  const ms = fromBeijingText(text);
  if (ms === undefined) throw new BrokenBill('bad_line', 'a time cannot be read', line.number);
  return ms;
};

/** What has no number stands as 0 or as nothing. */
const numberOf = (text: string): string => (text === '0' ? '' : text);

const tradeLineOf = (cells: Cells<(typeof TRADE_COLUMNS)[number]>, line: TextLine, repeated: boolean): BillLine => {
  const state = cells['交易状态'];
  const isBack = state === 'REFUND' || state === 'REVOKED';
  const charged = centsAt(cells['订单金额'], line);
  const returned = centsAt(cells['申请退款金额'], line);
  // A line of a word that nobody listed still says which way its money went.
  const amount = state === 'SUCCESS' ? charged : isBack ? -returned : charged - returned;
  const currency = cells['货币种类'];
  if (!/^[A-Z]{3}$/.test(currency)) throw new BrokenBill('bad_line', 'a currency cannot be read', line.number);
  return {
    lineNumber: line.number,
    kind: isBack ? 'refund' : state === 'SUCCESS' ? 'payment' : 'other',
    channelOrderNo: cells['商户订单号'],
    refundNo: numberOf(cells['商户退款单号']),
    channelTransactionId: cells['微信订单号'],
    channelRefundId: numberOf(cells['微信退款单号']),
    amount,
    currency,
    fee: roundedCents(amountAt(cells['手续费'], line)),
    feeCurrency: currency,
    happenedAtMs: timeAt(cells['交易时间'], line),
    state: isBack ? (REFUND_STATES.get(cells['退款状态']) ?? 'unknown') : state === 'SUCCESS' ? 'succeeded' : 'unknown',
    channelState: isBack ? `${state} ${cells['退款状态']}` : state,
    repeated,
  };
};

const flowKindOf = (word: string): BillLine['kind'] => {
  if (word === '交易') return 'payment';
  if (word === '退款') return 'refund';
  return word.includes('手续费') ? 'fee' : 'other';
};

const flowLineOf = (cells: Cells<(typeof FLOW_COLUMNS)[number]>, line: TextLine, repeated: boolean): BillLine => {
  const direction = cells['收支类型'];
  if (direction !== '收入' && direction !== '支出') {
    throw new BrokenBill('bad_line', 'money neither comes nor goes', line.number);
  }
  const amount = centsAt(cells['收支金额(元)'], line);
  const kind = flowKindOf(cells['业务类型']);
  const voucher = cells['业务凭证号'];
  return {
    lineNumber: line.number,
    kind,
    channelOrderNo: kind === 'refund' ? '' : voucher,
    refundNo: kind === 'refund' ? voucher : '',
    channelTransactionId: cells['微信支付业务单号'],
    channelRefundId: kind === 'refund' ? cells['微信支付业务单号'] : '',
    amount: direction === '收入' ? amount : -amount,
    currency: CNY,
    fee: 0n,
    feeCurrency: CNY,
    happenedAtMs: timeAt(cells['记账时间'], line),
    state: 'succeeded',
    channelState: cells['业务类型'],
    repeated,
  };
};

/** A form of bill: a header, lines, the totals' header, the totals, nothing more. */
type Form<Name extends string, Total extends string> = {
  readonly columns: readonly Name[];
  readonly totals: readonly Total[];
  readonly lineOf: (cells: Cells<Name>, line: TextLine, repeated: boolean) => BillLine;
  /** What a line adds to each of the totals, in 1/100,000. */
  readonly adds: (cells: Cells<Name>, line: TextLine) => readonly (readonly [Total, bigint])[];
};

const readForm = async function* <Name extends string, Total extends string>(
  form: Form<Name, Total>,
  bytes: AsyncIterable<Uint8Array>,
  limits: Pick<BillLimits, 'lineBytesMax' | 'linesMax'>,
): AsyncGenerator<readonly BillLine[], BillRead> {
  const seen = new RepeatedLines();
  const totals = new BillTotals<Total>();
  const [firstTotal = ''] = form.totals;
  let columns: Columns<Name> | undefined;
  let totalColumns: Columns<Total> | undefined;
  let isWhole = false;

  const take = (line: TextLine, into: BillLine[]): void => {
    if (columns === undefined) {
      columns = readHeader(line, form.columns);
    } else if (isWhole) {
      if (line.text !== '') throw new BrokenBill('bad_line', 'something stands behind the totals', line.number);
    } else if (totalColumns !== undefined) {
      const told = Object.entries(totalColumns(line)) as [Total, string][];
      totals.check(new Map(told.map(([name, text]) => [name, amountAt(text, line)])), line.number);
      isWhole = true;
    } else if (line.text.startsWith(firstTotal)) {
      totalColumns = readHeader(line, form.totals);
    } else {
      const repeated = seen.add(line.text);
      const cells = columns(line);
      for (const [name, units] of form.adds(cells, line)) totals.add(name, units, repeated);
      into.push(form.lineOf(cells, line, repeated));
    }
  };

  let last: TextLine | undefined;
  for await (const batch of textLinesOf(bytes, 'utf-8', limits)) {
    const lines: BillLine[] = [];
    for (const line of batch) {
      // A file that was cut ends in the middle of a line: that it was cut says more than what is wrong with the half line.
      if (last !== undefined) take(last, lines);
      last = line;
    }
    if (lines.length > 0) yield lines;
  }
  const end: BillLine[] = [];
  try {
    if (last !== undefined) take(last, end);
  } catch (error) {
    if (error instanceof BrokenBill && error.flaw === 'bad_line' && !isWhole) {
      throw new BrokenBill('truncated', 'the bill ends in the middle of a line', last?.number);
    }
    throw error;
  }
  if (!isWhole) throw new BrokenBill('truncated', 'the bill ends before its totals', last?.number);
  return { totalsChecked: true };
};

/**
 * Reads a trade bill (bill_type ALL): UTF-8 with a byte order mark, a back-tick before every cell, yuan with two decimals and fees with five, Beijing time.
 *
 * @param mchId whose bill it has to be.
 * @param subMchId for which merchant of a service provider; undefined for a merchant of its own.
 * @throws {BrokenBill}
 */
export const readTradeBill = (
  bytes: AsyncIterable<Uint8Array>,
  limits: Pick<BillLimits, 'lineBytesMax' | 'linesMax'>,
  mchId: string,
  subMchId?: string,
): AsyncGenerator<readonly BillLine[], BillRead> =>
  readForm(
    {
      columns: TRADE_COLUMNS,
      totals: Object.keys(TRADE_TOTALS) as (keyof typeof TRADE_TOTALS)[],
      lineOf: tradeLineOf,
      adds: (cells, line) => {
        if (cells['商户号'] !== mchId || (subMchId !== undefined && cells['特约商户号'] !== subMchId))
          throw new BrokenBill('foreign_account', 'a line of another merchant', line.number);
        return (Object.keys(TRADE_TOTALS) as (keyof typeof TRADE_TOTALS)[]).map((total) => {
          const column = TRADE_TOTALS[total];
          return [total, column === undefined ? ONE : amountAt(cells[column], line)] as const;
        });
      },
    },
    bytes,
    limits,
  );

/**
 * Reads a fund-flow bill: every movement of the account's balance, in yuan and Beijing time. The file does not say whose it is.
 *
 * @throws {BrokenBill}
 */
export const readFundFlowBill = (
  bytes: AsyncIterable<Uint8Array>,
  limits: Pick<BillLimits, 'lineBytesMax' | 'linesMax'>,
): AsyncGenerator<readonly BillLine[], BillRead> =>
  readForm(
    {
      columns: FLOW_COLUMNS,
      totals: FLOW_TOTALS,
      lineOf: flowLineOf,
      adds: (cells, line) => {
        const amount = amountAt(cells['收支金额(元)'], line);
        const isIn = cells['收支类型'] === '收入';
        return [
          ['资金流水总笔数', ONE],
          [isIn ? '收入笔数' : '支出笔数', ONE],
          [isIn ? '收入金额' : '支出金额', amount],
        ];
      },
    },
    bytes,
    limits,
  );
