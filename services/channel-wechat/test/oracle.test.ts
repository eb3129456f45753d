import { afterEach, beforeEach, expect, test } from 'vitest';
import { Aes, Formatter, Hash, Rsa, Transformer } from 'wechatpay-axios-plugin';
import { askByCode, payByCode } from '../src/code-payment.ts';
import { parseNotification } from '../src/notification.ts';
import { placeOrder } from '../src/order-payment.ts';
import {
  API_V2_KEY,
  API_V3_KEY,
  account,
  callOf,
  httpFor,
  KEY_IDS,
  merchantKeys,
  NOW_MS,
  order,
  payment,
  startPeer,
  type WechatPeer,
  wechatpayKeyPairs,
} from './wechat-peer.ts';

// An SDK that others wrote reads what the adapter writes and writes what it reads.

let peer: WechatPeer;
let http: ReturnType<typeof httpFor>;
beforeEach(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterEach(async () => {
  await http.close();
  await peer.close();
});
const call = () => callOf(account(peer.baseUrl), http);

test('the SDK verifies our v3 request, and we verify its answer', async () => {
  const body = '{"code_url":"weixin://wxpay/bizpayurl?pr=JyC91EIz1"}';
  const timestamp = String(NOW_MS / 1_000);
  const nonce = Formatter.nonce();
  peer.answer = () => ({
    status: 200,
    headers: {
      'wechatpay-serial': KEY_IDS[0],
      'wechatpay-timestamp': timestamp,
      'wechatpay-nonce': nonce,
      'wechatpay-signature': Rsa.sign(Formatter.response(timestamp, nonce, body), wechatpayKeyPairs[0].privateKey),
    },
    body,
  });
  const report = await placeOrder(payment({ order: order({ kind: 'merchant_qr' }) }), call());
  expect(report.facts.signature).toBe('verified');

  const [request] = peer.seen;
  const pair = (name: string): string =>
    new RegExp(`${name}="([^"]*)"`).exec(request?.headers.authorization ?? '')?.[1] ?? '';
  const text = Formatter.request('POST', request?.url ?? '', pair('timestamp'), pair('nonce_str'), request?.body ?? '');
  expect(Rsa.verify(text, pair('signature'), merchantKeys.publicKey)).toBe(true);
});

test('the SDK reads and verifies our v2 request, and we read and verify its answer', async () => {
  const paid = {
    return_code: 'SUCCESS',
    result_code: 'SUCCESS',
    appid: 'wx8888888888888888',
    mch_id: '1900000109',
    nonce_str: Formatter.nonce(),
    trade_state: 'SUCCESS',
    attach: 'a < b & "c"',
    total_fee: '888',
    transaction_id: '42',
    out_trade_no: order().channelOrderNo,
    time_end: '20261122115959',
  };
  const sign = Hash.sign(Hash.ALGO_HMAC_SHA256, paid, API_V2_KEY) ?? '';
  peer.answer = () => ({
    status: 200,
    headers: { 'content-type': 'text/xml' },
    body: Transformer.toXml({ ...paid, sign }),
  });
  expect((await payByCode(payment(), call())).outcome.kind).toBe('succeeded');
  expect((await askByCode(order(), call())).outcome.kind).toBe('succeeded');

  for (const { body } of peer.seen) {
    const fields = Transformer.toObject.call({}, body) as Record<string, string>;
    expect(Hash.sign(Hash.ALGO_HMAC_SHA256, fields, API_V2_KEY)).toBe(fields['sign']);
  }
  expect(Transformer.toObject.call({}, peer.seen[0]?.body ?? '')).toMatchObject({
    body: 'Tea & <cake> 茶',
    auth_code: '130000000000000009',
  });
});

test('we open what the SDK sealed, and verify what it signed, in a notification', () => {
  const content = {
    appid: 'wx8888888888888888',
    mchid: '1900000109',
    out_trade_no: order().channelOrderNo,
    transaction_id: '42',
    trade_state: 'SUCCESS',
    success_time: '2026-11-22T11:59:59+08:00',
    amount: { total: 888, currency: 'CNY' },
  };
  const nonce = 'fdasflkja484';
  const ciphertext = Aes.AesGcm.encrypt(JSON.stringify(content), API_V3_KEY, nonce, 'transaction');
  const body = JSON.stringify({
    id: '1',
    event_type: 'TRANSACTION.SUCCESS',
    resource: { algorithm: 'AEAD_AES_256_GCM', ciphertext, nonce, associated_data: 'transaction' },
  });
  const timestamp = String(NOW_MS / 1_000);
  const report = parseNotification(
    {
      headers: {
        'wechatpay-serial': KEY_IDS[1],
        'wechatpay-timestamp': timestamp,
        'wechatpay-nonce': 'n',
        'wechatpay-signature': Rsa.sign(Formatter.response(timestamp, 'n', body), wechatpayKeyPairs[1].privateKey),
      },
      body: Buffer.from(body),
    },
    call(),
  );
  expect(report).toMatchObject({ kind: 'news', payments: [{ report: { outcome: { kind: 'succeeded' } } }] });
});
