import { ManualClock, systemClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AlipayMerchant, alipayMerchant } from './alipay-merchant.ts';
import { firstOf, freshCode, ledgerOf, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import { type WechatMerchant, wechatMerchant } from './wechat-merchant.ts';

const { keys, remove } = makeKeys();
const clock = new ManualClock(systemClock.nowMs());
let sandbox: RunningSandbox;
let wechat: WechatMerchant;
let alipay: AlipayMerchant;

beforeAll(async () => {
  sandbox = await runSandbox({ keys, clock });
  wechat = wechatMerchant(sandbox, firstOf(keys.wechat.accounts));
  alipay = alipayMerchant(sandbox, firstOf(keys.alipay.accounts));
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

let orders = 0;
const newOrderNo = (): string => {
  orders += 1;
  return `fault_${orders}`;
};

/** What a till sees of one payment by code. */
type Seen = 'paid' | 'refused' | 'not authentic' | 'no answer' | 'no sense';

const sawWechat = async (outTradeNo: string, script: object[]): Promise<Seen> => {
  const authCode = await freshCode(sandbox, 'wechat', { script });
  const got = await wechat.micropay(outTradeNo, authCode).catch(() => 'no answer' as const);
  if (got === 'no answer') return got;
  if (got.fields['return_code'] === undefined) return 'no sense';
  if (!got.isAuthentic) return 'not authentic';
  return got.fields['result_code'] === 'SUCCESS' ? 'paid' : 'refused';
};
const sawAlipay = async (outTradeNo: string, script: object[]): Promise<Seen> => {
  const authCode = await freshCode(sandbox, 'alipay', { script });
  const got = await alipay.pay(outTradeNo, authCode).catch((error: unknown) => String(error));
  if (typeof got !== 'string') return got['code'] === '10000' ? 'paid' : 'refused';
  if (got.includes('验签失败') || got.includes('undefined')) return 'not authentic';
  return got.includes('格式错误') || got.includes('HTTP 请求错误') ? 'no sense' : 'no answer';
};

const CHANNELS = [
  ['WeChat', sawWechat, 'SYSTEMERROR'],
  ['Alipay', sawAlipay, 'ACQ.SYSTEM_ERROR'],
] as const;

for (const [channel, see, systemError] of CHANNELS) {
  const FAULTS: readonly (readonly [what: string, act: object, seen: Seen, charges: number])[] = [
    ['nothing', { do: 'succeed' }, 'paid', 1],
    ['a decline', { do: 'decline', code: systemError }, 'refused', 0],
    ['an error after the commit', { do: 'error_after_commit', code: systemError }, 'refused', 1],
    ['an answer cut before the commit', { do: 'answer_lost_before_commit' }, 'no answer', 0],
    ['an answer cut after the commit', { do: 'answer_lost_after_commit' }, 'no answer', 1],
    ['a bad signature', { do: 'bad_signature' }, 'not authentic', 1],
    ['no signature', { do: 'unsigned' }, 'not authentic', 1],
    ['a bad gateway before the commit', { do: 'http_error', status: 502, commit: false }, 'no sense', 0],
    ['a bad gateway after the commit', { do: 'http_error', status: 504 }, 'no sense', 1],
    ['a web page before the commit', { do: 'garbage', commit: false }, 'no sense', 0],
    ['a web page after the commit', { do: 'garbage' }, 'no sense', 1],
    ['half an answer before the commit', { do: 'garbage', form: 'truncated', commit: false }, 'no sense', 0],
    ['half an answer after the commit', { do: 'garbage', form: 'truncated' }, 'no sense', 1],
  ];
  describe(`a payment by code at ${channel}`, () => {
    for (const [what, act, seen, charges] of FAULTS) {
      test(`that meets ${what}: the till sees "${seen}", the payer is charged ${charges} times`, async () => {
        const outTradeNo = newOrderNo();
        expect(await see(outTradeNo, [act])).toBe(seen);
        expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges });
      });
    }
  });
}

test('a delay before the commit lets nothing happen until it is over', async () => {
  const outTradeNo = newOrderNo();
  const authCode = await freshCode(sandbox, 'wechat', { script: [{ do: 'delay', ms: 3_000, when: 'before_commit' }] });
  const paying = wechat.micropay(outTradeNo, authCode);
  await expect.poll(() => clock.waitingCount).toBe(1);
  expect(await wechat.orderquery(outTradeNo)).toMatchObject({ fields: { err_code: 'ORDERNOTEXIST' } });
  await clock.advance(3_000);
  expect((await paying).fields['result_code']).toBe('SUCCESS');
});

test('a delay after the commit hides what has happened already', async () => {
  const outTradeNo = newOrderNo();
  const authCode = await freshCode(sandbox, 'wechat', { script: [{ do: 'delay', ms: 3_000 }] });
  const paying = wechat.micropay(outTradeNo, authCode);
  await expect.poll(async () => (await wechat.orderquery(outTradeNo)).fields['trade_state']).toBe('SUCCESS');
  await clock.advance(3_000);
  expect((await paying).fields['result_code']).toBe('SUCCESS');
});

test('a state and fields of tomorrow are signed as they are, and the payer has paid', async () => {
  const outTradeNo = newOrderNo();
  const authCode = await freshCode(sandbox, 'wechat', { script: [{ do: 'novel_state' }, { do: 'extra_fields' }] });
  const got = await wechat.micropay(outTradeNo, authCode);
  expect(got).toMatchObject({
    isAuthentic: true,
    fields: { result_code: 'STATE_OF_TOMORROW', novel_field: 'of tomorrow' },
  });
  expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1 });
  const orderNo = newOrderNo();
  const code = await freshCode(sandbox, 'alipay', {
    script: [{ do: 'novel_state', state: 'NOVEL' }, { do: 'extra_fields' }],
  });
  expect(await alipay.pay(orderNo, code)).toMatchObject({ code: 'NOVEL' });
  expect(await ledgerOf(sandbox, orderNo)).toMatchObject({ charges: 1 });
});

