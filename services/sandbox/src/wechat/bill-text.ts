import { spacedInBeijing } from '../beijing-time.ts';
import type { BillEntry } from '../bills/bill-book.ts';
import type { WechatAccount } from './account.ts';

// The forms of WeChat Pay's own sample (research, 1.7): a byte order mark, CR LF, a back-tick before every cell of data and none before names.
const TRADE_HEADER =
  '交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注';
const TRADE_TOTALS_HEADER =
  '总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额';
const FLOW_HEADER =
  '记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号';
const FLOW_TOTALS_HEADER = '资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额';

/** `-1.50`, with as many more noughts as told. */
const yuan = (fen: bigint, noughts = ''): string => {
  const digits = String(fen < 0n ? -fen : fen).padStart(3, '0');
  return `${fen < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}${noughts}`;
};

const row = (cells: readonly (string | bigint)[]): string => cells.map((cell) => `\`${cell}`).join(',');

const sum = (entries: readonly BillEntry[], of: (entry: BillEntry) => bigint): bigint =>
  entries.reduce((all, entry) => (entry.inTotals ? all + of(entry) : all), 0n);

const isCharge = ({ kind }: BillEntry): boolean => kind === 'charge';
const charged = (entry: BillEntry): bigint => (isCharge(entry) ? entry.amountFen : 0n);
const returned = (entry: BillEntry): bigint => (isCharge(entry) ? 0n : entry.amountFen);

const file = (lines: readonly string[]): string => `\uFEFF${lines.map((line) => `${line}\r\n`).join('')}`;

/** A number of the refund in the form of WeChat Pay's: it is made from the refund's own. */
const refundIdOf = (refundNo: string): string =>
  `50${refundNo
    .replace(/[^0-9]/g, '')
    .padStart(27, '0')
    .slice(0, 27)}`;

/** @param offFen what the totals are wrong by. */
export const tradeBillText = (account: WechatAccount, entries: readonly BillEntry[], offFen: bigint): string => {
  const rowOf = (entry: BillEntry): string => {
    const { kind, refundNo = '', amountFen } = entry;
    const back = isCharge(entry) ? 0n : amountFen;
    const word = kind === 'charge' ? 'SUCCESS' : kind === 'refund' ? 'REFUND' : 'REVOKED';
    return row([
      spacedInBeijing(entry.atMs),
      account.appid,
      account.mchid,
      account.sub?.mchid ?? '0',
      '',
      entry.transactionId,
      entry.outTradeNo,
      entry.payerId,
      'NATIVE',
      isCharge(entry) ? (entry.state ?? word) : word,
      'OTHERS',
      'CNY',
      yuan(charged(entry)),
      '0.00',
      refundNo === '' ? '0' : refundIdOf(refundNo),
      refundNo === '' ? '0' : refundNo,
      yuan(back),
      '0.00',
      isCharge(entry) ? '' : 'ORIGINAL',
      isCharge(entry) ? '' : (entry.state ?? 'SUCCESS'),
      '茶, tea',
      '',
      yuan(entry.feeFen, '000'),
      '0.60%',
      yuan(charged(entry)),
      yuan(back),
      '',
    ]);
  };
  const count = entries.filter(({ inTotals }) => inTotals).length;
  return file([
    TRADE_HEADER,
    ...entries.map(rowOf),
    TRADE_TOTALS_HEADER,
    row([
      `${count}.0`,
      yuan(sum(entries, charged) + offFen),
      yuan(sum(entries, returned)),
      '0.00',
      yuan(
        sum(entries, ({ feeFen }) => feeFen),
        '000',
      ),
      yuan(sum(entries, charged) + offFen),
      yuan(sum(entries, returned)),
    ]),
  ]);
};

/** @param offFen what the totals are wrong by. */
export const fundFlowBillText = (entries: readonly BillEntry[], offFen: bigint): string => {
  type Flow = { readonly entry: BillEntry; readonly type: string; readonly fen: bigint };
  const flows = entries.flatMap((entry): Flow[] => [
    { entry, type: isCharge(entry) ? '交易' : '退款', fen: isCharge(entry) ? entry.amountFen : -entry.amountFen },
    ...(entry.feeFen === 0n ? [] : [{ entry, type: '扣除交易手续费', fen: -entry.feeFen }]),
  ]);
  let balance = 0n;
  const rowOf = ({ entry, type, fen }: Flow): string => {
    balance += fen;
    const { refundNo = '' } = entry;
    return row([
      spacedInBeijing(entry.atMs),
      type === '退款' && refundNo !== '' ? refundIdOf(refundNo) : entry.transactionId,
      `1900009231${entry.transactionId.slice(0, 18)}`,
      type,
      type,
      fen < 0n ? '支出' : '收入',
      yuan(fen < 0n ? -fen : fen),
      yuan(balance),
      'system',
      '',
      type === '退款' && refundNo !== '' ? refundNo : entry.outTradeNo,
    ]);
  };
  const known = flows.filter(({ entry }) => entry.inTotals);
  const income = known.filter(({ fen }) => fen >= 0n);
  const expense = known.filter(({ fen }) => fen < 0n);
  const total = (those: readonly Flow[]): bigint => those.reduce((all, { fen }) => all + (fen < 0n ? -fen : fen), 0n);
  return file([
    FLOW_HEADER,
    ...flows.map(rowOf),
    FLOW_TOTALS_HEADER,
    row([
      `${known.length}.0`,
      `${income.length}.0`,
      yuan(total(income) + offFen),
      `${expense.length}.0`,
      yuan(total(expense)),
    ]),
  ]);
};
