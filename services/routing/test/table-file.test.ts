import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@tillmesh/config';
import { type AccountId, DEFAULT_HEALTH_POLICY, type MerchantId } from '@tillmesh/domain';
import { afterAll, describe, expect, test } from 'vitest';
import { type RoutingData, readTableFile } from '../src/table-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-table-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ACCOUNT = {
  accountId: 'a',
  channelId: 'wechat',
  wallets: ['wechat'],
  kinds: ['payment_code'],
  currencies: ['CNY'],
  amountMax: 1_000,
};
const MERCHANT = { merchantId: 'm', accountIds: ['a', 'b'] };

type Changes = { readonly account?: object; readonly merchant?: object; readonly table?: object };

const read = ({ account = {}, merchant = {}, table = {} }: Changes): RoutingData => {
  const path = join(folder, 'table.json');
  const accounts = [
    { ...ACCOUNT, ...account },
    { ...ACCOUNT, accountId: 'b' },
    { ...ACCOUNT, accountId: 'c' },
  ];
  writeFileSync(path, JSON.stringify({ merchants: [{ ...MERCHANT, ...merchant }], accounts, ...table }));
  return readTableFile(path);
};
const problemsOf = (changes: Changes): readonly string[] => {
  try {
    read(changes);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ setting, problem }) => `${setting} ${problem}`);
    throw error;
  }
};

describe('a table file', () => {
  test('needs none of what has a default', () => {
    const data = read({});
    expect(data.healthPolicy).toEqual(DEFAULT_HEALTH_POLICY);
    expect(data.accounts.get('a' as AccountId)).toMatchObject({
      rank: 0,
      feeBasisPoints: 0,
      weight: 100,
      dayLimit: undefined,
      grey: undefined,
    });
    expect(data.merchants.get('m' as MerchantId)?.rules).toEqual([]);
  });

  test('says everything that a choice can depend on', () => {
    const data = read({
      account: {
        feeBasisPoints: 38,
        dayLimit: { amountMax: 50_000, countMax: 10 },
        grey: { percent: 2.5, merchants: ['m'] },
      },
      merchant: { rules: [{ wallets: ['wechat'], amountMin: 5, prefer: ['b'], exclude: ['a'] }] },
      table: { health: { goodPercent: 99, returnSteps: [{ sharePercent: 10, ms: 500 }] } },
    });
    expect(data.accounts.get('a' as AccountId)).toMatchObject({
      feeBasisPoints: 38,
      dayLimit: { timeZone: 'Asia/Shanghai', amountMax: 50_000n, countMax: 10 },
      grey: { percent: 2.5, merchantIds: ['m'] },
    });
    expect(data.merchants.get('m' as MerchantId)?.rules).toEqual([
      { wallets: ['wechat'], kinds: [], amountMin: 5n, amountMax: undefined, prefer: ['b'], exclude: ['a'] },
    ]);
    expect(data.healthPolicy).toEqual({
      ...DEFAULT_HEALTH_POLICY,
      goodPercent: 99,
      returnSteps: [{ sharePercent: 10, ms: 500 }],
    });
  });
});

const WEBHOOK = { endpointId: 'shop', url: 'https://shop.example/hooks', signing: 'ed25519', keyIds: ['k-1'] };
const rule = (parts: object): Changes => ({ merchant: { rules: [{ prefer: ['a'], ...parts }] } });

/** One mistake each, and how it is named. */
const MISTAKES: readonly (readonly [what: string, changes: Changes, problem: string])[] = [
  ['a fee above everything', { account: { feeBasisPoints: 10_001 } }, 'accounts.0.feeBasisPoints '],
  [
    'a day’s limit of nothing',
    { account: { dayLimit: {} } },
    'accounts.0.dayLimit limits nothing: set amountMax, countMax or both',
  ],
  [
    'a day’s limit below one payment',
    { account: { dayLimit: { amountMax: 999 } } },
    "accounts.0.dayLimit.amountMax is below the account's amountMax, 1000: such a payment could never be taken",
  ],
  [
    'a day’s limit over several currencies',
    { account: { currencies: ['CNY', 'USD'], dayLimit: { amountMax: 5_000 } } },
    'accounts.0.dayLimit.amountMax minor units of several currencies cannot be added: make one account for each',
  ],
  [
    'a day of nowhere',
    { account: { dayLimit: { timeZone: 'Asia/Nowhere', countMax: 1 } } },
    'accounts.0.dayLimit.timeZone is not a time zone such as Asia/Shanghai',
  ],
  ['a share above all', { account: { grey: { percent: 101 } } }, 'accounts.0.grey.percent '],
  [
    'a release to nobody',
    { account: { grey: { merchants: ['m', 'x'] } } },
    'accounts.0.grey.merchants.1 there is no merchant x',
  ],
  [
    'a release to a merchant without the account',
    { account: { grey: { merchants: ['m'] } }, merchant: { accountIds: ['b'] } },
    'accounts.0.grey.merchants.0 m does not have a',
  ],
  [
    'a preference for an account of others',
    rule({ prefer: ['c'] }),
    'merchants.0.rules.0.prefer the merchant has no account c',
  ],
  [
    'an exclusion of an account of others',
    rule({ exclude: ['c'] }),
    'merchants.0.rules.0.exclude the merchant has no account c',
  ],
  [
    'an account both preferred and excluded',
    rule({ exclude: ['a'] }),
    'merchants.0.rules.0.prefer a is excluded by the same rule',
  ],
  [
    'a rule for no amount',
    rule({ amountMin: 6, amountMax: 5 }),
    'merchants.0.rules.0.amountMin is above amountMax, 5: no payment fits',
  ],
  [
    'a rule that does nothing',
    rule({ prefer: [] }),
    'merchants.0.rules.0 neither prefers nor excludes an account: it changes nothing',
  ],
  [
    'an endpoint that is listed twice',
    { merchant: { webhooks: [WEBHOOK, WEBHOOK] } },
    'merchants.0.webhooks an endpoint is listed twice',
  ],
  [
    'an endpoint that is no web address',
    { merchant: { webhooks: [{ ...WEBHOOK, url: 'file:///etc/passwd' }] } },
    'merchants.0.webhooks.0.url is not a URL with https',
  ],
  [
    'a kind of signature that nobody knows',
    { merchant: { webhooks: [{ ...WEBHOOK, signing: 'md5' }] } },
    'merchants.0.webhooks.0.signing ',
  ],
  ['a word that nobody knows', rule({ wallets: ['paypal'] }), 'merchants.0.rules.0.wallets.0 '],
  [
    'steps that fall',
    {
      table: {
        health: {
          returnSteps: [
            { sharePercent: 50, ms: 500 },
            { sharePercent: 50, ms: 500 },
          ],
        },
      },
    },
    'health.returnSteps.1.sharePercent is not above the step before, 50',
  ],
  [
    'a step to everything',
    { table: { health: { returnSteps: [{ sharePercent: 100, ms: 500 }] } } },
    'health.returnSteps.0.sharePercent ',
  ],
  [
    'rates the wrong way round',
    { table: { health: { goodPercent: 40 } } },
    'health badPercent, 50, is not below goodPercent, 40',
  ],
  ['a policy that nobody knows', { table: { health: { good: 1 } } }, 'health.good '],
];

describe('a table file is refused, and the field named, for', () => {
  for (const [what, changes, problem] of MISTAKES) {
    test(what, () => {
      const problems = problemsOf(changes);
      expect(problems).toHaveLength(1);
      expect(problems[0]).toContain(problem);
    });
  }
});
