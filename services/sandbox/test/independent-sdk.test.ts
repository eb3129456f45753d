import { AlipaySdk } from 'alipay-sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Wechatpay } from 'wechatpay-axios-plugin';
import { firstOf, freshCode, ledgerOf, makeKeys, type RunningSandbox, readKey, runSandbox } from './running-sandbox.ts';

// Clients that we have not written drive the simulators: if they accept each other, the protocol is the official one
// and not what our adapters and our simulators have agreed on among themselves.

const { keys, remove } = makeKeys();
const wechatAccount = firstOf(keys.wechat.accounts);
const alipayAccount = firstOf(keys.alipay.accounts);
let sandbox: RunningSandbox;

beforeAll(async () => {
  sandbox = await runSandbox({ keys, wechat: { refundTakesMs: 0 } });
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

let orders = 0;
const newOrderNo = (): string => {
  orders += 1;
  return `independent_${orders}`;
};

const wechatClient = (changes: { readonly publicKeyFile?: string; readonly privateKeyFile?: string } = {}) =>
  new Wechatpay({
    baseURL: sandbox.wechatUrl,
    mchid: wechatAccount.mchid,
    serial: wechatAccount.merchantSerialNo,
    privateKey: readKey(changes.privateKeyFile ?? wechatAccount.merchantPrivateKeyFile),
    certs: {
      [keys.wechat.publicKeyId]: readKey(changes.publicKeyFile ?? keys.wechat.publicKeyFile),
    },
    secret: readKey(wechatAccount.apiV2KeyFile),
  });

/** What an axios call was refused with. */
const refusalOf = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error as Error & { response?: { status: number; data: unknown } };
};

describe('wechatpay-axios-plugin over v3', () => {
  const place = (client: Wechatpay, outTradeNo: string, total = 100) =>
    client.client.v3.post<{ code_url: string }>('/v3/pay/transactions/native', {
      appid: wechatAccount.appid,
      mchid: wechatAccount.mchid,
      description: 'Image形象店-深圳腾大-QQ公仔',
      out_trade_no: outTradeNo,
      notify_url: `${sandbox.wechatUrl}/nobody-listens`,
      amount: { total, currency: 'CNY' },
    });
  const query = (client: Wechatpay, outTradeNo: string) =>
    client.client.v3.get<{ trade_state: string; transaction_id?: string; amount: { total: number } }>(
      `/v3/pay/transactions/out-trade-no/${outTradeNo}`,
      { params: { mchid: wechatAccount.mchid } },
    );

  test('places, queries, has paid, refunds and queries the refund', async () => {
    const client = wechatClient();
    const outTradeNo = newOrderNo();
    const { data: placed } = await place(client, outTradeNo);
    expect(placed.code_url).toMatch(/^weixin:\/\/wxpay\/bizpayurl\?pr=/);
    expect((await query(client, outTradeNo)).data).toMatchObject({ trade_state: 'NOTPAY', amount: { total: 100 } });

    await sandbox.control.post('/scan', { code: placed.code_url });
    const { data: paid } = await query(client, outTradeNo);
    expect(paid).toMatchObject({ trade_state: 'SUCCESS', amount: { total: 100, payer_total: 100 } });
    const byId = await client.client.v3.get(`/v3/pay/transactions/id/${paid.transaction_id ?? ''}`, {
      params: { mchid: wechatAccount.mchid },
    });
    expect(byId.data).toEqual(paid);

    const { data: refund } = await client.client.v3.post('/v3/refund/domestic/refunds', {
      out_trade_no: outTradeNo,
      out_refund_no: `${outTradeNo}_r`,
      amount: { refund: 40, total: 100, currency: 'CNY' },
    });
    expect(refund).toMatchObject({ status: 'PROCESSING', amount: { refund: 40 } });
    const { data: refunded } = await client.client.v3.get(`/v3/refund/domestic/refunds/${outTradeNo}_r`);
    expect(refunded).toMatchObject({ status: 'SUCCESS', out_trade_no: outTradeNo });
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, chargedFen: 100, netFen: 60 });
  });

  test('closes an order and is told so with 204', async () => {
    const client = wechatClient();
    const outTradeNo = newOrderNo();
    await place(client, outTradeNo);
    const path = `/v3/pay/transactions/out-trade-no/${outTradeNo}/close`;
    expect(await client.client.v3.post(path, { mchid: wechatAccount.mchid })).toMatchObject({ status: 204, data: '' });
    expect((await query(client, outTradeNo)).data).toMatchObject({ trade_state: 'CLOSED' });
  });

  test('is refused when its request was signed with another key', async () => {
    const stranger = wechatClient({ privateKeyFile: firstOf(keys.wechat.accounts.slice(1)).merchantPrivateKeyFile });
    const refusal = await refusalOf(place(stranger, newOrderNo()));
    expect(refusal.response).toMatchObject({ status: 401, data: { code: 'SIGN_ERROR' } });
  });

  test('is refused when the body was changed on the way', async () => {
    const client = wechatClient();
    const v3 = client.client.v3;
    // Runs after the SDK has signed: what a man in the middle would do.
    const tampering = v3.interceptors.request.use(
      (config) => ({ ...config, data: { ...(config.data as object), amount: { total: 1, currency: 'CNY' } } }),
      undefined,
    );
    // Interceptors run last in, first out, so the one added later sees the request first; the signer has to be later.
    const handlers = (v3.interceptors.request as unknown as { handlers: unknown[] }).handlers;
    handlers.unshift(handlers.pop());
    const refusal = await refusalOf(place(client, newOrderNo()));
    v3.interceptors.request.eject(tampering);
    expect(refusal.response).toMatchObject({ status: 401, data: { code: 'SIGN_ERROR' } });
  });

  test('refuses an answer that another key has signed', async () => {
    const client = wechatClient({ publicKeyFile: keys.alipay.publicKeyFile });
    const refusal = await refusalOf(place(client, newOrderNo()));
    expect(refusal.message).toContain('Verify the response');
  });
});

