import { readFileSync } from 'node:fs';
import { parseConfig, z } from '@tillmesh/config';
import {
  type AccountId,
  type ChannelId,
  type Currency,
  DEFAULT_HEALTH_POLICY,
  DEFAULT_TIME_ZONE,
  type HealthPolicy,
  isTimeZone,
  MERCHANT_EVENT_KINDS,
  type MerchantId,
  MINOR_UNITS_MAX,
  PAYMENT_KINDS,
  parseAccountId,
  parseChannelId,
  parseMerchantId,
  type RoutedAccount,
  type RoutedMerchant,
  WALLETS,
  WEBHOOK_SIGNINGS,
} from '@tillmesh/domain';
import { complaintsOf } from './table-checks.ts';

const id = (parse: (text: string) => string | undefined, what: string) =>
  z.string().refine((text) => parse(text) !== undefined, `is not ${what}`);

const minorUnits = (min: number) => z.int().min(min).max(Number(MINOR_UNITS_MAX));
const percent = z.number().min(0).max(100);

const DayLimit = z.strictObject({
  timeZone: z
    .string()
    .refine(isTimeZone, 'is not a time zone such as Asia/Shanghai')
    .default(DEFAULT_TIME_ZONE)
    .describe('The day begins at midnight there.'),
  amountMax: minorUnits(1).optional().describe('Sum of the amounts of a day, in minor units.'),
  countMax: z.int().min(1).max(1_000_000_000).optional().describe('Payments of a day.'),
});

const GreyRelease = z.strictObject({
  percent: percent.default(0).describe('Share of all payments that use the account; others never do.'),
  merchants: z.array(z.string()).max(1_000).default([]).describe('Merchants whose payments all use it.'),
});

const Account = z.strictObject({
  accountId: id(parseAccountId, 'an account id: lower case, digits, hyphens, at most 32'),
  channelId: id(parseChannelId, 'a channel id: lower case, digits, hyphens, at most 32'),
  wallets: z.array(z.enum(WALLETS)).min(1).max(8),
  kinds: z.array(z.enum(PAYMENT_KINDS)).min(1).max(8),
  currencies: z
    .array(z.string().regex(/^[A-Z]{3}$/))
    .min(1)
    .max(16),
  amountMax: minorUnits(1).describe('The most one payment may be, in minor units.'),
  rank: z.int().min(0).max(100).default(0).describe('Lower is tried first.'),
  feeBasisPoints: z
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe('What the channel keeps, in hundredths of a percent: of equal rank the cheaper is tried first.'),
  weight: z.int().min(1).max(1_000).default(100).describe('Share among accounts of equal rank and fee.'),
  dayLimit: DayLimit.optional(),
  grey: GreyRelease.optional().describe('While the account is being released; without it everybody may use it.'),
});

const Rule = z.strictObject({
  wallets: z.array(z.enum(WALLETS)).max(8).default([]).describe('Payments it speaks of; none named: all.'),
  kinds: z.array(z.enum(PAYMENT_KINDS)).max(8).default([]).describe('Payments it speaks of; none named: all.'),
  amountMin: minorUnits(0).optional().describe('Payments of at least so many minor units.'),
  amountMax: minorUnits(0).optional().describe('Payments of at most so many minor units.'),
  prefer: z.array(z.string()).max(32).default([]).describe('Accounts that are tried before all others, in this order.'),
  exclude: z.array(z.string()).max(32).default([]).describe('Accounts that are never tried.'),
});

const name = z.string().regex(/^[a-z0-9-]{1,32}$/, 'is not 1 to 32 of a-z, 0-9 and -');

const Webhook = z.strictObject({
  endpointId: name.describe('Unique within the merchant; what was not delivered waits for it under this name.'),
  url: z
    .url({ protocol: /^https?$/, error: 'is not a URL with https' })
    .max(1_024)
    .describe('Where webhooks are sent; https, unless the notifier is configured to allow http.'),
  signing: z.enum(WEBHOOK_SIGNINGS).describe('How they are signed.'),
  keyIds: z.array(name).min(1).max(2).describe('Keys of the notifier: one or, while keys change, two.'),
  events: z.array(z.enum(MERCHANT_EVENT_KINDS)).max(8).default([]).describe('Only these; none named: all.'),
});

