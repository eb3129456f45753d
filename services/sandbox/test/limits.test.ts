import { ManualClock } from '@tillmesh/clock';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createLimits, LIMITS_MAX, type NewLimit } from '../src/limits.ts';
import { alipayMerchant } from './alipay-merchant.ts';
import { firstOf, freshCode, ledgerOf, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import { stripeClient, stripeRefusal, wechatOrder } from './stripe-client.ts';
import { unionpayMerchant } from './unionpay-merchant.ts';
import { wechatMerchant } from './wechat-merchant.ts';

const { keys, remove } = makeKeys();
const clock = new ManualClock();
let sandbox: RunningSandbox;
beforeAll(async () => {
  // Alipay's own SDK says the time of this host.
  sandbox = await runSandbox({ keys, clock, alipay: { timestampToleranceMs: 100 * 365 * 86_400_000 } });
});
afterEach(() => sandbox.control.remove('/limits'));
afterAll(async () => {
  await sandbox.close();
  remove();
});

const limit = async (wish: object): Promise<string> =>
  (await sandbox.control.post<{ limitId: string }>('/limits', wish)).body.limitId;

describe('whoever asks too often', () => {
  test('hears 429 FREQUENCY_LIMITED of WeChat Pay v3, signed, and nothing is done', async () => {
    const merchant = wechatMerchant(sandbox, firstOf(keys.wechat.accounts));
    await limit({ channel: 'wechat', perSecond: 1, burst: 1 });
    expect((await merchant.native('limited_order_1')).status).toBe(200);
    const second = await merchant.native('limited_order_2');
    expect(second).toMatchObject({ status: 429, isAuthentic: true, body: { code: 'FREQUENCY_LIMITED' } });
    await clock.advance(1_000);
    expect((await merchant.query('limited_order_2')).status).toBe(404);
  });

  test('hears FREQUENCY_LIMITED of WeChat Pay v2, and the payment code is as good as before', async () => {
    const merchant = wechatMerchant(sandbox, firstOf(keys.wechat.accounts));
    await limit({ channel: 'wechat', operations: ['pay'], perSecond: 1, burst: 1 });
    await merchant.micropay('limited_code_1', await freshCode(sandbox, 'wechat'));
    const code = await freshCode(sandbox, 'wechat');
    const { fields, isAuthentic } = await merchant.micropay('limited_code_2', code);
    expect(fields).toMatchObject({ return_code: 'SUCCESS', result_code: 'FAIL', err_code: 'FREQUENCY_LIMITED' });
    expect(isAuthentic).toBe(true);
    expect(await ledgerOf(sandbox, 'limited_code_2')).toMatchObject({ charges: 0 });
    await clock.advance(1_000);
    expect((await merchant.micropay('limited_code_2', code)).fields['result_code']).toBe('SUCCESS');
  });

  test('hears 40005 of Alipay', async () => {
    const merchant = alipayMerchant(sandbox, firstOf(keys.alipay.accounts));
    await limit({ channel: 'alipay', perSecond: 1, burst: 1 });
    await merchant.precreate('limited_trade_1');
    expect(await merchant.pay('limited_trade_2', await freshCode(sandbox, 'alipay'))).toMatchObject({
      code: '40005',
      sub_code: 'isv.app-call-limited',
    });
  });

  test('hears 429 of Stripe, which forgets the key of that request', async () => {
    const client = stripeClient(sandbox);
    await limit({ channel: 'stripe', operations: ['pay'], perSecond: 1, burst: 1 });
    await client.paymentIntents.create(wechatOrder('limited_intent_1'));
    const again = () =>
      client.paymentIntents.create(wechatOrder('limited_intent_2'), { idempotencyKey: 'limited_intent_2' });
    const error = await stripeRefusal(again());
    expect(error).toMatchObject({ statusCode: 429, code: 'rate_limit' });
    expect(error.headers?.['stripe-rate-limited-reason']).toBe('global-rate');
    await clock.advance(1_000);
    expect((await again()).status).toBe('requires_action');
  });

  test('hears 06 of UnionPay, signed', async () => {
    const merchant = unionpayMerchant(sandbox, firstOf(keys.unionpay.accounts));
    await limit({ channel: 'unionpay', perSecond: 1, burst: 1 });
    expect((await merchant.place('limitedorder1')).fields['respCode']).toBe('00');
    expect(await merchant.place('limitedorder2')).toMatchObject({ isAuthentic: true, fields: { respCode: '06' } });
  });
});

test('a limit is of one account, counts what it has refused, and is gone when it is removed', async () => {
  const [one, other] = keys.wechat.accounts.map((account) => wechatMerchant(sandbox, account));
  const limitId = await limit({ channel: 'wechat', account: one?.account.mchid, perSecond: 0.01, burst: 1 });
  for (const number of [1, 2, 3]) await one?.native(`one_account_${number}`);
  expect((await other?.native('other_account_1'))?.status).toBe(200);
  expect((await sandbox.control.get('/limits')).body).toMatchObject({ limits: [{ limitId, refused: 2 }] });
  expect((await sandbox.control.remove(`/limits/${limitId}`)).status).toBe(200);
  expect((await sandbox.control.remove(`/limits/${limitId}`)).status).toBe(404);
  expect((await one?.native('one_account_4'))?.status).toBe(200);
});

test('a limit that limits nothing, or of what no merchant asks, is refused', async () => {
  for (const wish of [
    { channel: 'wechat' },
    { channel: 'nobody', perSecond: 1 },
    { channel: 'wechat', perSecond: 0 },
    { channel: 'wechat', perSecond: 1, operations: ['notification'] },
    { channel: 'wechat', perSecond: 1, surprise: true },
  ]) {
    expect((await sandbox.control.post('/limits', wish)).status).toBe(400);
  }
});

describe('an allowance', () => {
  const context = { channel: 'wechat', operation: 'refund', accountId: 'wechat-a', merchantId: '1900000001' } as const;
  const start = (wish: Partial<NewLimit>) => {
    const own = new ManualClock();
    let ids = 0;
    const limits = createLimits({ clock: own, newId: () => String((ids += 1)) });
    limits.add({ channel: 'wechat', operations: ['refund'], blockMs: 0, ...wish });
    const asked = (): string | undefined => limits.begin(context).refusedCode;
    return { own, limits, asked };
  };

  test('holds its burst, and then so many a second', () => {
    const { own, asked } = start({ perSecond: 10, burst: 3 });
    expect([asked(), asked(), asked(), asked()]).toEqual([undefined, undefined, undefined, 'FREQUENCY_LIMITED']);
    own.jump(100);
    expect([asked(), asked()]).toEqual([undefined, 'FREQUENCY_LIMITED']);
    own.jump(60_000);
    expect([asked(), asked(), asked(), asked()]).toEqual([undefined, undefined, undefined, 'FREQUENCY_LIMITED']);
  });

  test('of failing requests is used up by them alone, and refuses all that follow', () => {
    const { own, limits, asked } = start({ failedPerSecond: 6, failedBurst: 2 });
    for (let count = 0; count < 50; count += 1) expect(asked()).toBeUndefined();
    limits.begin(context).failed();
    limits.begin(context).failed();
    expect(asked()).toBe('FREQUENCY_LIMITED');
    own.jump(200);
    expect(asked()).toBeUndefined();
  });

  test('blocks who goes on hammering until there was peace for as long as it says', () => {
    const { own, asked } = start({ perSecond: 10, burst: 1, blockMs: 3_000 });
    expect([asked(), asked()]).toEqual([undefined, 'FREQUENCY_LIMITED']);
    own.jump(2_900);
    expect(asked()).toBe('FREQUENCY_LIMITED');
    own.jump(2_900);
    expect(asked()).toBe('FREQUENCY_LIMITED');
    own.jump(3_000);
    expect(asked()).toBeUndefined();
  });

  test('is not used by what another one refuses', () => {
    const { own, limits, asked } = start({ perSecond: 1, burst: 2 });
    limits.add({ channel: 'wechat', operations: ['refund'], perSecond: 10, burst: 1, blockMs: 0, code: 'OTHER' });
    expect([asked(), asked(), asked(), asked()]).toEqual([undefined, 'OTHER', 'OTHER', 'OTHER']);
    own.jump(100);
    expect(asked()).toBeUndefined();
  });

  test('cannot be added without end', () => {
    const { limits } = start({ perSecond: 1 });
    for (let count = 1; count < LIMITS_MAX; count += 1) {
      limits.add({ channel: 'wechat', operations: ['refund'], perSecond: 1, blockMs: 0 });
    }
    expect(limits.add({ channel: 'wechat', operations: ['refund'], perSecond: 1, blockMs: 0 })).toBeUndefined();
  });
});