describe('wechatpay-axios-plugin for the merchants of a service provider', () => {
  const [first, second] = wechatAccount.subMerchants;
  if (first === undefined || second === undefined) throw new Error('the provider has no merchants');
  const namesOf = (sub: typeof first) => ({
    sp_mchid: wechatAccount.mchid,
    sp_appid: wechatAccount.appid,
    sub_mchid: sub.mchid,
    ...(sub.appid === undefined ? {} : { sub_appid: sub.appid }),
  });
  const partner = '/v3/pay/partner/transactions';
  const query = (sub: typeof first, outTradeNo: string) =>
    wechatClient().client.v3.get<Record<string, unknown>>(`${partner}/out-trade-no/${outTradeNo}`, {
      params: { sp_mchid: wechatAccount.mchid, sub_mchid: sub.mchid },
    });

  for (const sub of [first, second]) {
    test(`places, has paid, queries, refunds and queries the refund ${sub.appid === undefined ? 'without' : 'with'} sub_appid`, async () => {
      const { v3 } = wechatClient().client;
      const outTradeNo = newOrderNo();
      const { data: placed } = await v3.post<{ code_url: string }>(`${partner}/native`, {
        ...namesOf(sub),
        description: 'tea',
        out_trade_no: outTradeNo,
        notify_url: `${sandbox.wechatUrl}/nobody-listens`,
        amount: { total: 100, currency: 'CNY' },
      });
      await sandbox.control.post('/scan', { code: placed.code_url });
      const { data: paid } = await query(sub, outTradeNo);
      expect(paid).toMatchObject({ ...namesOf(sub), trade_state: 'SUCCESS', amount: { total: 100 } });
      expect(paid).not.toHaveProperty('mchid');
      const sub_mchid = sub.mchid;
      const { data: refund } = await v3.post('/v3/refund/domestic/refunds', {
        sub_mchid,
        out_trade_no: outTradeNo,
        out_refund_no: `${outTradeNo}_r`,
        amount: { refund: 40, total: 100, currency: 'CNY' },
      });
      expect(refund).toMatchObject({ status: 'PROCESSING' });
      const { data: refunded } = await v3.get(`/v3/refund/domestic/refunds/${outTradeNo}_r`, { params: { sub_mchid } });
      expect(refunded).toMatchObject({ status: 'SUCCESS', out_trade_no: outTradeNo });
      expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, chargedFen: 100, netFen: 60 });
    });

    test(`takes a payment code over v3 and v2, queries and reverses ${sub.appid === undefined ? 'without' : 'with'} sub_appid`, async () => {
      const { v2, v3 } = wechatClient().client;
      const overV3 = newOrderNo();
      const { data: paid } = await v3.post<Record<string, unknown>>(`${partner}/codepay`, {
        ...namesOf(sub),
        description: 'tea',
        out_trade_no: overV3,
        payer: { auth_code: await freshCode(sandbox, 'wechat') },
        amount: { total: 250, currency: 'CNY' },
        scene_info: { store_info: { out_id: 'shop-1' } },
      });
      expect(paid).toMatchObject({ ...namesOf(sub), trade_state: 'SUCCESS', trade_type: 'MICROPAY' });
      expect((await query(sub, overV3)).data).toEqual(paid);
      const { data: reversed } = await v3.post(`${partner}/out-trade-no/${overV3}/reverse`, namesOf(sub));
      expect(reversed).toEqual({ ...namesOf(sub), out_trade_no: overV3 });

      const common = { appid: wechatAccount.appid, mch_id: wechatAccount.mchid, sub_mch_id: sub.mchid };
      const overV2 = newOrderNo();
      const { data: paidOverV2 } = await v2.post<Record<string, string>>('/pay/micropay', {
        ...common,
        out_trade_no: overV2,
        body: 'tea',
        total_fee: '250',
        spbill_create_ip: '127.0.0.1',
        auth_code: await freshCode(sandbox, 'wechat'),
      });
      expect(paidOverV2).toMatchObject({ ...common, result_code: 'SUCCESS', total_fee: '250' });
      await v2.post('/secapi/pay/reverse', { ...common, out_trade_no: overV2 });
      for (const outTradeNo of [overV3, overV2]) {
        expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, chargedFen: 250, netFen: 0 });
      }
    });
  }

  test('is refused for a merchant that the provider does not work for, and for the order of another one', async () => {
    const { v3 } = wechatClient().client;
    const outTradeNo = newOrderNo();
    const order = {
      description: 'tea',
      out_trade_no: outTradeNo,
      notify_url: `${sandbox.wechatUrl}/nobody-listens`,
      amount: { total: 100, currency: 'CNY' },
    };
    const stranger = await refusalOf(
      v3.post(`${partner}/native`, { ...order, ...namesOf({ ...first, mchid: '1600000000' }) }),
    );
    expect(stranger.response).toMatchObject({ status: 403, data: { code: 'NO_AUTH' } });
    const { data } = await v3.post<{ code_url: string }>(`${partner}/native`, { ...order, ...namesOf(first) });
    await sandbox.control.post('/scan', { code: data.code_url });
    const others = await refusalOf(query(second, outTradeNo));
    expect(others.response).toMatchObject({ status: 400, data: { code: 'INVALID_REQUEST' } });
    const refund = await refusalOf(
      v3.post('/v3/refund/domestic/refunds', {
        sub_mchid: second.mchid,
        out_trade_no: outTradeNo,
        out_refund_no: `${outTradeNo}_r`,
        amount: { refund: 40, total: 100, currency: 'CNY' },
      }),
    );
    expect(refund.response).toMatchObject({ status: 400, data: { code: 'INVALID_REQUEST' } });
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ netFen: 100 });
  });
});

