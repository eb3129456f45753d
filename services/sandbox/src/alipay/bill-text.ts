import { spacedInBeijing } from '../beijing-time.ts';
import type { BillEntry } from '../bills/bill-book.ts';
import type { AlipayAccount } from './account.ts';

// The forms of bills that merchants have published (research, 2.1): comments with #, a tab behind numbers, refunds and fees below 0.
const HEADER =
  '支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注';

const yuan = (fen: bigint): string => {
  const digits = String(fen < 0n ? -fen : fen).padStart(3, '0');
  return `${fen < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
};

const dayText = (ms: number): string => {
  const [year, month, day] = spacedInBeijing(ms).slice(0, 10).split('-');
  return `[${year}年${month}月${day}日 00:00:00]`;
};

const isCharge = ({ kind }: BillEntry): boolean => kind === 'charge';

const rowOf = (entry: BillEntry): string => {
  const amount = yuan(isCharge(entry) ? entry.amountFen : -entry.amountFen);
  const at = spacedInBeijing(entry.atMs);
  const word = entry.state ?? (isCharge(entry) ? '交易' : '退款');
  return [
    `${entry.transactionId}\t`,
    `${entry.outTradeNo}\t`,
    `${word}\t`,
    '茶 tea',
    at,
    at,
    '\t',
    '\t',
    '\t',
    '\t',
    '*某(138****0000)\t',
    amount,
    amount,
    '0.00',
    '0.00',
    '0.00',
    '0.00',
    '0.00',
    '',
    '0.00\t',
    '0.00',
    `${entry.refundNo ?? ''}\t`,
    yuan(-entry.feeFen),
    '0.00',
    '',
  ].join(',');
};

/**
 * The file of lines of a trade bill, before it is encoded.
 *
 * @param beginsMs of the day.
 * @param offFen what the totals are wrong by.
 */
export const tradeBillText = (
  account: AlipayAccount,
  entries: readonly BillEntry[],
  beginsMs: number,
  offFen: bigint,
): string => {
  const known = entries.filter(({ inTotals }) => inTotals);
  const charges = known.filter(isCharge);
  const returns = known.filter((entry) => !isCharge(entry));
  const sum = (those: readonly BillEntry[]): bigint => those.reduce((all, { amountFen }) => all + amountFen, 0n);
  return [
    '#支付宝业务明细查询',
    `#账号：[${account.sellerId}0156]`,
    `#起始日期：${dayText(beginsMs)}   终止日期：${dayText(beginsMs + 24 * 3_600_000)}`,
    '#-----------------------------------------业务明细列表----------------------------------------',
    HEADER,
    ...entries.map(rowOf),
    '#-----------------------------------------业务明细列表结束------------------------------------',
    `#交易合计：${charges.length}笔，商家实收共${yuan(sum(charges) + offFen)}元，商家优惠共0.00元`,
    `#退款合计：${returns.length}笔，商家实收退款共${yuan(-sum(returns))}元，商家优惠退款共0.00元`,
    `#导出时间：${dayText(beginsMs + 24 * 3_600_000)}`,
    '',
  ].join('\r\n');
};
