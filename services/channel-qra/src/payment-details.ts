import { type ToldDetails, toldText, toldValue } from '@tillmesh/channel-kit';
import { type Discount, type Money, parseMoney } from '@tillmesh/domain';
import type { QraFields } from './signature.ts';

const amountOf =
  (currency: string) =>
  (raw: unknown): Money | undefined =>
    typeof raw === 'string' && /^[0-9]{1,12}$/.test(raw) ? parseMoney(currency, BigInt(raw)) : undefined;

/**
 * What an answer tells: the payer at the wallet (`sub_openid`, else `openid`), `bank_type`, `cash_fee`, `coupon_fee`. Who bears the coupons, and
 * what is settled, the gateway does not say.
 */
export const detailsOfPayment = (fields: QraFields): ToldDetails => {
  const currency = fields['fee_type'] ?? 'CNY';
  const couponsOf = (raw: unknown): readonly Discount[] | undefined => {
    const amount = amountOf(currency)(raw);
    return amount && [{ kind: 'coupon', name: '', id: '', amount, fundedBy: 'other' }];
  };
  return {
    payerId: toldText(fields['sub_openid'] || fields['openid']),
    funding: toldValue(fields['bank_type'], (source) =>
      typeof source === 'string' ? { kind: 'other', source } : undefined,
    ),
    discounts: toldValue(fields['coupon_fee'], couponsOf),
    payerPaid: toldValue(fields['cash_fee'], amountOf(currency)),
  };
};