describe('wechatpay-axios-plugin over v2', () => {
  const common = { appid: wechatAccount.appid, mch_id: wechatAccount.mchid };
  const signTypes = [{}, { sign_type: 'MD5' }, { sign_type: 'HMAC-SHA256' }];

  for (const signType of signTypes) {
    test(`pays by code, queries and reverses with ${JSON.stringify(signType)}`, async () => {
      const { v2 } = wechatClient().client;
      const out_trade_no = newOrderNo();
      const { data: paid } = await v2.post<Record<string, string>>('/pay/micropay', {
        ...common,
        ...signType,
        out_trade_no,
        body: 'Tee & <Gebäck>',
        total_fee: '250',
        spbill_create_ip: '127.0.0.1',
        auth_code: await freshCode(sandbox, 'wechat'),
      });
      expect(paid).toMatchObject({ result_code: 'SUCCESS', trade_type: 'MICROPAY', total_fee: '250', out_trade_no });
      const { data: queried } = await v2.post<Record<string, string>>('/pay/orderquery', {
        ...common,
        ...signType,
        out_trade_no,
      });
      expect(queried).toMatchObject({ trade_state: 'SUCCESS', transaction_id: paid['transaction_id'] });
      const { data: reversed } = await v2.post<Record<string, string>>('/secapi/pay/reverse', {
        ...common,
        ...signType,
        out_trade_no,
      });
      expect(reversed).toMatchObject({ result_code: 'SUCCESS', recall: 'N' });
      expect(await ledgerOf(sandbox, out_trade_no)).toMatchObject({ charges: 1, chargedFen: 250, netFen: 0 });
    });
  }

  test('is refused when its key is wrong', async () => {
    const { v2 } = new Wechatpay({
      baseURL: sandbox.wechatUrl,
      mchid: wechatAccount.mchid,
      serial: wechatAccount.merchantSerialNo,
      privateKey: readKey(wechatAccount.merchantPrivateKeyFile),
      certs: { [keys.wechat.publicKeyId]: readKey(keys.wechat.publicKeyFile) },
      secret: '0123456789abcdef0123456789abcdef',
    }).client;
    const refusal = await refusalOf(v2.post('/pay/orderquery', { ...common, out_trade_no: 'no_matter' }));
    expect(refusal.response?.data).toMatchObject({ return_code: 'FAIL', return_msg: '签名错误' });
  });

  test('refuses an answer whose signature is wrong', async () => {
    const { body: script } = await sandbox.control.post<{ scriptId: string }>('/scripts', {
      match: { outTradeNo: 'v2_badly_signed' },
      operations: ['pay'],
      script: [{ do: 'bad_signature' }],
    });
    const { v2 } = wechatClient().client;
    const refusal = await refusalOf(
      v2.post('/pay/micropay', {
        ...common,
        out_trade_no: 'v2_badly_signed',
        body: 'tea',
        total_fee: '1',
        spbill_create_ip: '127.0.0.1',
        auth_code: await freshCode(sandbox, 'wechat'),
      }),
    );
    expect(refusal.message).toContain('matched the local calculated');
    await sandbox.control.remove(`/scripts/${script.scriptId}`);
  });
});

