import { ManualClock } from '@tillmesh/clock';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstOf, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import { type V3Sent, type WechatMerchant, wechatMerchant } from './wechat-merchant.ts';

const { keys, remove } = makeKeys();
const clock = new ManualClock();
let sandbox: RunningSandbox;
let merchant: WechatMerchant;

beforeAll(async () => {
  sandbox = await runSandbox({ keys, clock });
  merchant = wechatMerchant(sandbox, firstOf(keys.wechat.accounts));
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

const target = () => `/v3/pay/transactions/out-trade-no/no_such_order?mchid=${merchant.account.mchid}`;
const goodQuery = () => merchant.sign('GET', target());
const withPair = (sent: V3Sent, name: string, value: string): V3Sent => ({
  ...sent,
  authorization: sent.authorization.replace(new RegExp(`${name}="[^"]*"`), `${name}="${value}"`),
});
const minutesOff = (minutes: number): V3Sent =>
  merchant.sign('GET', target(), '', clock.nowMs() / 1_000 + minutes * 60);

test('a request that is signed well is answered by the operation, and the answer is signed, errors too', async () => {
  const got = await merchant.send(goodQuery());
  expect(got).toMatchObject({ status: 404, isAuthentic: true, body: { code: 'ORDER_NOT_EXIST' } });
  expect(got.headers.get('request-id')).toMatch(/^08/);
});

test('a time stamp may be five minutes off', async () => {
  expect(await merchant.send(minutesOff(-5))).toMatchObject({ status: 404 });
  expect(await merchant.send(minutesOff(5))).toMatchObject({ status: 404 });
});

const REFUSED: readonly (readonly [what: string, sent: () => V3Sent, reason: string])[] = [
  ['without a signature', () => ({ ...goodQuery(), authorization: '' }), 'no_authorization'],
  ['of a merchant that nobody knows', () => withPair(goodQuery(), 'mchid', '1900000000'), 'unknown_merchant'],
  ['with an unknown serial number', () => withPair(goodQuery(), 'serial_no', 'A'.repeat(40)), 'unknown_serial'],
  ['signed more than five minutes ago', () => minutesOff(-5.1), 'old_timestamp'],
  ['signed for more than five minutes later', () => minutesOff(5.1), 'old_timestamp'],
  ['with a time stamp that is none', () => withPair(goodQuery(), 'timestamp', 'today'), 'old_timestamp'],
  ['with another nonce than the signed one', () => withPair(goodQuery(), 'nonce_str', 'another'), 'bad_signature'],
  ['with another query than the signed one', () => ({ ...goodQuery(), target: `${target()}&a=1` }), 'bad_signature'],
  [
    'with a body that is not the signed one by a space',
    () => {
      const body = JSON.stringify(merchant.nativeBody('gate_space'));
      return { ...merchant.sign('POST', '/v3/pay/transactions/native', body), body: `${body} ` };
    },
    'bad_signature',
  ],
  ['with rubbish in its signature', () => withPair(goodQuery(), 'signature', '!!!!'), 'bad_signature'],
];
for (const [what, sent, reason] of REFUSED) {
  test(`a request ${what} is refused, signed, and counted as ${reason}`, async () => {
    const countOf = async () => {
      const { body } = await sandbox.control.get<{ refusedSignatures: { wechat?: Record<string, number> } }>('/stats');
      return body.refusedSignatures.wechat?.[reason] ?? 0;
    };
    const before = await countOf();
    expect(await merchant.send(sent())).toMatchObject({ status: 401, isAuthentic: true, body: { code: 'SIGN_ERROR' } });
    expect(await countOf()).toBe(before + 1);
  });
}

test('a request that was answered is refused when it is replayed', async () => {
  const sent = goodQuery();
  expect(await merchant.send(sent)).toMatchObject({ status: 404 });
  expect(await merchant.send(sent)).toMatchObject({ status: 401, body: { code: 'SIGN_ERROR' } });
});

test("a request whose answer was lost may be repeated with the same bytes, as WeChat's own SDK does", async () => {
  await sandbox.control.post('/scripts', {
    match: { outTradeNo: 'gate_lost' },
    uses: 1,
    script: [{ do: 'answer_lost_after_commit' }],
  });
  const sent = merchant.sign('POST', '/v3/pay/transactions/native', JSON.stringify(merchant.nativeBody('gate_lost')));
  await expect(merchant.send(sent)).rejects.toThrow('fetch failed');
  expect(await merchant.send(sent)).toMatchObject({ status: 200 });
  expect(await merchant.send(sent)).toMatchObject({ status: 401 });
});

test('a path that does not exist is answered with 404', async () => {
  expect(await merchant.v3('GET', '/v3/no/such/path')).toMatchObject({
    status: 404,
    body: { code: 'RESOURCE_NOT_EXISTS' },
  });
});
