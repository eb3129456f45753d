import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type JsonObject, parseJsonObject } from '@tillmesh/channel-kit';
import { selfSigned } from '@tillmesh/channel-kit/contract';
import { ManualClock } from '@tillmesh/clock';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { wechat } from '../src/channel.ts';
import type { WechatAccount } from '../src/config.ts';
import { parseNotification } from '../src/notification.ts';
import { askOrder, placeOrder } from '../src/order-payment.ts';
import { readPlatformCertificates } from '../src/platform-certificates.ts';
import type { WechatCall } from '../src/wechat-call.ts';
import { sealedNotification, sealedResource } from './sealed-notification.ts';
import {
  API_V3_KEY,
  account,
  callOf,
  httpFor,
  KEY_IDS,
  NOW_MS,
  order,
  type PeerAnswer,
  payment,
  signedHeaders,
  startPeer,
  type WechatPeer,
  wechatpayKeyPairs,
} from './wechat-peer.ts';

type Certificate = { readonly serial: string; readonly pem: string; readonly key: KeyObject };
const certificateOf = (serial: number): Certificate => {
  const { certificate: pem, privateKey } = selfSigned(serial);
  return { serial: new X509Certificate(pem).serialNumber, pem, key: createPrivateKey(privateKey) };
};
const OLD = certificateOf(1);
const NEW = certificateOf(2);
const HOUR_MS = 3_600_000;
const GAP_MS = 60_000;

const told = ({ serial, pem }: Certificate, more: { from?: string; until?: string; key?: string } = {}) => ({
  serial_no: serial,
  effective_time: more.from ?? '2026-01-01T00:00:00+08:00',
  expire_time: more.until ?? '2031-01-01T00:00:00+08:00',
  encrypt_certificate: sealedResource(pem, 'certificate', more.key),
});

const PAID = JSON.stringify({
  appid: 'wx8888888888888888',
  mchid: '1900000109',
  out_trade_no: order().channelOrderNo,
  transaction_id: '42',
  trade_state: 'SUCCESS',
  success_time: '2026-11-22T11:59:59+08:00',
  amount: { total: 888, currency: 'CNY' },
});

let peer: WechatPeer;
let http: ReturnType<typeof httpFor>;
let clock: ManualClock;
let mine: WechatAccount;
/** What the platform lists and what it signs answers with. */
let listed: readonly object[];
let signer: Certificate;
let listAnswer: (body: string) => PeerAnswer;

const signed = (body: string, by: { serial: string; key: KeyObject } = signer, status = 200): PeerAnswer => ({
  status,
  headers: signedHeaders(body, { ...by, timestamp: String(Math.floor(clock.nowMs() / 1_000)) }),
  body,
});

beforeEach(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
  clock = new ManualClock(NOW_MS);
  mine = account(peer.baseUrl, {
    wechatpayKeys: [],
    platformCertificates: { refreshMs: 6 * HOUR_MS, unknownSerialGapMs: GAP_MS },
  });
  listed = [told(OLD)];
  signer = OLD;
  listAnswer = (body) => signed(body);
  peer.answer = ({ url }) => (url === '/v3/certificates' ? listAnswer(JSON.stringify({ data: listed })) : signed(PAID));
});
afterEach(async () => {
  await http.close();
  await peer.close();
});

const call = (of: WechatAccount = mine): WechatCall => ({ ...callOf(of, http), clock });
const ask = async (of?: WechatAccount) => askOrder(order({ kind: 'merchant_qr' }), call(of));
const downloads = () => peer.seen.filter(({ url }) => url === '/v3/certificates').length;
const paysWith = async (of?: WechatAccount) => (await ask(of)).outcome.kind === 'succeeded';

test('without a key the certificates are fetched first, once, and the answer is verified with one of them', async () => {
  expect(await Promise.all([ask(), ask(), ask()])).toMatchObject(
    Array.from({ length: 3 }, () => ({ outcome: { kind: 'succeeded' }, facts: { signature: 'verified' } })),
  );
  expect(downloads()).toBe(1);
  expect(peer.seen[0]?.headers['wechatpay-serial']).toBeUndefined();
  expect(peer.seen[1]?.headers['wechatpay-serial']).toBe(OLD.serial);
});

