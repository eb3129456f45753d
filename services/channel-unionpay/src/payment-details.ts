import { isJsonObject, type ToldDetails, toldList, toldValue, unreadable } from '@tillmesh/channel-kit';
import { type Discount, type DiscountFunder, type Funding, type Money, parseMoney } from '@tillmesh/domain';
import type { AcpFields } from './signature.ts';

// payCardType of ACP 5.1.0.
const KINDS: ReadonlyMap<string, Funding['kind']> = new Map([
  ['01', 'debit'],
  ['02', 'credit'],
  ['03', 'credit'],
  ['05', 'prepaid'],
]);

const fundingOf = (payCardType: unknown): Funding | undefined =>
  typeof payCardType === 'string' && /^0[0-9]$/.test(payCardType)
    ? { kind: KINDS.get(payCardType) ?? 'other', source: `payCardType ${payCardType}` }
    : undefined;

/** The end of a card's number alone, whether the account is told whole or masked; an encrypted one says nothing. */
const accountOf = (accNo: unknown): string | undefined =>
  typeof accNo === 'string' && /^[0-9*]{8,24}[0-9]{4}$/.test(accNo) ? `**** ${accNo.slice(-4)}` : undefined;

// ISO 4217 numbers that UnionPay settles in here; another one is told as unreadable rather than guessed.
const LETTERS: ReadonlyMap<string, string> = new Map([
  ['156', 'CNY'],
  ['344', 'HKD'],
  ['840', 'USD'],
  ['978', 'EUR'],
  ['392', 'JPY'],
]);

const amountOf =
  (currencyNumber: string) =>
  (raw: unknown): Money | undefined => {
    const currency = LETTERS.get(currencyNumber);
    const isDigits = typeof raw === 'string' && /^[0-9]{1,12}$/.test(raw);
    return currency === undefined || !isDigits ? undefined : parseMoney(currency, BigInt(raw));
  };

// 00010000 is UnionPay itself, eight other digits a bank, fifteen the merchant.
const funderOf = (sponsor: unknown): DiscountFunder => {
  if (typeof sponsor !== 'string') return 'other';
  if (sponsor === '00010000') return 'channel';
  return sponsor.length === 15 ? 'merchant' : 'other';
};

const discountOf = (raw: unknown): readonly Discount[] | undefined => {
  if (!isJsonObject(raw)) return undefined;
  const amount = amountOf('156')(raw['offstAmt']);
  if (amount === undefined) return undefined;
  const { desc, id, type, spnsrId } = raw;
  return [
    {
      kind: type === 'DD01' ? 'reduction' : 'coupon',
      name: typeof desc === 'string' ? desc : '',
      id: typeof id === 'string' ? id : '',
      amount,
      fundedBy: funderOf(spnsrId),
    },
  ];
};

/** couponInfo is JSON, as it is or as base64. */
const couponList = (text: string): unknown => {
  try {
    return JSON.parse(text.startsWith('[') ? text : Buffer.from(text, 'base64').toString('utf8')) as unknown;
  } catch {
    return unreadable;
  }
};

/**
 * What a query or a notification tells of a paid order: `payCardType`, `accNo`, `couponInfo`, `settleAmt`. The payer's id is not told. Without a
 * discount there is no couponInfo.
 */
export const detailsOfOrder = (fields: AcpFields): ToldDetails => {
  const { couponInfo = '' } = fields;
  return {
    payerAccount: toldValue(fields['accNo'], accountOf),
    funding: toldValue(fields['payCardType'], fundingOf),
    discounts: couponInfo === '' ? [] : toldList(couponList(couponInfo), discountOf),
    settled: toldValue(fields['settleAmt'], amountOf(fields['settleCurrencyCode'] ?? '156')),
  };
};
