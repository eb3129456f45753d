import { readFileSync } from 'node:fs';
import { parseConfig, z } from '@tillmesh/config';
import {
  type AccountId,
  type ChannelId,
  type Currency,
  type MerchantId,
  MINOR_UNITS_MAX,
  PAYMENT_KINDS,
  parseAccountId,
  parseChannelId,
  parseMerchantId,
  type RoutedAccount,
  WALLETS,
} from '@tillmesh/domain';

const id = (parse: (text: string) => string | undefined, what: string) =>
  z.string().refine((text) => parse(text) !== undefined, `is not ${what}`);

const Account = z.strictObject({
  accountId: id(parseAccountId, 'an account id: lower case, digits, hyphens, at most 32'),
  channelId: id(parseChannelId, 'a channel id: lower case, digits, hyphens, at most 32'),
  wallets: z.array(z.enum(WALLETS)).min(1).max(8),
  kinds: z.array(z.enum(PAYMENT_KINDS)).min(1).max(8),
  currencies: z
    .array(z.string().regex(/^[A-Z]{3}$/))
    .min(1)
    .max(16),
  amountMax: z.int().min(1).max(Number(MINOR_UNITS_MAX)).describe('The most one payment may be, in minor units.'),
  rank: z.int().min(0).max(100).default(0).describe('Lower is tried first.'),
  feeBasisPoints: z
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe('What a payment costs, hundredths of a per cent; of equal rank the cheaper accounts are tried first.'),
  weight: z.int().min(1).max(1_000).default(100).describe('Share among accounts of equal rank and fee.'),
  releasedPercent: z
    .int()
    .min(0)
    .max(100)
    .default(100)
    .describe('Grey release: so many of 100 payments may come here, always the same ones by their numbers.'),
});

const Merchant = z.strictObject({
  merchantId: id(parseMerchantId, 'a merchant id: 1 to 32 characters of 0-9 A-Z a-z _ -'),
  displayName: z.string().max(64).default(''),
  accountIds: z.array(z.string()).min(1).max(32).describe('Channel accounts that may serve the merchant.'),
});

/** The table file. Small on purpose: every cashier holds it whole. */
const TableFile = z
  .strictObject({ merchants: z.array(Merchant).max(10_000), accounts: z.array(Account).max(1_000) })
  .superRefine(({ merchants, accounts }, context) => {
    const known = new Set(accounts.map(({ accountId }) => accountId));
    if (known.size !== accounts.length)
      context.addIssue({ code: 'custom', path: ['accounts'], message: 'an account is listed twice' });
    if (new Set(merchants.map(({ merchantId }) => merchantId)).size !== merchants.length) {
      context.addIssue({ code: 'custom', path: ['merchants'], message: 'a merchant is listed twice' });
    }
    for (const [place, { accountIds }] of merchants.entries()) {
      for (const missing of accountIds.filter((accountId) => !known.has(accountId))) {
        context.addIssue({
          code: 'custom',
          path: ['merchants', place, 'accountIds'],
          message: `there is no account ${missing}`,
        });
      }
    }
  });

export type RoutingData = {
  readonly merchants: ReadonlyMap<
    MerchantId,
    { readonly displayName: string; readonly accountIds: readonly AccountId[] }
  >;
  readonly accounts: ReadonlyMap<AccountId, Omit<RoutedAccount, 'enabled' | 'stateNote'>>;
};

/**
 * Reads the table.
 *
 * @throws {ConfigError} with every problem; {Error} where the file cannot be read.
 */
export const readTableFile = (path: string): RoutingData => {
  const { merchants, accounts } = parseConfig(TableFile, JSON.parse(readFileSync(path, 'utf8')), path);
  return {
    merchants: new Map(
      merchants.map(({ merchantId, displayName, accountIds }) => [
        merchantId as MerchantId,
        { displayName, accountIds: accountIds as AccountId[] },
      ]),
    ),
    accounts: new Map(
      accounts.map((account) => [
        account.accountId as AccountId,
        {
          ...account,
          accountId: account.accountId as AccountId,
          channelId: account.channelId as ChannelId,
          currencies: account.currencies as Currency[],
          amountMax: BigInt(account.amountMax),
        },
      ]),
    ),
  };
};
