import { ManualClock, systemClock } from '@tillmesh/clock';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Aes, Formatter, Rsa } from 'wechatpay-axios-plugin';
import { type AlipayMerchant, alipayMerchant } from './alipay-merchant.ts';
import { type Heard, notifiedMerchant, type Reaction } from './notified-merchant.ts';
import { firstOf, freshCode, makeKeys, type RunningSandbox, readKey, runSandbox } from './running-sandbox.ts';
import { type WechatMerchant, wechatMerchant } from './wechat-merchant.ts';

const { keys, remove } = makeKeys();
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const toClose: (() => Promise<void>)[] = [];
let clock: ManualClock;
let sandbox: RunningSandbox;
let wechat: WechatMerchant;
let alipay: AlipayMerchant;

beforeEach(async () => {
  clock = new ManualClock(systemClock.nowMs());
  sandbox = await runSandbox({ keys, clock, alipay: { timestampToleranceMs: 7 * 24 * HOUR } });
  toClose.push(sandbox.close);
  wechat = wechatMerchant(sandbox, firstOf(keys.wechat.accounts));
  alipay = alipayMerchant(sandbox, firstOf(keys.alipay.accounts));
});
afterAll(remove);
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

const listen = async (first: Reaction, ...rest: readonly Reaction[]) => {
  const merchant = await notifiedMerchant(first, ...rest);
  toClose.push(merchant.close);
  return merchant;
};
const OK = { status: 200, body: '' };
const SUCCESS = { status: 200, body: 'success' };

const payNative = async (outTradeNo: string, notifyUrl: string, script: object[] = []) => {
  const { body } = await wechat.native(outTradeNo, { notify_url: notifyUrl });
  await sandbox.control.post('/scan', { code: body['code_url'], script });
};
const payAlipay = async (outTradeNo: string, notifyUrl: string, script: object[] = []) =>
  alipay.pay(outTradeNo, await freshCode(sandbox, 'alipay', { script }), {}, { notifyUrl });

type Shown = { state: string; tries: number; lastTry: string; event: string };
const notificationsOf = async (outTradeNo: string) =>
  (await sandbox.control.get<{ notifications: Shown[] }>(`/notifications?outTradeNo=${outTradeNo}`)).body.notifications;
/** Waits for real sockets: the sandbox' clock stands still meanwhile. */
const until = (heard: readonly Heard[], count: number) =>
  expect.poll(() => heard.length, { timeout: 5_000 }).toBe(count);
const untilState = (outTradeNo: string, shown: Partial<Shown>) =>
  expect.poll(async () => (await notificationsOf(outTradeNo))[0], { timeout: 5_000 }).toMatchObject(shown);

const isAuthenticWechat = ({ headers, body }: Heard): boolean =>
  Rsa.verify(
    Formatter.response(String(headers['wechatpay-timestamp']), String(headers['wechatpay-nonce']), body),
    String(headers['wechatpay-signature']),
    Rsa.from(readKey(keys.wechat.publicKeyFile), Rsa.KEY_TYPE_PUBLIC),
  );
type WechatBody = {
  id: string;
  event_type: string;
  resource: { ciphertext: string; nonce: string; associated_data: string; original_type: string };
};
const opened = ({ body }: Heard): Record<string, unknown> => {
  const { resource } = JSON.parse(body) as WechatBody;
  const key = readKey(firstOf(keys.wechat.accounts).apiV3KeyFile);
  return JSON.parse(Aes.AesGcm.decrypt(resource.ciphertext, key, resource.nonce, resource.associated_data)) as Record<
    string,
    unknown
  >;
};

