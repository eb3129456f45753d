import type { AccountId, MerchantId } from './ids.ts';
import type { Money } from './money.ts';
import type { AccountHealth } from './route-health.ts';
import type { MerchantRule, RoutedAccount, RoutedMerchant } from './routing-table.ts';
import { isInShare } from './stable-share.ts';
import type { PaymentKind, Wallet } from './wallet.ts';

/** Which payment needs an account. */
export type RouteQuestion = {
  readonly merchantId: MerchantId;
  /** Decides about grey releases; empty where there is none yet. */
  readonly merchantOrderNo: string;
  readonly amount: Money;
  readonly wallet: Wallet;
  readonly kind: PaymentKind;
  /** Accounts that were tried before. */
  readonly excluded: readonly AccountId[];
};

/** Why an account cannot take a payment, whatever its health; undefined where it can. */
export type Unfit = {
  readonly by: 'offer' | 'currency' | 'amount' | 'merchant' | 'tried' | 'switch' | 'grey' | 'day';
  readonly reason: string;
};

/** The merchant's rules that speak of this payment. */
export const rulesFor = (merchant: RoutedMerchant, question: RouteQuestion): readonly MerchantRule[] => {
  const { wallet, kind, amount } = question;
  return merchant.rules.filter(
    (rule) =>
      (rule.wallets.length === 0 || rule.wallets.includes(wallet)) &&
      (rule.kinds.length === 0 || rule.kinds.includes(kind)) &&
      (rule.amountMin === undefined || amount.minorUnits >= rule.amountMin) &&
      (rule.amountMax === undefined || amount.minorUnits <= rule.amountMax),
  );
};

/** Whether the payment takes part in the account's grey release; also true where there is none. */
export const isReleasedTo = ({ accountId, grey }: RoutedAccount, question: RouteQuestion): boolean => {
  if (grey === undefined || grey.merchantIds.includes(question.merchantId)) return true;
  const { merchantId, merchantOrderNo } = question;
  // A repeat of the call has the same number, so it decides the same.
  return merchantOrderNo !== '' && isInShare(accountId, `${merchantId}\n${merchantOrderNo}`, grey.percent);
};

const dayReason = (account: RoutedAccount, question: RouteQuestion, health: AccountHealth): string | undefined => {
  const { dayLimit } = account;
  if (dayLimit === undefined || health.use === undefined) return undefined;
  const { amountMax, countMax } = dayLimit;
  const { minorUnits, count } = health.use;
  if (countMax !== undefined && count >= countMax) return `has taken its ${countMax} payments of the day`;
  if (amountMax !== undefined && minorUnits + question.amount.minorUnits > amountMax) {
    return `has taken ${minorUnits} of the day's ${amountMax} minor units`;
  }
  return undefined;
};

/** Judges an account by everything but its health. */
export const whyUnfit = (
  account: RoutedAccount,
  question: RouteQuestion,
  rules: readonly MerchantRule[],
  health: AccountHealth,
): Unfit | undefined => {
  const { wallet, kind, amount } = question;
  const { accountId } = account;
  if (!account.wallets.includes(wallet)) return { by: 'offer', reason: `does not take ${wallet}` };
  if (!account.kinds.includes(kind)) return { by: 'offer', reason: `does not offer ${kind}` };
  if (!account.currencies.includes(amount.currency)) {
    return { by: 'currency', reason: `does not take ${amount.currency}` };
  }
  if (amount.minorUnits > account.amountMax) {
    return { by: 'amount', reason: `takes at most ${account.amountMax} minor units` };
  }
  if (rules.some(({ exclude }) => exclude.includes(accountId))) {
    return { by: 'merchant', reason: "excluded by the merchant's rules" };
  }
  if (question.excluded.includes(accountId)) return { by: 'tried', reason: 'failed for this payment before' };
  if (!account.enabled) return { by: 'switch', reason: `switched off: ${account.stateNote || 'no note'}` };
  if (!isReleasedTo(account, question)) {
    return { by: 'grey', reason: `grey: released to ${account.grey?.percent} % of payments, not to this one` };
  }
  const reason = dayReason(account, question, health);
  return reason === undefined ? undefined : { by: 'day', reason };
};
