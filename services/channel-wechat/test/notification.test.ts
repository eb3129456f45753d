import { createCipheriv } from 'node:crypto';
import type { RawNotification } from '@tillmesh/channel-kit';
import { Secret } from '@tillmesh/config';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseNotification } from '../src/notification.ts';
import {
  API_V3_KEY,
  account,
  callOf,
  httpFor,
  KEY_IDS,
  merchantKeys,
  NOW_MS,
  order,
  refund,
  signedHeaders,
  wechatpayKeyPairs,
} from './wechat-peer.ts';

const TRANSACTION = {
  appid: 'wx8888888888888888',
  mchid: '1900000109',
  out_trade_no: order().channelOrderNo,
  transaction_id: '4200000000202611220000000003',
  trade_state: 'SUCCESS',
  trade_state_desc: '支付成功',
  success_time: '2026-11-22T11:59:59+08:00',
  amount: { total: 888, payer_total: 888, currency: 'CNY', payer_currency: 'CNY' },
};
const REFUND = {
  mchid: '1900000109',
  out_trade_no: order().channelOrderNo,
  transaction_id: '4200000000202611220000000003',
  out_refund_no: refund().refundNo,
  refund_id: '50200207182018070300011301001',
  refund_status: 'SUCCESS',
  success_time: '2026-11-22T12:00:00+08:00',
  user_received_account: '招商银行信用卡0403',
  amount: { total: 888, refund: 100, payer_total: 888, payer_refund: 100 },
};

const sealed = (content: unknown, key = API_V3_KEY): object => {
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key), Buffer.from('fdasflkja484'));
  cipher.setAAD(Buffer.from('transaction'));
  const plain = typeof content === 'string' ? content : JSON.stringify(content);
  const box = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return {
    original_type: 'transaction',
    algorithm: 'AEAD_AES_256_GCM',
    ciphertext: box.toString('base64'),
    associated_data: 'transaction',
    nonce: 'fdasflkja484',
  };
};

const envelope = (eventType: string, resource: object): string =>
  JSON.stringify({
    id: 'EV-2018022511223320873',
    create_time: '2026-11-22T12:00:00+08:00',
    resource_type: 'encrypt-resource',
    event_type: eventType,
    summary: '支付成功',
    resource,
  });

const raw = (body: string | Buffer, headers?: Record<string, string>): RawNotification => ({
  headers: headers ?? signedHeaders(body.toString()),
  body: Buffer.from(body),
});
const http = httpFor('http://127.0.0.1:1');
const call = callOf(account('http://127.0.0.1:1'), http);
const parse = (notification: RawNotification) => parseNotification(notification, call);
const paid = (change: object = {}) => envelope('TRANSACTION.SUCCESS', sealed({ ...TRANSACTION, ...change }));

test('a paid order is news, with the amount that was paid and the bytes that acknowledge it', () => {
  const report = parse(raw(paid()));
  expect(report).toMatchObject({
    kind: 'news',
    payments: [
      {
        channelOrderNo: order().channelOrderNo,
        report: {
          outcome: { kind: 'succeeded', paid: { minorUnits: 888n }, paidAtMs: Date.UTC(2026, 10, 22, 3, 59, 59) },
          facts: { signature: 'verified' },
        },
      },
    ],
    refunds: [],
    answerOk: { status: 200 },
    answerRetry: { status: 500 },
  });
});

test('the same news twice has the same key, other news another', () => {
  const keyOf = (body: string, nonce: string) => {
    const report = parse(raw(body, signedHeaders(body, { nonce })));
    return report.kind === 'news' ? report.dedupeKey : '';
  };
  expect(keyOf(paid(), 'a')).toBe(keyOf(paid(), 'b'));
  expect(keyOf(paid(), 'a')).not.toBe(keyOf(paid({ transaction_id: '42' }), 'a'));
});

test('a notification under the second key is read while the keys change', () => {
  const body = paid();
  const headers = signedHeaders(body, { key: wechatpayKeyPairs[1].privateKey, serial: KEY_IDS[1] });
  expect(parse(raw(body, headers)).kind).toBe('news');
});

const REFUNDS: readonly (readonly [string, string, string])[] = [
  ['REFUND.SUCCESS', 'SUCCESS', 'succeeded'],
  ['REFUND.CLOSED', 'CLOSED', 'failed'],
  ['REFUND.ABNORMAL', 'ABNORMAL', 'abnormal'],
  ['REFUND.SUCCESS', 'NOVEL', 'unknown'],
];
for (const [eventType, status, state] of REFUNDS) {
  test(`${eventType} with ${status} is news of a refund that is ${state}`, () => {
    expect(parse(raw(envelope(eventType, sealed({ ...REFUND, refund_status: status }))))).toMatchObject({
      kind: 'news',
      payments: [],
      refunds: [{ refundNo: refund().refundNo, report: { state, channelRefundId: REFUND.refund_id } }],
    });
  });
}

