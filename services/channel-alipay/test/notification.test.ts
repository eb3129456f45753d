import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { RawNotification } from '@tillmesh/channel-kit';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseNotification } from '../src/notification.ts';
import { account, applicationKeys, callOf, httpFor, NOW_MS, order, signText } from './alipay-peer.ts';

const PAID: Record<string, string> = {
  gmt_create: '2026-11-22 11:59:40',
  charset: 'utf-8',
  seller_email: 'shop@example.com',
  subject: 'Tea + "cake" 茶 100%',
  buyer_id: '2088202954065786',
  notify_id: '2026112200222120000000000000',
  notify_type: 'trade_status_sync',
  notify_time: '2026-11-22 12:00:00',
  trade_status: 'TRADE_SUCCESS',
  total_amount: '88.80',
  receipt_amount: '88.80',
  trade_no: '2026112222001004680073956707',
  app_id: '2021000122682882',
  seller_id: '2088102146225135',
  out_trade_no: order().channelOrderNo,
  gmt_payment: '2026-11-22 11:59:59',
  version: '1.0',
};

type Way = { keepsType?: boolean; dropsEmpty?: boolean; key?: KeyObject; type?: string };
const form = (params: Record<string, string>, way: Way = {}): Record<string, string> => {
  const { keepsType = false, dropsEmpty = false, key, type = 'RSA2' } = way;
  const all: Record<string, string> = { ...params, sign_type: type };
  const text = Object.keys(all)
    .filter((name) => keepsType || name !== 'sign_type')
    .filter((name) => !dropsEmpty || all[name] !== '')
    .sort()
    .map((name) => `${name}=${all[name]}`)
    .join('&');
  return { ...all, sign: signText(text, key) };
};
const raw = (params: Record<string, string>): RawNotification => ({
  headers: { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' },
  body: Buffer.from(new URLSearchParams(params).toString()),
});
const http = httpFor('http://127.0.0.1:1/gateway.do');
const parse = (notification: RawNotification, nowMs = NOW_MS) =>
  parseNotification(notification, callOf(account('http://127.0.0.1:1/gateway.do'), http, nowMs));

test('a paid trade is news, and exactly "success" acknowledges it', () => {
  const report = parse(raw(form(PAID)));
  expect(report).toMatchObject({
    kind: 'news',
    dedupeKey: PAID['notify_id'],
    payments: [
      {
        channelOrderNo: order().channelOrderNo,
        report: {
          outcome: { kind: 'succeeded', paid: { minorUnits: 8_880n }, paidAtMs: Date.UTC(2026, 10, 22, 3, 59, 59) },
          channelState: 'TRADE_SUCCESS',
        },
      },
    ],
    refunds: [],
  });
  if (report.kind !== 'news') throw new Error('refused');
  expect(report.answerOk).toEqual({ status: 200, contentType: 'text/plain', body: Buffer.from('success') });
  expect(report.answerRetry.body.toString()).not.toBe('success');
});

test('signatures with and without sign_type, with and without empty values, are right', () => {
  const withEmpty = { ...PAID, body: '', passback_params: '' };
  for (const keepsType of [false, true]) {
    for (const dropsEmpty of [false, true]) {
      expect(parse(raw(form(withEmpty, { keepsType, dropsEmpty }))).kind).toBe('news');
    }
  }
});

const STATUSES: readonly (readonly [string, Record<string, string>, object | undefined])[] = [
  ['TRADE_FINISHED', {}, { kind: 'succeeded' }],
  ['WAIT_BUYER_PAY', {}, { kind: 'pending_payer' }],
  ['TRADE_CLOSED', { gmt_payment: '' }, { kind: 'failed_definite', closed: true }],
  ['TRADE_CLOSED', {}, undefined],
  ['TRADE_CLOSED', { gmt_payment: '', gmt_refund: '2026-11-22 12:00:00' }, undefined],
  ['NOVEL', {}, { kind: 'unknown' }],
];
for (const [status, change, outcome] of STATUSES) {
  test(`${status}${Object.keys(change).length === 0 ? '' : ` with ${JSON.stringify(change)}`} is ${JSON.stringify(outcome ?? 'no news of the payment')}`, () => {
    const report = parse(raw(form({ ...PAID, ...change, trade_status: status }, { dropsEmpty: true })));
    expect(report.kind === 'news' ? report.payments : 'refused').toMatchObject(
      outcome === undefined ? [] : [{ report: { outcome } }],
    );
  });
}

test('a success that lacks amount, trade number or time is news of something unknown', () => {
  for (const change of [{ total_amount: '88.8.0' }, { trade_no: '' }, { gmt_payment: '' }]) {
    expect(parse(raw(form({ ...PAID, ...change })))).toMatchObject({
      payments: [{ report: { outcome: { kind: 'unknown' } } }],
    });
  }
});

const HOUR_MS = 3_600_000;
const short = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const REFUSED: readonly (readonly [string, RawNotification, string, number?])[] = [
  ['no signature', raw(PAID), 'no_signature'],
  ['an empty signature', raw({ ...form(PAID), sign: '' }), 'no_signature'],
  ['a changed amount', raw({ ...form(PAID), total_amount: '0.01' }), 'bad_signature'],
  ['a field more', raw({ ...form(PAID), extra: '1' }), 'bad_signature'],
  ['the signature of our own key', raw(form(PAID, { key: applicationKeys.privateKey })), 'bad_signature'],
  ['the signature of a stranger', raw(form(PAID, { key: short.privateKey })), 'bad_signature'],
  ['a weaker way to sign', raw(form(PAID, { type: 'RSA' })), 'bad_signature'],
  ['another application', raw(form({ ...PAID, app_id: '2021000122682883' })), 'foreign_account'],
  ['another seller', raw(form({ ...PAID, seller_id: '2088102146225136' })), 'foreign_account'],
  [
    'no seller',
    raw(form(Object.fromEntries(Object.entries(PAID).filter(([name]) => name !== 'seller_id')))),
    'foreign_account',
  ],
  ['a time more than 26 hours back', raw(form(PAID)), 'stale', NOW_MS + 26 * HOUR_MS + 1],
  ['a time more than 5 minutes ahead', raw(form(PAID)), 'stale', NOW_MS - 300_001],
  ['no time', raw(form({ ...PAID, notify_time: '' })), 'unreadable'],
  ['no notify_id', raw(form({ ...PAID, notify_id: '' })), 'unreadable'],
  [
    'a field that stands twice',
    { headers: {}, body: Buffer.from(`${raw(form(PAID)).body.toString()}&total_amount=88.80`) },
    'unreadable',
  ],
  ['bytes that are no text', { headers: {}, body: Buffer.from([0xff, 0xfe]) }, 'unreadable'],
  ['nothing', { headers: {}, body: Buffer.alloc(0) }, 'no_signature'],
];
for (const [what, notification, refusal, nowMs] of REFUSED) {
  test(`a notification with ${what} is refused as ${refusal}`, () => {
    const report = parse(notification, nowMs);
    expect(report).toMatchObject({ kind: 'refused', refusal });
    if (report.kind === 'refused') expect(report.answerRetry.body.toString()).toBe('fail');
  });
}

test('a repeat within 25 hours with the same time is read', () => {
  expect(parse(raw(form(PAID)), NOW_MS + 25 * HOUR_MS).kind).toBe('news');
});

test('no change of a signed notification is read as anything else', () => {
  const text = raw(form(PAID)).body.toString();
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.nat(3), fc.string({ maxLength: 3 }), (at, remove, insert) => {
      const changed = text.slice(0, at) + insert + text.slice(at + remove);
      const report = parse({ headers: {}, body: Buffer.from(changed) });
      if (report.kind === 'news')
        expect(report.payments).toMatchObject([{ report: { outcome: { paid: { minorUnits: 8_880n } } } }]);
    }),
  );
});