const UNTRUSTED: readonly (readonly [string, () => void])[] = [
  [
    'sealed with another APIv3 key',
    () => {
      listed = [told(OLD, { key: 'x'.repeat(32) })];
    },
  ],
  [
    'signed with a key that is in none of them',
    () => {
      listAnswer = (body) => signed(body, NEW);
    },
  ],
  [
    'signed by nobody',
    () => {
      listAnswer = (body) => ({ status: 200, headers: { 'content-type': 'application/json' }, body });
    },
  ],
  [
    'signed an hour ago',
    () => {
      listAnswer = (body) => ({
        status: 200,
        headers: signedHeaders(body, { ...OLD, timestamp: String(NOW_MS / 1_000 - 3_600) }),
        body,
      });
    },
  ],
  [
    'with another serial than the certificate has',
    () => {
      listed = [{ ...told(OLD), serial_no: '7F' }];
      listAnswer = (body) => signed(body, { serial: '7F', key: OLD.key });
    },
  ],
  [
    'that have expired',
    () => {
      listed = [told(OLD, { until: '2026-11-22T11:59:59+08:00' })];
    },
  ],
  [
    'that begin later',
    () => {
      listed = [told(OLD, { from: '2026-11-22T12:00:01+08:00' })];
    },
  ],
  [
    'in an answer that is no list',
    () => {
      listAnswer = () => signed('{"data":{"0":1}}');
    },
  ],
  [
    'in an error',
    () => {
      listAnswer = (body) => signed(body, OLD, 500);
    },
  ],
  [
    'in no answer',
    () => {
      listAnswer = () => undefined;
    },
  ],
];
for (const [what, begin] of UNTRUSTED) {
  test(`certificates ${what} are not taken, and nothing is sent whose answer nobody could verify`, async () => {
    begin();
    const paid = await placeOrder(payment({ order: order({ kind: 'merchant_qr' }) }), call());
    expect(paid).toMatchObject({
      outcome: { kind: 'failed_definite', evidence: { transport: 'not_sent' } },
      facts: { transport: 'not_sent', sends: 0 },
    });
    expect(await ask()).toMatchObject({ outcome: { kind: 'unknown' }, facts: { transport: 'not_sent' } });
    // Two calls within the same second: one try.
    expect(peer.seen.every(({ url }) => url === '/v3/certificates')).toBe(true);
    expect(downloads()).toBeLessThanOrEqual(2);
    // And soon again, when the channel has come to itself.
    listed = [told(OLD)];
    listAnswer = (body) => signed(body);
    await clock.advance(1_000);
    expect(await paysWith()).toBe(true);
  });
}

test('a serial that nobody knows is looked for at once, and its answer counts where the platform lists it', async () => {
  expect(await paysWith()).toBe(true);
  await clock.advance(GAP_MS);
  listed = [told(OLD), told(NEW)];
  signer = NEW;
  expect(await paysWith()).toBe(true);
  expect(downloads()).toBe(2);
  // Side by side.
  signer = OLD;
  expect(await paysWith()).toBe(true);
  expect(downloads()).toBe(2);
});

test('a serial that is never listed is no success, and is looked for once a minute at most', async () => {
  expect(await paysWith()).toBe(true);
  signer = NEW;
  listAnswer = (body) => signed(body, OLD);
  await clock.advance(GAP_MS);
  for (let round = 0; round < 5; round += 1) {
    expect(await ask()).toMatchObject({ outcome: { kind: 'unknown' }, facts: { signature: 'invalid' } });
  }
  expect(downloads()).toBe(2);
  await clock.advance(GAP_MS);
  expect((await ask()).facts.signature).toBe('invalid');
  expect(downloads()).toBe(3);
});

test('a certificate that is no longer listed counts until it expires, and not after', async () => {
  listed = [told(OLD, { until: '2026-11-22T20:00:00+08:00' })];
  expect(await paysWith()).toBe(true);
  listed = [told(NEW)];
  signer = NEW;
  await clock.advance(GAP_MS);
  expect(await paysWith()).toBe(true);
  signer = OLD;
  listAnswer = (body) => signed(body, NEW);
  expect(await paysWith()).toBe(true);
  await clock.advance(8 * HOUR_MS);
  expect(await ask()).toMatchObject({ outcome: { kind: 'unknown' }, facts: { signature: 'invalid' } });
});

test('they are fetched again on schedule, without anything being asked', async () => {
  const upkeep = wechat.upkeep;
  await upkeep?.run(call());
  expect(downloads()).toBe(1);
  await upkeep?.run(call());
  await clock.advance(6 * HOUR_MS - 1);
  await upkeep?.run(call());
  expect(downloads()).toBe(1);
  await clock.advance(1);
  listed = [told(OLD), told(NEW)];
  await upkeep?.run(call());
  expect(downloads()).toBe(2);
  // So a change-over finds it there.
  signer = NEW;
  expect(await paysWith()).toBe(true);
  expect(downloads()).toBe(2);
});

