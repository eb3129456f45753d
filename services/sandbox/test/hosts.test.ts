import { ManualClock } from '@tillmesh/clock';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { alipayMerchant } from './alipay-merchant.ts';
import { firstOf, freshCode, ledgerOf, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import { unionpayMerchant } from './unionpay-merchant.ts';
import { type WechatMerchant, wechatMerchant } from './wechat-merchant.ts';

// A channel with two addresses, each of which can be ill alone, over one set of orders.

const { keys, remove } = makeKeys();
const clock = new ManualClock();
let sandbox: RunningSandbox;
let first: WechatMerchant;
let second: WechatMerchant;
beforeAll(async () => {
  // Alipay's own SDK says the time of this host.
  sandbox = await runSandbox({ keys, clock, alipay: { timestampToleranceMs: 100 * 365 * 86_400_000 } });
  const account = firstOf(keys.wechat.accounts);
  first = wechatMerchant(sandbox, account);
  second = wechatMerchant({ ...sandbox, wechatUrl: sandbox.second.wechatUrl }, account);
});
afterEach(async () => {
  await sandbox.control.remove('/scripts');
  for (const channel of ['wechat', 'alipay', 'stripe', 'unionpay']) await outage({ channel, mode: 'off' });
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

const outage = (wish: object) => sandbox.control.post('/outage', wish);
let count = 0;
const newOrderNo = (): string => `hosts0order${(count += 1)}`;

test('an order that was made at one address is known at the other, at every channel that has two', async () => {
  const orderNo = newOrderNo();
  await first.native(orderNo);
  expect(await second.query(orderNo)).toMatchObject({ status: 200, body: { trade_state: 'NOTPAY' } });

  const [alipayAccount, unionpayAccount] = [firstOf(keys.alipay.accounts), firstOf(keys.unionpay.accounts)];
  await alipayMerchant(sandbox, alipayAccount).pay(orderNo, await freshCode(sandbox, 'alipay'));
  const elsewhere = alipayMerchant({ ...sandbox, alipayUrl: sandbox.second.alipayUrl }, alipayAccount);
  expect(await elsewhere.query(orderNo)).toMatchObject({ code: '10000', trade_status: 'TRADE_SUCCESS' });

  await unionpayMerchant(sandbox, unionpayAccount).pay(orderNo, await freshCode(sandbox, 'unionpay'));
  const other = unionpayMerchant({ ...sandbox, unionpayUrl: sandbox.second.unionpayUrl }, unionpayAccount);
  expect(await other.query(orderNo)).toMatchObject({ fields: { respCode: '00', origRespCode: '00' } });
});

describe('an address that is ill while the other one is well', () => {
  test('refuses', async () => {
    await outage({ channel: 'wechat', host: 'first', mode: 'refuse' });
    expect(await first.orderquery('never_made').catch((error: unknown) => error)).toMatchObject({
      cause: { code: 'ECONNREFUSED' },
    });
    expect((await second.orderquery('never_made')).fields['err_code']).toBe('ORDERNOTEXIST');
  });

  test('answers with a web page, and has done nothing', async () => {
    await outage({ channel: 'wechat', host: 'first', mode: 'error', status: 503 });
    const orderNo = newOrderNo();
    const code = await freshCode(sandbox, 'wechat');
    const { status, headers } = await first.micropay(orderNo, code);
    expect([status, headers.get('content-type')]).toEqual([503, 'text/html']);
    expect(await ledgerOf(sandbox, orderNo)).toMatchObject({ charges: 0 });
    expect((await second.micropay(orderNo, code)).fields['result_code']).toBe('SUCCESS');
  });

  test('is slow: it has done what was asked, and says so later', async () => {
    await outage({ channel: 'wechat', host: 'first', mode: 'slow', ms: 3_000 });
    const orderNo = newOrderNo();
    let isAnswered = false;
    const answer = first.micropay(orderNo, await freshCode(sandbox, 'wechat')).then((got) => {
      isAnswered = true;
      return got;
    });
    await expect.poll(() => ledgerOf(sandbox, orderNo)).toMatchObject({ charges: 1 });
    expect(isAnswered).toBe(false);
    expect((await second.orderquery(orderNo)).fields['trade_state']).toBe('SUCCESS');
    await clock.advance(3_000);
    expect((await answer).fields['result_code']).toBe('SUCCESS');
  });

  test('is shown as ill, and the other one as well', async () => {
    await outage({ channel: 'alipay', host: 'second', mode: 'hang' });
    expect((await sandbox.control.get('/health')).body).toMatchObject({
      outages: { alipay: { first: 'off', second: 'hang' }, wechat: { first: 'off', second: 'off' } },
    });
  });

  test('cannot be the second of a channel that has one, nor be ill in half a way', async () => {
    expect((await outage({ channel: 'stripe', host: 'second', mode: 'hang' })).status).toBe(404);
    expect((await outage({ channel: 'wechat', mode: 'slow' })).status).toBe(400);
    expect((await outage({ channel: 'wechat', mode: 'hang', ms: 5 })).status).toBe(400);
    expect((await outage({ channel: 'wechat', mode: 'error', status: 200 })).status).toBe(400);
    expect((await outage({ channel: 'wechat', host: 'third', mode: 'off' })).status).toBe(400);
  });
});

test('a script can be for what comes in at one address alone', async () => {
  await sandbox.control.post('/scripts', {
    match: { host: 'second' },
    operations: ['query'],
    script: [{ do: 'garbage' }],
  });
  expect((await first.query('never_made')).status).toBe(404);
  expect((await second.query('never_made')).isAuthentic).toBe(false);
});

test('an address that sees late does not know an order that the other one has just taken', async () => {
  await sandbox.control.post('/scripts', {
    match: { host: 'second' },
    operations: ['query'],
    script: [{ do: 'sees_late', seconds: 10 }],
  });
  const [byCode, byQr] = [newOrderNo(), newOrderNo()];
  await first.micropay(byCode, await freshCode(sandbox, 'wechat'));
  await first.native(byQr);
  const alipayAccount = firstOf(keys.alipay.accounts);
  await alipayMerchant(sandbox, alipayAccount).pay(byCode, await freshCode(sandbox, 'alipay'));
  const alipayElsewhere = alipayMerchant({ ...sandbox, alipayUrl: sandbox.second.alipayUrl }, alipayAccount);
  const unionpayAccount = firstOf(keys.unionpay.accounts);
  await unionpayMerchant(sandbox, unionpayAccount).pay(byCode, await freshCode(sandbox, 'unionpay'));
  const unionpayElsewhere = unionpayMerchant({ ...sandbox, unionpayUrl: sandbox.second.unionpayUrl }, unionpayAccount);
  const txnTime = (await unionpayMerchant(sandbox, unionpayAccount).query(byCode)).fields['txnTime'] ?? '';

  expect((await first.orderquery(byCode)).fields['trade_state']).toBe('SUCCESS');
  expect((await second.orderquery(byCode)).fields['err_code']).toBe('ORDERNOTEXIST');
  expect(await second.query(byQr)).toMatchObject({ status: 404, body: { code: 'ORDER_NOT_EXIST' } });
  expect(await alipayElsewhere.query(byCode)).toMatchObject({ sub_code: 'ACQ.TRADE_NOT_EXIST' });
  expect((await unionpayElsewhere.query(byCode, { txnTime })).fields['respCode']).toBe('34');
  await clock.advance(10_000);
  expect((await second.orderquery(byCode)).fields['trade_state']).toBe('SUCCESS');
  expect((await second.query(byQr)).status).toBe(200);
  expect(await alipayElsewhere.query(byCode)).toMatchObject({ trade_status: 'TRADE_SUCCESS' });
  expect((await unionpayElsewhere.query(byCode, { txnTime })).fields['origRespCode']).toBe('00');
});