const Merchant = z.strictObject({
  merchantId: id(parseMerchantId, 'a merchant id: 1 to 32 characters of 0-9 A-Z a-z _ -'),
  displayName: z.string().max(64).default(''),
  accountIds: z.array(z.string()).min(1).max(32).describe('Channel accounts that may serve the merchant.'),
  rules: z.array(Rule).max(32).default([]).describe('Its own wishes for some of its payments.'),
  webhooks: z.array(Webhook).max(4).default([]).describe('Where it is told what became of its payments and refunds.'),
});

const Health = z.strictObject({
  returnSteps: z
    .array(z.strictObject({ sharePercent: z.number().gt(0).lt(100), ms: z.int().min(100).max(600_000) }))
    .max(10)
    .default([...DEFAULT_HEALTH_POLICY.returnSteps])
    .describe('Shares of its payments that an account gets back after it was sick, one after the other.'),
  goodPercent: percent
    .default(DEFAULT_HEALTH_POLICY.goodPercent)
    .describe('A rate of success of so much is as good as all.'),
  badPercent: percent
    .default(DEFAULT_HEALTH_POLICY.badPercent)
    .describe('A rate of success of so much leaves an account 5 % of its payments.'),
  outcomesMin: z
    .int()
    .min(1)
    .max(100_000)
    .default(DEFAULT_HEALTH_POLICY.outcomesMin)
    .describe('Fewer outcomes in 5 minutes say nothing.'),
  reportAgeMsMax: z
    .int()
    .min(2_000)
    .max(60_000)
    .default(DEFAULT_HEALTH_POLICY.reportAgeMsMax)
    .describe('What a cashier reported longer ago says nothing of health.'),
});

/** The table file. Small on purpose: every cashier holds it whole. */
const TableFile = z
  .strictObject({
    merchants: z.array(Merchant).max(10_000),
    accounts: z.array(Account).max(1_000),
    health: Health.prefault({}).describe('How health turns into shares of new payments.'),
  })
  .superRefine((table, context) => {
    for (const { path, message } of complaintsOf(table)) context.addIssue({ code: 'custom', path: [...path], message });
  });

type MerchantInFile = z.output<typeof Merchant>;
type AccountInFile = z.output<typeof Account>;

/** An account as the file says it, without what operators say. */
export type AccountData = Omit<RoutedAccount, 'enabled' | 'stateNote'>;

export type RoutingData = {
  readonly merchants: ReadonlyMap<MerchantId, RoutedMerchant>;
  readonly accounts: ReadonlyMap<AccountId, AccountData>;
  readonly healthPolicy: HealthPolicy;
};

const inMinorUnits = (amount: number | undefined): bigint | undefined =>
  amount === undefined ? undefined : BigInt(amount);

const merchantOf = ({ displayName, accountIds, rules, webhooks }: MerchantInFile): RoutedMerchant => ({
  displayName,
  accountIds: accountIds as AccountId[],
  rules: rules.map(({ wallets, kinds, amountMin, amountMax, prefer, exclude }) => ({
    wallets,
    kinds,
    amountMin: inMinorUnits(amountMin),
    amountMax: inMinorUnits(amountMax),
    prefer: prefer as AccountId[],
    exclude: exclude as AccountId[],
  })),
  webhooks: webhooks.map(({ events, ...webhook }) => ({ ...webhook, kinds: events })),
});

const accountOf = (account: AccountInFile): AccountData => ({
  ...account,
  accountId: account.accountId as AccountId,
  channelId: account.channelId as ChannelId,
  currencies: account.currencies as Currency[],
  amountMax: BigInt(account.amountMax),
  dayLimit:
    account.dayLimit === undefined
      ? undefined
      : {
          timeZone: account.dayLimit.timeZone,
          amountMax: inMinorUnits(account.dayLimit.amountMax),
          countMax: account.dayLimit.countMax,
        },
  grey:
    account.grey === undefined
      ? undefined
      : { percent: account.grey.percent, merchantIds: account.grey.merchants as MerchantId[] },
});

/**
 * Reads the table.
 *
 * @throws {ConfigError} with every problem; {Error} where the file cannot be read.
 */
export const readTableFile = (path: string): RoutingData => {
  const { merchants, accounts, health } = parseConfig(TableFile, JSON.parse(readFileSync(path, 'utf8')), path);
  return {
    merchants: new Map(merchants.map((merchant) => [merchant.merchantId as MerchantId, merchantOf(merchant)])),
    accounts: new Map(accounts.map((account) => [account.accountId as AccountId, accountOf(account)])),
    healthPolicy: health,
  };
};
