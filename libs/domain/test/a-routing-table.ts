import {
  type AccountId,
  type Currency,
  DEFAULT_HEALTH_POLICY,
  type MerchantId,
  money,
  parseAccountId,
  parseChannelId,
  parseMerchantId,
  type RoutedAccount,
  type RouteQuestion,
  type RoutingTable,
} from '../src/index.ts';

const parsed = <Id>(id: Id | undefined): Id => {
  if (id === undefined) throw new RangeError('a test names an id that no parser takes');
  return id;
};

export const accountId = (text: string): AccountId => parsed(parseAccountId(text));
export const MERCHANT: MerchantId = parsed(parseMerchantId('m-1'));
export const currency = (text: string): Currency => money(text, 0).currency;

/** An account that takes payment codes of WeChat in CNY up to 1,000.00. */
export const anAccount = (id: string, parts: Partial<RoutedAccount> = {}): RoutedAccount => ({
  accountId: accountId(id),
  channelId: parsed(parseChannelId('wechat')),
  wallets: ['wechat'],
  kinds: ['payment_code'],
  currencies: [currency('CNY')],
  amountMax: 100_000n,
  rank: 0,
  feeBasisPoints: 0,
  weight: 1,
  dayLimit: undefined,
  grey: undefined,
  enabled: true,
  stateNote: '',
  ...parts,
});

/** A table with one merchant, who has these accounts. */
export const aTable = (...accounts: readonly RoutedAccount[]): RoutingTable => ({
  version: 1n,
  merchants: new Map([
    [
      MERCHANT,
      { displayName: 'One', accountIds: accounts.map((account) => account.accountId), rules: [], webhooks: [] },
    ],
  ]),
  accounts: new Map(accounts.map((account) => [account.accountId, account])),
  healthPolicy: DEFAULT_HEALTH_POLICY,
});

/** Who takes a payment code of WeChat over 10.00 CNY? */
export const aQuestion = (parts: Partial<RouteQuestion> = {}): RouteQuestion => ({
  merchantId: MERCHANT,
  merchantOrderNo: 'order-1',
  amount: money('CNY', 1_000),
  wallet: 'wechat',
  kind: 'payment_code',
  excluded: [],
  ...parts,
});