describe('alipay-sdk, verifying every answer', () => {
  const alipayClient = (changes: { readonly publicKeyFile?: string; readonly privateKeyFile?: string } = {}) =>
    new AlipaySdk({
      appId: alipayAccount.appId,
      keyType: 'PKCS8',
      privateKey: readKey(changes.privateKeyFile ?? alipayAccount.appPrivateKeyFile),
      alipayPublicKey: readKey(changes.publicKeyFile ?? keys.alipay.publicKeyFile),
      gateway: sandbox.alipayUrl,
    });
  const exec = (client: AlipaySdk, method: string, bizContent: object) =>
    client.exec(method, { bizContent: { ...bizContent } }, { validateSign: true });

  test('learns who pays, makes that payer’s trade, and opens the pages it signs', async () => {
    const client = alipayClient();
    const authorise = new URL('/oauth2/publicAppAuthorize.htm', sandbox.alipayUrl);
    authorise.search = new URLSearchParams({
      app_id: alipayAccount.appId,
      scope: 'auth_base',
      redirect_uri: 'https://shop.example.com/back',
      state: 's1',
    }).toString();
    const agent = { redirect: 'manual', headers: { 'user-agent': 'AlipayClient/10', connection: 'close' } } as const;
    const back = new URL((await fetch(authorise, agent)).headers.get('location') ?? '');
    expect(back.searchParams.get('state')).toBe('s1');
    const code = back.searchParams.get('auth_code') ?? '';
    const token = () =>
      client.exec('alipay.system.oauth.token', { grantType: 'authorization_code', code }, { validateSign: true });
    const { userId } = await token();
    expect(userId).toMatch(/^2088[0-9]{12}$/);
    // Once.
    expect(await token()).toMatchObject({ subCode: 'isv.code-invalid' });
    const outTradeNo = newOrderNo();
    const trade = { outTradeNo, subject: 'tea', totalAmount: '1.00', buyerId: userId };
    const made = await exec(client, 'alipay.trade.create', trade);
    expect(made).toMatchObject({ code: '10000', outTradeNo });
    expect(await exec(client, 'alipay.trade.create', trade)).toMatchObject({ tradeNo: made['tradeNo'] as string });

    const page = { out_trade_no: newOrderNo(), subject: 'tea', total_amount: '1.00', product_code: 'QUICK_WAP_WAY' };
    const url = client.pageExecute('alipay.trade.wap.pay', 'GET', { bizContent: page });
    const opened = await fetch(url, { headers: { connection: 'close' } });
    expect(await opened.text()).toContain('https://qr.alipay.com/');
    expect((await fetch(url.replace('tea', 'pie'), { headers: { connection: 'close' } })).status).toBe(400);
  });

  test('pays by code, queries, refunds and queries the refund', async () => {
    const client = alipayClient();
    const outTradeNo = newOrderNo();
    const paid = await exec(client, 'alipay.trade.pay', {
      outTradeNo,
      scene: 'bar_code',
      authCode: await freshCode(sandbox, 'alipay'),
      subject: '茶 50% / 100 & more + "quotes"',
      totalAmount: '88.88',
    });
    expect(paid).toMatchObject({ code: '10000', outTradeNo, totalAmount: '88.88' });
    expect(await exec(client, 'alipay.trade.query', { outTradeNo })).toMatchObject({
      code: '10000',
      tradeStatus: 'TRADE_SUCCESS',
      tradeNo: paid['tradeNo'] as string,
    });
    expect(
      await exec(client, 'alipay.trade.refund', { outTradeNo, outRequestNo: 'r1', refundAmount: '8.88' }),
    ).toMatchObject({ code: '10000', fundChange: 'Y', refundFee: '8.88' });
    expect(await exec(client, 'alipay.trade.fastpay.refund.query', { outTradeNo, outRequestNo: 'r1' })).toMatchObject({
      code: '10000',
      refundStatus: 'REFUND_SUCCESS',
      refundAmount: '8.88',
    });
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, chargedFen: 8888, netFen: 8000 });
  });

  test('precreates, sees no trade before the scan, is paid, and cancels', async () => {
    const client = alipayClient();
    const outTradeNo = newOrderNo();
    const created = await exec(client, 'alipay.trade.precreate', { outTradeNo, totalAmount: '1.00', subject: 'tea' });
    expect(created).toMatchObject({ code: '10000', outTradeNo });
    expect(await exec(client, 'alipay.trade.query', { outTradeNo })).toMatchObject({
      code: '40004',
      subCode: 'ACQ.TRADE_NOT_EXIST',
    });
    await sandbox.control.post('/scan', { code: created['qrCode'] });
    expect(await exec(client, 'alipay.trade.query', { outTradeNo })).toMatchObject({ tradeStatus: 'TRADE_SUCCESS' });
    expect(await exec(client, 'alipay.trade.cancel', { outTradeNo })).toMatchObject({
      retryFlag: 'N',
      action: 'refund',
    });
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, netFen: 0 });
  });

  test('is refused when its request was signed with another key', async () => {
    const stranger = alipayClient({ privateKeyFile: firstOf(keys.alipay.accounts.slice(1)).appPrivateKeyFile });
    expect(await exec(stranger, 'alipay.trade.query', { outTradeNo: 'no_matter' })).toMatchObject({
      code: '40002',
      subCode: 'isv.invalid-signature',
    });
  });

  test('refuses an answer that another key has signed', async () => {
    const client = alipayClient({ publicKeyFile: keys.wechat.publicKeyFile });
    await expect(exec(client, 'alipay.trade.query', { outTradeNo: 'no_matter' })).rejects.toThrow('验签失败');
  });
});

test('every refused signature was counted', async () => {
  const { body } = await sandbox.control.get('/stats');
  expect(body).toMatchObject({
    refusedSignatures: {
      wechat: { bad_signature: 2, v2_bad_signature: 1 },
      alipay: { 'isv.invalid-signature': 1 },
    },
  });
});
