import {
  isJsonObject,
  type JsonObject,
  settledWithout,
  type ToldDetails,
  toldList,
  toldText,
  toldValue,
  unreadable,
} from '@tillmesh/channel-kit';
import { type Discount, type DiscountFunder, type Funding, type Money, parseMoney } from '@tillmesh/domain';
import type { V2Fields } from './v2-signature.ts';

/**
 * The bank in WeChat's word: a bank and a suffix (WX bank type table: ICBC_DEBIT, CMB_CREDIT), CFT or LQT for the wallet's own money, OTHERS
 * for what it does not tell, the balance among it.
 */
const fundingOf = (bankType: unknown): Funding | undefined => {
  if (typeof bankType !== 'string') return undefined;
  const source = bankType;
  if (source.endsWith('_DEBIT')) return { kind: 'debit', source };
  if (source.endsWith('_CREDIT')) return { kind: 'credit', source };
  return { kind: ['CFT', 'LQT'].includes(source) ? 'balance' : 'other', source };
};

const amountIn = (currency: unknown, fallback: string) => {
  const letters = typeof currency === 'string' ? currency : fallback;
  return (raw: unknown): Money | undefined =>
    typeof raw === 'number' && Number.isSafeInteger(raw) ? parseMoney(letters, BigInt(raw)) : undefined;
};

const textOf = (raw: unknown): string => (typeof raw === 'string' ? raw : '');

const CONTRIBUTIONS: readonly (readonly [name: string, fundedBy: DiscountFunder])[] = [
  ['wechatpay_contribute', 'channel'],
  ['merchant_contribute', 'merchant'],
  ['other_contribute', 'other'],
];

/** One coupon of `promotion_detail`, as many discounts as bear it. Undefined where it, or the sum of who bears it, cannot be right. */
const discountsOfPromotion = (promotion: unknown, amountOf: (raw: unknown) => Money | undefined) => {
  if (!isJsonObject(promotion)) return undefined;
  const whole = amountOf(promotion['amount']);
  if (whole === undefined) return undefined;
  const coupon = { kind: 'coupon', name: textOf(promotion['name']), id: textOf(promotion['coupon_id']) } as const;
  const parts: Discount[] = [];
  let rest: bigint = whole.minorUnits;
  for (const [name, fundedBy] of CONTRIBUTIONS) {
    const raw = promotion[name];
    const amount = raw === undefined || raw === null ? undefined : amountOf(raw);
    if (raw !== undefined && raw !== null && amount === undefined) return undefined;
    if (amount === undefined || amount.minorUnits === 0n) continue;
    rest -= amount.minorUnits;
    parts.push({ ...coupon, amount, fundedBy });
  }
  // Without contributions the type tells: CASH was paid for before, NOCASH is what the merchant goes without.
  if (parts.length === 0) {
    return [{ ...coupon, amount: whole, fundedBy: promotion['type'] === 'NOCASH' ? 'merchant' : 'channel' } as const];
  }
  return rest === 0n ? parts : undefined;
};

/**
 * What a v3 transaction tells: `payer.openid` (a service provider's merchant: the payer in the merchant's own application, else in the provider's), `bank_type`, `amount.payer_total`, `promotion_detail`. What is settled is not told; it is the total without
 * the coupons that the merchant bears (WX v2 settlement_total_fee says the same of NO_CASH coupons).
 */
export const detailsOfTransaction = (content: JsonObject, total: Money | undefined): ToldDetails => {
  const amount = isJsonObject(content['amount']) ? content['amount'] : {};
  const payer = isJsonObject(content['payer']) ? content['payer'] : {};
  const amountOf = amountIn(amount['currency'], 'CNY');
  const payerPaid = toldValue(
    amount['payer_total'],
    amountIn(amount['payer_currency'], textOf(amount['currency']) || 'CNY'),
  );
  const promotions = toldList(content['promotion_detail'], (each) => discountsOfPromotion(each, amountOf));
  const discounts = promotions ?? noneIfAllPaid(payerPaid, total);
  return {
    payerId: toldText(payer['openid'] ?? payer['sub_openid'] ?? payer['sp_openid']),
    funding: toldValue(content['bank_type'], fundingOf),
    discounts,
    payerPaid,
    settled: settledWithout(total, discounts),
  };
};

const noneIfAllPaid = (payerPaid: Money | undefined | typeof unreadable, total: Money | undefined) =>
  payerPaid !== undefined && payerPaid !== unreadable && payerPaid.minorUnits === total?.minorUnits ? [] : undefined;

const feeIn =
  (currency: string) =>
  (raw: unknown): Money | undefined =>
    typeof raw === 'string' && /^[0-9]{1,12}$/.test(raw) ? parseMoney(currency, BigInt(raw)) : undefined;

const COUPONS_MAX = 50;

/** The coupons of a v2 answer, `coupon_fee_0` and so on. Undefined where they do not add up to `coupon_fee`; some answers give that alone. */
const couponsOf = (fields: V2Fields, currency: string): readonly Discount[] | undefined => {
  const feeOf = feeIn(currency);
  const sum = feeOf(fields['coupon_fee']);
  const count = Number(fields['coupon_count'] ?? '0');
  if (sum === undefined || !Number.isInteger(count) || count < 0 || count > COUPONS_MAX) return undefined;
  const coupons: Discount[] = [];
  for (let place = 0; place < count; place += 1) {
    const amount = feeOf(fields[`coupon_fee_${place}`]);
    if (amount === undefined) return undefined;
    const fundedBy = fields[`coupon_type_${place}`] === 'NO_CASH' ? 'merchant' : 'channel';
    coupons.push({ kind: 'coupon', name: '', id: fields[`coupon_id_${place}`] ?? '', amount, fundedBy });
  }
  const told = coupons.reduce((total, { amount }) => total + amount.minorUnits, 0n);
  return told === sum.minorUnits ? coupons : undefined;
};

/** What a v2 answer tells: `sub_openid` or `openid`, `bank_type`, `cash_fee`, `coupon_fee` and each coupon, `settlement_total_fee`. */
export const detailsOfV2 = (fields: V2Fields, total: Money | undefined): ToldDetails => {
  const currency = fields['fee_type'] ?? 'CNY';
  const payerPaid = toldValue(fields['cash_fee'], feeIn(fields['cash_fee_type'] ?? currency));
  const coupons = toldValue(fields['coupon_fee'], () => couponsOf(fields, currency));
  const discounts = coupons ?? noneIfAllPaid(payerPaid, total);
  return {
    payerId: toldText(fields['sub_openid'] ?? fields['openid']),
    funding: toldValue(fields['bank_type'], fundingOf),
    discounts,
    payerPaid,
    // Told only where it is not the total.
    settled: toldValue(fields['settlement_total_fee'], feeIn(currency)) ?? settledWithout(total, discounts),
  };
};