describe('WeChat Pay', () => {
  test('tells of a payment: signed, encrypted, and as the query tells it', async () => {
    const merchant = await listen({ status: 204, body: '' });
    await payNative('notify_1', merchant.url);
    await until(merchant.heard, 1);
    const heard = firstOf(merchant.heard);
    expect(isAuthenticWechat(heard)).toBe(true);
    expect(heard.headers).toMatchObject({
      'wechatpay-serial': keys.wechat.publicKeyId,
      'content-type': 'application/json',
    });
    expect(JSON.parse(heard.body)).toMatchObject({
      event_type: 'TRANSACTION.SUCCESS',
      resource_type: 'encrypt-resource',
      resource: { algorithm: 'AEAD_AES_256_GCM', original_type: 'transaction' },
    });
    expect(opened(heard)).toEqual((await wechat.query('notify_1')).body);
    await untilState('notify_1', { state: 'accepted', tries: 1 });
  });

  test("tells of a refund's end at the refund's own address", async () => {
    const merchant = await listen(OK);
    await payNative('notify_2', 'http://127.0.0.1:9/nobody');
    for (const [no, status] of [
      ['r_success', 'SUCCESS'],
      ['r_closed', 'CLOSED'],
    ] as const) {
      await sandbox.control.post('/scripts', {
        match: { outTradeNo: 'notify_2' },
        operations: ['refund'],
        uses: 1,
        script: [{ do: 'refund_ends', status, seconds: 1 }],
      });
      await wechat.v3('POST', '/v3/refund/domestic/refunds', {
        out_trade_no: 'notify_2',
        out_refund_no: no,
        notify_url: merchant.url,
        amount: { refund: 50, total: 100, currency: 'CNY' },
      });
      await clock.advance(SECOND);
    }
    await until(merchant.heard, 2);
    expect(merchant.heard.map(({ body }) => (JSON.parse(body) as WechatBody).event_type).sort()).toEqual([
      'REFUND.CLOSED',
      'REFUND.SUCCESS',
    ]);
    const success = merchant.heard.find(({ body }) => body.includes('REFUND.SUCCESS'));
    expect(opened(success ?? firstOf(merchant.heard))).toMatchObject({
      out_refund_no: 'r_success',
      refund_status: 'SUCCESS',
      amount: { refund: 50, total: 100 },
    });
  });

  test('tells nothing of payments by code: the merchant has to ask', async () => {
    await wechat.micropay('notify_3', await freshCode(sandbox, 'wechat'));
    expect(await notificationsOf('notify_3')).toEqual([]);
  });

  test('tries again after 15 s, 15 s, 30 s, 3 min and so on, with the same id and a fresh signature', async () => {
    const merchant = await listen({ status: 500, body: '{"code":"FAIL"}' });
    await payNative('notify_4', merchant.url);
    const waits = [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600];
    let tries = 1;
    await until(merchant.heard, tries);
    for (const seconds of waits) {
      await untilState('notify_4', { tries, state: 'waiting' });
      await clock.advance(seconds * SECOND - 1);
      await untilState('notify_4', { tries, state: 'waiting' });
      await clock.advance(1);
      tries += 1;
      await until(merchant.heard, tries);
    }
    await untilState('notify_4', { tries: 16, state: 'given_up', lastTry: 'refused with status 500' });
    const bodies = merchant.heard.map(({ body }) => JSON.parse(body) as WechatBody);
    expect(new Set(bodies.map(({ id }) => id)).size).toBe(1);
    expect(new Set(merchant.heard.map(({ headers }) => headers['wechatpay-nonce'])).size).toBe(16);
    expect(merchant.heard.every(isAuthenticWechat)).toBe(true);
  });

  test('looks at the status alone: 200 with FAIL is accepted', async () => {
    const merchant = await listen({ status: 200, body: '{"code":"FAIL","message":"no"}' });
    await payNative('notify_5', merchant.url);
    await untilState('notify_5', { state: 'accepted' });
  });
});

describe('Alipay', () => {
  test('tells of a payment in a form that the official SDK verifies', async () => {
    const merchant = await listen(SUCCESS);
    await payAlipay('notify_a1', merchant.url);
    await until(merchant.heard, 1);
    const { headers, body } = firstOf(merchant.heard);
    expect(headers['content-type']).toContain('application/x-www-form-urlencoded');
    const form = Object.fromEntries(new URLSearchParams(body));
    expect(form).toMatchObject({
      notify_type: 'trade_status_sync',
      trade_status: 'TRADE_SUCCESS',
      out_trade_no: 'notify_a1',
      total_amount: '1.00',
      app_id: firstOf(keys.alipay.accounts).appId,
      seller_id: firstOf(keys.alipay.accounts).sellerId,
      sign_type: 'RSA2',
    });
    expect(alipay.sdk.checkNotifySignV2(form)).toBe(true);
    expect(alipay.sdk.checkNotifySignV2({ ...form, total_amount: '0.01' })).toBe(false);
    await untilState('notify_a1', { state: 'accepted' });
  });

  test('tells of a refund, too', async () => {
    const merchant = await listen(SUCCESS);
    await payAlipay('notify_a2', merchant.url);
    await until(merchant.heard, 1);
    await alipay.refund('notify_a2', '0.40', { out_request_no: 'r' });
    await until(merchant.heard, 2);
    const form = Object.fromEntries(new URLSearchParams(merchant.heard[1]?.body));
    expect(form).toMatchObject({ refund_fee: '0.40', out_biz_no: 'r', trade_status: 'TRADE_SUCCESS' });
    expect(alipay.sdk.checkNotifySignV2(form)).toBe(true);
  });

  test('tries again after 4, 10, 10 min, 1, 2, 6 and 15 h, with the same notify_id', async () => {
    const merchant = await listen({ status: 200, body: 'fail' });
    await payAlipay('notify_a3', merchant.url);
    const waits = [4 * MINUTE, 10 * MINUTE, 10 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, 15 * HOUR];
    let tries = 1;
    await until(merchant.heard, tries);
    for (const waitMs of waits) {
      await untilState('notify_a3', { tries, state: 'waiting' });
      await clock.advance(waitMs);
      tries += 1;
      await until(merchant.heard, tries);
    }
    await untilState('notify_a3', { tries: 8, state: 'given_up' });
    const ids = merchant.heard.map(({ body }) => new URLSearchParams(body).get('notify_id'));
    expect(new Set(ids).size).toBe(1);
  });

  const NOT_ACCEPTED: readonly Reaction[] = [
    { status: 200, body: 'SUCCESS' },
    { status: 200, body: 'success\n' },
    { status: 500, body: 'success' },
  ];
  for (const reaction of NOT_ACCEPTED) {
    test(`does not take ${JSON.stringify(reaction)} for an acceptance`, async () => {
      const merchant = await listen(reaction);
      await payAlipay('notify_a4', merchant.url);
      await untilState('notify_a4', { state: 'waiting', tries: 1 });
    });
  }
});

