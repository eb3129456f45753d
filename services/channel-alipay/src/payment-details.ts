import {
  isJsonObject,
  type JsonObject,
  type ToldDetails,
  toldList,
  toldText,
  toldValue,
  unreadable,
} from '@tillmesh/channel-kit';
import { type Discount, type DiscountFunder, type Funding, fromDecimalText, type Money } from '@tillmesh/domain';

/** A member under the name of answers (snake_case), or under that of lists in notifications (camelCase). */
const memberOf = (object: JsonObject, name: string): unknown =>
  object[name] ?? object[name.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())];

const textOf = (raw: unknown): string => (typeof raw === 'string' ? raw : '');

// What a fund_channel is (opendocs.alipay.com, fund_bill_list). Discounts stand among them; M: borne by the merchant.
const DISCOUNT_CHANNELS: ReadonlyMap<string, Pick<Discount, 'kind' | 'fundedBy'>> = new Map([
  ['COUPON', { kind: 'coupon', fundedBy: 'channel' }],
  ['DISCOUNT', { kind: 'reduction', fundedBy: 'channel' }],
  ['POINT', { kind: 'points', fundedBy: 'channel' }],
  ['MCOUPON', { kind: 'coupon', fundedBy: 'merchant' }],
  ['MDISCOUNT', { kind: 'reduction', fundedBy: 'merchant' }],
]);
const KINDS: ReadonlyMap<string, Funding['kind']> = new Map([
  ['ALIPAYACCOUNT', 'balance'],
  ['FINANCEACCOUNT', 'balance'],
  ['PCREDIT', 'credit'],
  ['PCARD', 'prepaid'],
  ['MCARD', 'prepaid'],
  ['DEBIT_CARD', 'debit'],
  ['DEBIT_CARD_EXPRESS', 'debit'],
  ['CREDIT_CARD', 'credit'],
  ['CREDIT_CARD_EXPRESS', 'credit'],
  ['MIXED_CARD', 'mixed'],
]);

type Bill = { readonly channel: string; readonly type: string; readonly amount: Money };

const readAmount =
  (currency: string) =>
  (raw: unknown): Money | undefined =>
    typeof raw === 'string' ? fromDecimalText(currency, raw) : undefined;

/** The lists are JSON in answers and JSON in a text in notifications. */
const listIn = (content: JsonObject, name: string): unknown => {
  const raw = content[name];
  if (typeof raw !== 'string' || raw === '' || raw === 'null') return raw;
  try {
    return JSON.parse(raw) as unknown;
  } catch {
    return {};
  }
};

const billOf = (raw: unknown, currency: string): readonly Bill[] | undefined => {
  if (!isJsonObject(raw)) return undefined;
  const [channel, amount] = [memberOf(raw, 'fund_channel'), readAmount(currency)(raw['amount'])];
  return typeof channel === 'string' && amount !== undefined
    ? [{ channel, type: textOf(memberOf(raw, 'fund_type')), amount }]
    : undefined;
};

/** A voucher, as many discounts as bear it. Undefined where it, or the sum of who bears it, cannot be right. */
const discountsOfVoucher = (raw: unknown, currency: string): readonly Discount[] | undefined => {
  if (!isJsonObject(raw)) return undefined;
  const amountOf = readAmount(currency);
  const whole = amountOf(raw['amount']);
  if (whole === undefined) return undefined;
  const id = textOf(raw['id']) || textOf(memberOf(raw, 'voucher_id'));
  const voucher = { kind: 'coupon', name: textOf(raw['name']), id } as const;
  const parts: Discount[] = [];
  let rest: bigint = whole.minorUnits;
  // other_contribute: Alipay, a brand, or both; the lists do not say which.
  const contributions: readonly (readonly [string, DiscountFunder])[] = [
    ['merchant_contribute', 'merchant'],
    ['other_contribute', 'other'],
  ];
  for (const [name, fundedBy] of contributions) {
    const told = memberOf(raw, name);
    if (told === undefined || told === null || told === '') continue;
    const amount = amountOf(told);
    if (amount === undefined) return undefined;
    rest -= amount.minorUnits;
    if (amount.minorUnits > 0n) parts.push({ ...voucher, amount, fundedBy });
  }
  if (parts.length === 0 && whole.minorUnits > 0n) return [{ ...voucher, amount: whole, fundedBy: 'other' }];
  return rest === 0n ? parts : undefined;
};

const isDiscount = ({ channel }: Bill): boolean => DISCOUNT_CHANNELS.has(channel);

const fundingOf = (bills: readonly Bill[]): Funding | undefined => {
  const paid = bills.filter((bill) => !isDiscount(bill) && bill.amount.minorUnits > 0n);
  const kinds = new Set(paid.map(({ channel, type }) => KINDS.get(type) ?? KINDS.get(channel) ?? 'other'));
  const [kind] = kinds;
  if (kind === undefined) return undefined;
  const source = [...new Set(paid.map(({ channel }) => channel))].sort().join('+');
  return { kind: kinds.size === 1 ? kind : 'mixed', source };
};

/** Vouchers one by one where they are told, points beside them; else the discounts among what the payment was paid with. */
const discountsOf = (bills: readonly Bill[], vouchers: readonly Discount[] | undefined): readonly Discount[] => {
  const told = bills.filter(isDiscount).flatMap(({ channel, amount }): Discount[] => {
    const what = DISCOUNT_CHANNELS.get(channel);
    return what === undefined ? [] : [{ ...what, name: channel, id: '', amount }];
  });
  return vouchers === undefined ? told : [...vouchers, ...told.filter(({ kind }) => kind === 'points')];
};

/**
 * What an answer, a query or a notification tells of a paid trade: `buyer_user_id` (`buyer_id` in notifications) or `buyer_open_id`,
 * `buyer_logon_id`, `fund_bill_list`, `voucher_detail_list`, `buyer_pay_amount`, `receipt_amount`.
 */
export const detailsOfTrade = (content: JsonObject): ToldDetails => {
  const currency = textOf(content['trans_currency']) || 'CNY';
  const bills = toldList(listIn(content, 'fund_bill_list'), (each) => billOf(each, currency));
  const vouchers = toldList(listIn(content, 'voucher_detail_list'), (each) => discountsOfVoucher(each, currency));
  const isLegible = bills !== unreadable && vouchers !== unreadable;
  const amount = (name: string) => toldValue(content[name], readAmount(currency));
  return {
    payerId: toldText(
      content['buyer_user_id'] ?? content['buyer_id'] ?? content['buyer_open_id'] ?? content['open_id'],
    ),
    payerAccount: toldText(content['buyer_logon_id']),
    funding: bills === unreadable ? unreadable : bills && fundingOf(bills),
    discounts: !isLegible ? unreadable : bills && discountsOf(bills, vouchers),
    payerPaid: amount('buyer_pay_amount'),
    settled: amount('receipt_amount'),
  };
};
