import { createVerify } from 'node:crypto';
import { AlipaySdk } from 'alipay-sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rawResponseOf } from '../src/client.ts';
import { parseNotification } from '../src/notification.ts';
import { payByCode } from '../src/payment.ts';
import {
  type AlipayPeer,
  account,
  alipayKeys,
  applicationKeys,
  callOf,
  httpFor,
  NOW_MS,
  ok,
  order,
  payment,
  signedBody,
  signText,
  startPeer,
} from './alipay-peer.ts';

// The official SDK verifies what the adapter verifies, and signs as the adapter signs.

let peer: AlipayPeer;
let http: ReturnType<typeof httpFor>;
beforeEach(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterEach(async () => {
  await http.close();
  await peer.close();
});

const pem = (key: { export(options: object): string | Buffer }, type: string): string =>
  key.export({ type, format: 'pem' }).toString();
const sdk = () =>
  new AlipaySdk({
    appId: '2021000122682882',
    privateKey: pem(applicationKeys.privateKey, 'pkcs1'),
    alipayPublicKey: pem(alipayKeys.publicKey, 'spki'),
    gateway: peer.baseUrl,
    camelcase: false,
  });

const textOf = (params: Record<string, string>): string =>
  Object.keys(params)
    .filter((name) => name !== 'sign')
    .sort()
    .map((name) => `${name}=${params[name]}`)
    .join('&');

test('the SDK and the adapter send requests of one form, each signed over its own parameters', async () => {
  const paid = ok({
    out_trade_no: order().channelOrderNo,
    trade_no: '42',
    total_amount: '88.80',
    gmt_payment: '2026-11-22 11:59:59',
  });
  peer.answer = ({ params }) => ({ status: 200, body: signedBody(params['method'] ?? '', paid) });
  // The SDK checks the answer's signature and throws where it is wrong.
  const answer = await sdk().exec(
    'alipay.trade.pay',
    { notify_url: payment().notifyUrl, bizContent: { out_trade_no: order().channelOrderNo, total_amount: '88.80' } },
    { validateSign: true },
  );
  expect(answer['code']).toBe('10000');
  expect((await payByCode(payment(), callOf(account(peer.baseUrl), http))).outcome.kind).toBe('succeeded');

  const [theirs, ours] = peer.seen;
  expect(ours?.path).toBe(theirs?.path);
  expect(Object.keys(ours?.params ?? {}).sort()).toEqual([...Object.keys(theirs?.params ?? {}), 'format'].sort());
  for (const request of peer.seen) {
    const verifies = createVerify('RSA-SHA256')
      .update(textOf(request.params))
      .verify(applicationKeys.publicKey, request.params['sign'] ?? '', 'base64');
    expect(verifies).toBe(true);
  }
});

test('the SDK and the adapter find the same signed text in an answer', () => {
  const bodies = [
    signedBody('alipay.trade.query', ok({ a: 'x"sign"y', b: 'https://a/b' })),
    `{"alipay_trade_query_response" : {"code":"10000","sign":"inner"} , "sign" : "${signText('of a real length')}"}`,
  ];
  for (const body of bodies) {
    expect(rawResponseOf(body, 'alipay.trade.query')).toBe(sdk().getSignStr(body, 'alipay_trade_query_response'));
  }
});

test('the SDK and the adapter agree on which notifications are authentic', () => {
  const params: Record<string, string> = {
    notify_id: '1',
    notify_time: '2026-11-22 12:00:00',
    app_id: '2021000122682882',
    seller_id: '2088102146225135',
    out_trade_no: order().channelOrderNo,
    trade_no: '42',
    trade_status: 'TRADE_SUCCESS',
    total_amount: '88.80',
    gmt_payment: '2026-11-22 11:59:59',
    subject: 'a + b = 100%',
    body: '',
    sign_type: 'RSA2',
  };
  const { sign_type: _type, ...withoutType } = params;
  for (const sign of [signText(textOf(withoutType)), signText(textOf(params)), signText('else')]) {
    const signed = { ...params, sign };
    const report = parseNotification(
      { headers: {}, body: Buffer.from(new URLSearchParams(signed).toString()) },
      callOf(account(peer.baseUrl), http, NOW_MS),
    );
    expect(report.kind === 'news').toBe(sdk().checkNotifySignV2(signed));
  }
});