const at = (seconds: number) => ({ timestamp: String(NOW_MS / 1_000 + seconds) });
const REFUSED: readonly (readonly [string, () => RawNotification, string, number])[] = [
  ['no signature', () => raw(paid(), {}), 'no_signature', 401],
  [
    'a probe',
    () => raw(paid(), { ...signedHeaders(paid()), 'wechatpay-signature': 'WECHATPAY/SIGNTEST/c2lnbg==' }),
    'probe',
    401,
  ],
  [
    'a changed body',
    () => ({ ...raw(paid()), body: Buffer.from(paid().replace('EV-2018', 'EV-2019')) }),
    'bad_signature',
    401,
  ],
  ['a changed time', () => raw(paid(), { ...signedHeaders(paid()), 'wechatpay-timestamp': '1' }), 'bad_signature', 401],
  [
    'the signature of a stranger',
    () => raw(paid(), signedHeaders(paid(), { key: merchantKeys.privateKey })),
    'bad_signature',
    401,
  ],
  [
    'a key that we do not know',
    () => raw(paid(), signedHeaders(paid(), { serial: 'PUB_KEY_ID_2' })),
    'bad_signature',
    401,
  ],
  ['a time more than 5 minutes back', () => raw(paid(), signedHeaders(paid(), at(-301))), 'stale', 401],
  ['a time more than 5 minutes ahead', () => raw(paid(), signedHeaders(paid(), at(301))), 'stale', 401],
  ['another merchant', () => raw(paid({ mchid: '1900000110' })), 'foreign_account', 403],
  ['another application', () => raw(paid({ appid: 'wx1' })), 'foreign_account', 403],
  [
    'a refund of another merchant',
    () => raw(envelope('REFUND.SUCCESS', sealed({ ...REFUND, mchid: '1' }))),
    'foreign_account',
    403,
  ],
  [
    'a box that another key sealed',
    () => raw(envelope('TRANSACTION.SUCCESS', sealed(TRANSACTION, 'x'.repeat(32)))),
    'unreadable',
    400,
  ],
  ['a box that holds no object', () => raw(envelope('TRANSACTION.SUCCESS', sealed('[]'))), 'unreadable', 400],
  ['an event that nobody listed', () => raw(envelope('TRANSACTION.NOVEL', sealed(TRANSACTION))), 'unreadable', 400],
  ['no order number', () => raw(paid({ out_trade_no: undefined })), 'unreadable', 400],
  ['no JSON', () => raw('paid=1'), 'unreadable', 400],
  ['bytes that are no text', () => ({ headers: signedHeaders('x'), body: Buffer.from([0xff]) }), 'unreadable', 400],
];
for (const [what, notification, refusal, status] of REFUSED) {
  test(`a notification with ${what} is refused as ${refusal}`, () => {
    expect(parse(notification())).toMatchObject({ kind: 'refused', refusal, answerRetry: { status } });
  });
}

test('a success that lacks amount, transaction or time is news of something unknown', () => {
  for (const change of [
    { amount: {} },
    { transaction_id: undefined },
    { success_time: 'soon' },
    { trade_state: 'NOTPAY' },
  ]) {
    expect(parse(raw(paid(change)))).toMatchObject({
      kind: 'news',
      payments: [{ report: { outcome: { kind: 'unknown' } } }],
    });
  }
});

test('a notification for an account with another APIv3 key is not read', () => {
  const other = callOf(account('http://127.0.0.1:1', { apiV3KeyFile: new Secret('y'.repeat(32)) }), http);
  expect(parseNotification(raw(paid()), other)).toMatchObject({ refusal: 'unreadable' });
});

test('no bytes in a signed notification make it crash or pay', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.json(), fc.string(), fc.constant(paid())),
      fc.nat(400),
      fc.string({ maxLength: 8 }),
      (text, cut, insert) => {
        const body = `${text.slice(0, cut)}${insert}${text.slice(cut + insert.length)}`;
        const report = parse(raw(body));
        if (body === paid()) return;
        const news = report.kind === 'news' ? report.payments.map((payment) => payment.report.outcome) : [];
        // What lies in the box is authenticated by itself: it is read or it is not, but it is never read differently.
        for (const outcome of news) {
          expect(['succeeded', 'unknown']).toContain(outcome.kind);
          if (outcome.kind === 'succeeded') expect(outcome.paid.minorUnits).toBe(888n);
        }
      },
    ),
  );
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...Object.keys(TRANSACTION)), fc.jsonValue({ maxDepth: 2 })),
      (change) => {
        const report = parse(raw(paid(change)));
        const [payment] = report.kind === 'news' ? report.payments : [];
        expect(['succeeded', 'unknown', undefined]).toContain(payment?.report.outcome.kind);
      },
    ),
  );
});
