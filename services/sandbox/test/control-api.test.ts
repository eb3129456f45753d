import { ManualClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstOf, freshCode, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import { type WechatMerchant, wechatMerchant } from './wechat-merchant.ts';

const { keys, remove } = makeKeys();
const clock = new ManualClock();
let sandbox: RunningSandbox;
let first: WechatMerchant;
let second: WechatMerchant;

beforeAll(async () => {
  sandbox = await runSandbox({ keys, clock });
  first = wechatMerchant(sandbox, firstOf(keys.wechat.accounts));
  second = wechatMerchant(sandbox, firstOf(keys.wechat.accounts.slice(1)));
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

const pay = async (merchant: WechatMerchant, outTradeNo: string) => {
  const { fields } = await merchant.micropay(outTradeNo, await freshCode(sandbox, 'wechat'));
  expect(fields['result_code']).toBe('SUCCESS');
};
const check = async (prefix: string) => (await sandbox.control.get(`/ledger/check?prefix=${prefix}`)).body;

describe('the ledger', () => {
  const payment = '1260301000000010010010011';

  test('groups attempts by the first 25 of 26 digits and finds two that keep money', async () => {
    await pay(first, `${payment}1`);
    expect(await check(payment)).toMatchObject({
      payments: 1,
      paymentsKept: 1,
      orders: 1,
      charges: 1,
      chargedTwice: 0,
    });
    await pay(second, `${payment}2`);
    expect(await check(payment)).toMatchObject({ payments: 1, orders: 2, charges: 2, netFen: 200, chargedTwice: 1 });
    expect((await check(payment))['chargedTwiceShown']).toMatchObject([
      { payment, orders: [{ outTradeNo: `${payment}1` }, { outTradeNo: `${payment}2` }] },
    ]);
    await second.reverse(`${payment}2`);
    expect(await check(payment)).toMatchObject({ chargedTwice: 0, paymentsKept: 1, netFen: 100, charges: 2 });
  });

  test('takes other numbers for payments of their own', async () => {
    await pay(first, 'shop_order_1');
    await pay(first, 'shop_order_2');
    expect(await check('shop_order_')).toMatchObject({ payments: 2, orders: 2, chargedTwice: 0 });
  });

  test('lists every movement with who, how much and when', async () => {
    await pay(first, 'moved_order');
    await first.reverse('moved_order');
    const { body } = await sandbox.control.get<{ movements: object[] }>('/ledger?outTradeNo=moved_order');
    const common = { channel: 'wechat', account: 'wechat-a', outTradeNo: 'moved_order', amountFen: 100 };
    expect(body.movements).toMatchObject([
      { ...common, kind: 'charge', at: '2026-01-01T00:00:00.000Z' },
      { ...common, kind: 'reversal' },
    ]);
  });

  test('gives long lists page by page, each movement once', async () => {
    const seen: number[] = [];
    let after: number | undefined = 0;
    while (after !== undefined) {
      const page: { body: { movements: { sequence: number }[]; nextAfter?: number } } = await sandbox.control.get(
        `/ledger?limit=2&after=${after}`,
      );
      expect(page.body.movements.length).toBeLessThanOrEqual(2);
      seen.push(...page.body.movements.map(({ sequence }) => sequence));
      after = page.body.nextAfter;
    }
    expect(seen.length).toBeGreaterThan(4);
    expect(seen).toEqual(seen.map((_, index) => index + 1));
  });

  test('can be asked by account, under any of its names', async () => {
    await pay(second, 'of_second');
    for (const name of ['wechat-b', second.account.mchid]) {
      const { body } = await sandbox.control.get<{ orders: { account: string }[] }>(`/ledger/orders?account=${name}`);
      expect(new Set(body.orders.map(({ account }) => account))).toEqual(new Set(['wechat-b']));
    }
  });
});

describe('payment codes', () => {
  test('can be had many at once, of one payer', async () => {
    const { body } = await sandbox.control.post<{ payerId: string; codes: { paymentCode: string; payerId: string }[] }>(
      '/payment-codes',
      { wallet: 'alipay', count: 50 },
    );
    expect(new Set(body.codes.map(({ paymentCode }) => paymentCode)).size).toBe(50);
  });

  test('of a named payer take from the same balance', async () => {
    const wish = { payerId: 'poor-payer', balanceFen: 150 };
    const [one, two] = [await freshCode(sandbox, 'wechat', wish), await freshCode(sandbox, 'wechat', wish)];
    expect((await first.micropay('poor_1', one)).fields).toMatchObject({ result_code: 'SUCCESS' });
    expect((await first.micropay('poor_2', two)).fields).toMatchObject({ err_code: 'NOTENOUGH' });
    await first.reverse('poor_1');
    expect((await first.micropay('poor_3', await freshCode(sandbox, 'wechat', wish))).fields).toMatchObject({
      result_code: 'SUCCESS',
    });
  });
});

describe('scripts', () => {
  const decline = [{ do: 'decline', code: 'NOAUTH' }];
  const payWith = async (merchant: WechatMerchant, outTradeNo: string, changes: Record<string, string> = {}) =>
    (await merchant.micropay(outTradeNo, await freshCode(sandbox, 'wechat'), changes)).fields;
  const scripted = async (match: object, uses?: number) => {
    const { body } = await sandbox.control.post<{ scriptId: string }>('/scripts', { match, script: decline, uses });
    return body.scriptId;
  };
  const refused = { err_code: 'NOAUTH' };
  const paid = { result_code: 'SUCCESS' };

  test('match by account, and with another field only where both fit', async () => {
    const id = await scripted({ account: 'wechat-b', description: 'wine' });
    expect(await payWith(second, 'script_1', { body: 'wine' })).toMatchObject(refused);
    expect(await payWith(second, 'script_2', { body: 'tea' })).toMatchObject(paid);
    expect(await payWith(first, 'script_3', { body: 'wine' })).toMatchObject(paid);
    expect(await sandbox.control.remove(`/scripts/${id}`)).toMatchObject({ status: 200 });
    expect(await payWith(second, 'script_4', { body: 'wine' })).toMatchObject(paid);
    expect(await sandbox.control.remove(`/scripts/${id}`)).toMatchObject({ status: 404 });
  });

  test('match by payment code and by the beginning of the order number', async () => {
    const code = await freshCode(sandbox, 'wechat');
    await scripted({ paymentCode: code }, 1);
    expect((await first.micropay('script_5', code)).fields).toMatchObject(refused);
    await scripted({ outTradeNoPrefix: 'script_pre' }, 1);
    expect(await payWith(first, 'script_pre_1')).toMatchObject(refused);
  });

  test('are used as often as they may and then forgotten', async () => {
    await scripted({ description: 'twice' }, 2);
    for (const expected of [refused, refused, paid]) {
      expect(
        await payWith(first, `script_uses_${expected === paid ? 'end' : ''}${clock.nowMs()}`, { body: 'twice' }),
      ).toMatchObject(expected);
      await clock.advance(1);
    }
    const { body } = await sandbox.control.get<{ scripts: unknown[] }>('/scripts');
    expect(body.scripts).toEqual([]);
  });

  test('are used oldest first, one at a time', async () => {
    await scripted({ description: 'both' }, 1);
    await sandbox.control.post('/scripts', {
      match: { description: 'both' },
      script: [{ do: 'decline', code: 'BANKERROR' }],
      uses: 1,
    });
    expect(await payWith(first, 'script_6', { body: 'both' })).toMatchObject(refused);
    expect(await payWith(first, 'script_6', { body: 'both' })).toMatchObject({ err_code: 'BANKERROR' });
  });

  test('can be removed all at once', async () => {
    for (const description of ['a', 'b', 'c']) await scripted({ description });
    expect(await sandbox.control.remove('/scripts')).toMatchObject({ body: { removed: 3 } });
    expect(await payWith(first, 'script_7', { body: 'b' })).toMatchObject(paid);
  });
});

test('an order number is shown as its channels see it', async () => {
  await first.native('shown_order');
  await second.micropay('shown_order', await freshCode(sandbox, 'wechat'));
  const { body } = await sandbox.control.get('/orders/shown_order');
  expect(body).toEqual({
    orders: [
      { channel: 'wechat', account: 'wechat-a', outTradeNo: 'shown_order', state: 'NOTPAY' },
      { channel: 'wechat', account: 'wechat-b', outTradeNo: 'shown_order', state: 'SUCCESS' },
    ],
  });
});

test('accounts are shown without their keys', async () => {
  const { body } = await sandbox.control.get<{ accounts: object[] }>('/accounts');
  expect(body.accounts).toHaveLength(12);
  expect(JSON.stringify(body)).not.toMatch(/key/i);
});

test('requests are counted by operation', async () => {
  const countOf = async () => {
    const { body } = await sandbox.control.get<{ requests: { wechat?: Record<string, number> } }>('/stats');
    return body.requests.wechat?.['v2.orderquery'] ?? 0;
  };
  const before = await countOf();
  await first.orderquery('never_made');
  expect(await countOf()).toBe(before + 1);
});

const WRONG: readonly (readonly [what: string, path: string, body: object, problem: string])[] = [
  ['a wallet that there is not', '/payment-codes', { wallet: 'cash' }, 'wallet'],
  ['too many codes', '/payment-codes', { wallet: 'wechat', count: 1_001 }, 'count'],
  ['a field that there is not', '/payment-codes', { wallet: 'wechat', colour: 'red' }, 'colour'],
  ['an act that there is not', '/payment-codes', { wallet: 'wechat', script: [{ do: 'dance' }] }, 'script.0'],
  ['a script that matches everything', '/scripts', { match: {}, script: [{ do: 'succeed' }] }, 'match'],
  ['a script without acts', '/scripts', { match: { outTradeNo: 'a' }, script: [] }, 'script'],
  [
    'an operation that there is not',
    '/scripts',
    { match: { outTradeNo: 'a' }, script: [{ do: 'succeed' }], operations: ['steal'] },
    'operations.0',
  ],
  ['an outage of no channel', '/outage', { channel: 'bank', mode: 'hang' }, 'channel'],
];
for (const [what, path, body, problem] of WRONG) {
  test(`${what} is refused by name`, async () => {
    const got = await sandbox.control.post<{ problems: string[] }>(path, body);
    expect(got.status).toBe(400);
    expect(got.body.problems.join('\n')).toContain(problem);
  });
}

test('a path that there is not, a code that nobody made and a list that is too long are refused', async () => {
  expect(await sandbox.control.get('/nowhere')).toMatchObject({ status: 404 });
  expect(await sandbox.control.post('/scan', { code: 'weixin://nobody' })).toMatchObject({ status: 404 });
  expect(await sandbox.control.get('/ledger?limit=10001')).toMatchObject({ status: 400 });
});