test('an answer that takes its time is there when that is over', async () => {
  const outTradeNo = newOrderNo();
  const script = [{ do: 'latency', medianMs: 3_000, p99Ms: 3_000 }];
  const paying = wechat.micropay(outTradeNo, await freshCode(sandbox, 'wechat', { script }));
  await expect.poll(async () => (await wechat.orderquery(outTradeNo)).fields['trade_state']).toBe('SUCCESS');
  await clock.advance(2_990);
  expect(clock.waitingCount).toBe(1);
  await clock.advance(20);
  expect((await paying).fields['result_code']).toBe('SUCCESS');
});

test('a client that leaves does not undo what was done', async () => {
  const outTradeNo = newOrderNo();
  const code = await freshCode(sandbox, 'alipay', { script: [{ do: 'answer_lost_after_commit', how: 'hang' }] });
  const paying = alipay.pay(outTradeNo, code).catch(() => 'gone');
  await expect.poll(() => ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1 });
  // Refusing cuts every connection, as a till's own time-out would.
  await sandbox.control.post('/outage', { channel: 'alipay', mode: 'refuse' });
  await sandbox.control.post('/outage', { channel: 'alipay', mode: 'off' });
  expect(await paying).toBe('gone');
  expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, netFen: 100 });
});

test('acts add up: the payer types, the answer is lost, and the order is paid in the end', async () => {
  const outTradeNo = newOrderNo();
  const script = [{ do: 'payer_types_password', seconds: 4 }, { do: 'answer_lost_after_commit' }];
  expect(await sawWechat(outTradeNo, script)).toBe('no answer');
  expect((await wechat.orderquery(outTradeNo)).fields['trade_state']).toBe('USERPAYING');
  await clock.advance(4_000);
  expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1 });
});

const OPERATIONS: readonly (readonly [operation: string, ask: (outTradeNo: string) => Promise<{ fields: object }>])[] =
  [
    ['query', (no) => wechat.orderquery(no)],
    ['reverse', (no) => wechat.reverse(no)],
    [
      'refund',
      (no) =>
        wechat.v2('/secapi/pay/refund', { out_trade_no: no, out_refund_no: no, total_fee: '100', refund_fee: '1' }),
    ],
    ['refund_query', (no) => wechat.v2('/pay/refundquery', { out_refund_no: no })],
  ];
for (const [operation, ask] of OPERATIONS) {
  test(`a script for ${operation} touches only that, and only as often as it may`, async () => {
    const outTradeNo = newOrderNo();
    await wechat.micropay(outTradeNo, await freshCode(sandbox, 'wechat'));
    if (operation === 'refund_query') {
      await wechat.v2('/secapi/pay/refund', {
        out_trade_no: outTradeNo,
        out_refund_no: outTradeNo,
        total_fee: '100',
        refund_fee: '1',
      });
    }
    await sandbox.control.post('/scripts', {
      match: { outTradeNo },
      operations: [operation],
      uses: 1,
      script: [{ do: 'decline', code: 'SYSTEMERROR' }],
    });
    if (operation !== 'query') {
      expect((await wechat.orderquery(outTradeNo)).fields).toMatchObject({ result_code: 'SUCCESS' });
    }
    expect((await ask(outTradeNo)).fields).toMatchObject({ err_code: 'SYSTEMERROR' });
    expect((await ask(outTradeNo)).fields).toMatchObject({ result_code: 'SUCCESS' });
  });
}

test('somebody scans a QR without being told when a script says so', async () => {
  await sandbox.control.post('/scripts', {
    match: { description: 'self-service' },
    script: [{ do: 'payer_scans', seconds: 3 }],
  });
  const [byWechat, byAlipay] = [newOrderNo(), newOrderNo()];
  await wechat.native(byWechat, { description: 'self-service' });
  await alipay.precreate(byAlipay, { subject: 'self-service' });
  await clock.advance(3_000);
  for (const outTradeNo of [byWechat, byAlipay]) {
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, netFen: 100 });
  }
});

describe('an outage', () => {
  const outage = (mode: string) => sandbox.control.post('/outage', { channel: 'wechat', mode });
  const ask = () => wechat.orderquery('never_made');

  test('that refuses lets nobody connect, on this channel alone, until it is over', async () => {
    await outage('refuse');
    const error = await ask().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    expect(await alipay.query('never_made')).toMatchObject({ code: '40004' });
    await outage('off');
    expect(await ask()).toMatchObject({ fields: { err_code: 'ORDERNOTEXIST' } });
  });

  test('that hangs takes requests, carries out none and answers none', async () => {
    await outage('hang');
    const outTradeNo = newOrderNo();
    const hanging = wechat.micropay(outTradeNo, await freshCode(sandbox, 'wechat')).catch(() => 'no answer');
    await expect
      .poll(async () => (await sandbox.control.get('/health')).body)
      .toMatchObject({
        outages: { wechat: { first: 'hang', second: 'hang' }, alipay: { first: 'off' } },
        underWay: { wechat: 1, alipay: 0 },
      });
    await outage('off');
    expect(await hanging).toBe('no answer');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 0 });
    expect(await ask()).toMatchObject({ fields: { err_code: 'ORDERNOTEXIST' } });
  });
});