describe('every notification', () => {
  test('is given up after 5 s without an answer, and tried again', async () => {
    const merchant = await listen(undefined, OK);
    await payNative('notify_slow', merchant.url);
    await until(merchant.heard, 1);
    await clock.advance(5 * SECOND);
    await untilState('notify_slow', { tries: 1, lastTry: 'no answer within 5000 ms' });
    await clock.advance(15 * SECOND);
    await untilState('notify_slow', { tries: 2, state: 'accepted' });
  });

  test('is tried again when nobody listens', async () => {
    const merchant = await notifiedMerchant(OK);
    await merchant.close();
    await payNative('notify_gone', merchant.url);
    await untilState('notify_gone', { tries: 1, state: 'waiting' });
  });

  const pay = { wechat: payNative, alipay: payAlipay } as const;
  for (const [channel, reaction] of [
    ['wechat', OK],
    ['alipay', SUCCESS],
  ] as const) {
    test(`of ${channel} comes twice, the same, when a script says so`, async () => {
      const merchant = await listen(reaction);
      await pay[channel]('notify_twice', merchant.url, [{ do: 'notify_twice' }]);
      await untilState('notify_twice', { tries: 1, state: 'waiting' });
      await clock.advance(SECOND - 1);
      expect((await notificationsOf('notify_twice'))[0]).toMatchObject({ tries: 1, dueAtMs: clock.nowMs() + 1 });
      await clock.advance(1);
      await untilState('notify_twice', { tries: 2, state: 'accepted' });
      expect(merchant.heard).toHaveLength(2);
    });

    test(`of ${channel} never comes when a script says so`, async () => {
      const merchant = await listen(reaction);
      await pay[channel]('notify_never', merchant.url, [{ do: 'never_notify' }]);
      expect(await notificationsOf('notify_never')).toEqual([]);
      await clock.advance(24 * HOUR);
      expect(merchant.heard).toEqual([]);
    });

    test(`of ${channel} comes late and signed wrongly when a script for notifications says so`, async () => {
      const merchant = await listen(reaction);
      await sandbox.control.post('/scripts', {
        match: { outTradeNo: 'notify_wrong' },
        operations: ['notification'],
        script: [{ do: 'delay', ms: 2_000 }, { do: 'bad_signature' }],
      });
      await pay[channel]('notify_wrong', merchant.url);
      await clock.advance(1_999);
      expect(merchant.heard).toEqual([]);
      await clock.advance(1);
      await until(merchant.heard, 1);
      const heard = firstOf(merchant.heard);
      const isAuthentic =
        channel === 'wechat'
          ? isAuthenticWechat(heard)
          : alipay.sdk.checkNotifySignV2(Object.fromEntries(new URLSearchParams(heard.body)));
      expect(isAuthentic).toBe(false);
    });
  }
});

test('of wechat begins with a signature probe when a script says so, and the next is real', async () => {
  const merchant = await listen({ status: 401, body: '' }, OK);
  await sandbox.control.post('/scripts', {
    match: { outTradeNo: 'notify_probe' },
    operations: ['notification'],
    script: [{ do: 'sign_test' }],
  });
  await payNative('notify_probe', merchant.url);
  await until(merchant.heard, 1);
  const probe = firstOf(merchant.heard);
  expect(String(probe.headers['wechatpay-signature'])).toMatch(/^WECHATPAY\/SIGNTEST\/[0-9A-Za-z+/]{43}=$/);
  expect(isAuthenticWechat(probe)).toBe(false);
  await untilState('notify_probe', { tries: 1, state: 'waiting' });
  await clock.advance(15 * SECOND);
  await untilState('notify_probe', { tries: 2, state: 'accepted' });
  expect(merchant.heard.map(isAuthenticWechat)).toEqual([false, true]);
});

test('waits are scaled by the configured factor', async () => {
  const fast = await runSandbox({ keys, clock, settings: { notifications: { timeScale: 0.001 } } });
  toClose.push(fast.close);
  const merchant = await listen({ status: 500, body: '' }, OK);
  const fastMerchant = wechatMerchant(fast, firstOf(keys.wechat.accounts));
  const { body } = await fastMerchant.native('notify_fast', { notify_url: merchant.url });
  await fast.control.post('/scan', { code: body['code_url'] });
  await until(merchant.heard, 1);
  const shown = async () =>
    (await fast.control.get<{ notifications: Shown[] }>('/notifications')).body.notifications[0];
  await expect.poll(shown).toMatchObject({ tries: 1 });
  await clock.advance(15);
  await expect.poll(shown).toMatchObject({ tries: 2, state: 'accepted' });
});