test('a failed fetch leaves what was there', async () => {
  expect(await paysWith()).toBe(true);
  listAnswer = () => undefined;
  await clock.advance(6 * HOUR_MS);
  await wechat.upkeep?.run(call());
  expect(downloads()).toBe(2);
  expect(await paysWith()).toBe(true);
});

test('a public key and the certificates count side by side, and requests ask for the public key', async () => {
  const [publicKey] = wechatpayKeyPairs;
  const both: WechatAccount = { ...mine, wechatpayKeys: [{ id: KEY_IDS[0], keyFile: publicKey.publicKey }] };
  signer = { serial: KEY_IDS[0], key: publicKey.privateKey, pem: '' };
  expect(await paysWith(both)).toBe(true);
  expect(downloads()).toBe(0);
  expect(peer.seen[0]?.headers['wechatpay-serial']).toBe(KEY_IDS[0]);
  signer = OLD;
  expect(await paysWith(both)).toBe(true);
  expect(downloads()).toBe(1);
  signer = { serial: KEY_IDS[0], key: publicKey.privateKey, pem: '' };
  expect(await paysWith(both)).toBe(true);
});

test('an account that wants no certificates fetches none', async () => {
  const [publicKey] = wechatpayKeyPairs;
  const { platformCertificates: _none, ...rest } = mine;
  const only: WechatAccount = { ...rest, wechatpayKeys: [{ id: KEY_IDS[0], keyFile: publicKey.publicKey }] };
  expect((await ask(only)).facts.signature).toBe('invalid');
  await wechat.upkeep?.run(call(only));
  expect(downloads()).toBe(0);
});

test('a notification under an unknown certificate is refused, and taken when it comes again', async () => {
  const notification = () => {
    const { body } = sealedNotification('TRANSACTION.SUCCESS', JSON.parse(PAID));
    const timestamp = String(Math.floor(clock.nowMs() / 1_000));
    return { headers: signedHeaders(body.toString(), { ...OLD, timestamp }), body };
  };
  expect(parseNotification(notification(), call())).toMatchObject({ kind: 'refused', refusal: 'bad_signature' });
  expect(downloads()).toBe(0);
  await wechat.upkeep?.run(call());
  expect(downloads()).toBe(1);
  expect(parseNotification(notification(), call())).toMatchObject({ kind: 'news' });
});

test('whoever names random serials causes one fetch in a minute', async () => {
  expect(await paysWith()).toBe(true);
  for (let round = 0; round < 10; round += 1) {
    const { body } = sealedNotification('TRANSACTION.SUCCESS', JSON.parse(PAID));
    const timestamp = String(Math.floor(clock.nowMs() / 1_000));
    parseNotification(
      { headers: signedHeaders(body.toString(), { key: NEW.key, serial: `AB${round}`, timestamp }), body },
      call(),
    );
    await wechat.upkeep?.run(call());
    await clock.advance(GAP_MS / 10);
  }
  expect(downloads()).toBeLessThanOrEqual(2);
});

test('certificates are read up to a number, and rubbish among them is left out', () => {
  const key = Buffer.from(API_V3_KEY);
  const rubbish: unknown[] = [
    null,
    1,
    {},
    { serial_no: OLD.serial },
    { ...told(OLD), encrypt_certificate: sealedResource('no certificate', 'certificate') },
    { ...told(OLD), effective_time: 'yesterday' },
  ];
  expect(readPlatformCertificates({ data: [...rubbish, told(OLD)] }, key)).toHaveLength(1);
  expect(readPlatformCertificates({ data: Array.from({ length: 50 }, () => told(OLD)) }, key)).toHaveLength(8);
  expect(readPlatformCertificates({}, key)).toEqual([]);
});

test('whatever is listed, nothing crashes and no other key than the one that was sealed comes out', () => {
  const key = Buffer.from(API_V3_KEY);
  const good = JSON.stringify({ data: [told(OLD)] });
  const theKey = new X509Certificate(OLD.pem).publicKey.export({ type: 'spki', format: 'pem' });
  const check = (content: unknown): void => {
    for (const certificate of readPlatformCertificates(content as JsonObject, key)) {
      expect(certificate.key.export({ type: 'spki', format: 'pem' })).toBe(theKey);
      expect(certificate.serial).toBe(OLD.serial);
    }
  };
  fc.assert(
    fc.property(fc.nat(good.length), fc.nat(40), fc.string({ maxLength: 6 }), (at, gone, added) => {
      const damaged = parseJsonObject(good.slice(0, at) + added + good.slice(at + gone));
      if (damaged !== undefined) check(damaged);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 4 }), (data) => check({ data })),
    { numRuns: 300 },
  );
});
