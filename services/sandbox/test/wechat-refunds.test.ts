import { ManualClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstOf, freshCode, ledgerOf, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import { type WechatMerchant, wechatMerchant } from './wechat-merchant.ts';

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

let orders = 0;
/** A paid order of one yuan. */
const paidOrder = async (...script: object[]): Promise<string> => {
  orders += 1;
  const outTradeNo = `refunds_${orders}`;
  const authCode = await freshCode(sandbox, 'wechat', { script });
  expect((await merchant.micropay(outTradeNo, authCode)).fields['result_code']).toBe('SUCCESS');
  return outTradeNo;
};
const refund = (outTradeNo: string, refundNo: string, amount: number, changes: object = {}) =>
  merchant.v3('POST', '/v3/refund/domestic/refunds', {
    out_trade_no: outTradeNo,
    out_refund_no: refundNo,
    amount: { refund: amount, total: 100, currency: 'CNY' },
    ...changes,
  });
const query = (refundNo: string) => merchant.v3('GET', `/v3/refund/domestic/refunds/${refundNo}`);
const refundV2 = (outTradeNo: string, refundNo: string, amount: number, changes: Record<string, string> = {}) =>
  merchant.v2('/secapi/pay/refund', {
    out_trade_no: outTradeNo,
    out_refund_no: refundNo,
    total_fee: '100',
    refund_fee: String(amount),
    ...changes,
  });
const settle = () => clock.advance(1_000);

describe('a refund over v3', () => {
  test('is processing, then done, and only then gives the money back', async () => {
    const outTradeNo = await paidOrder();
    const refundNo = `${outTradeNo}_a`;
    expect(await refund(outTradeNo, refundNo, 30)).toMatchObject({ status: 200, body: { status: 'PROCESSING' } });
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ netFen: 100 });
    expect((await merchant.query(outTradeNo)).body).toMatchObject({ trade_state: 'REFUND' });
    await settle();
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ netFen: 70, returnedFen: 30 });
    const { body } = await query(refundNo);
    expect(body).toMatchObject({ status: 'SUCCESS', amount: { refund: 30, total: 100, payer_refund: 30 } });
    expect(body['success_time']).toMatch(/\+08:00$/);
  });

  test('under the same number is the same refund', async () => {
    const outTradeNo = await paidOrder();
    const { body: first } = await refund(outTradeNo, `${outTradeNo}_a`, 60);
    await settle();
    const { body: second } = await refund(outTradeNo, `${outTradeNo}_a`, 60);
    expect(second).toMatchObject({ refund_id: first['refund_id'], status: 'SUCCESS' });
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ returnedFen: 60 });
  });

  test('by transaction_id is the refund of that order', async () => {
    const outTradeNo = await paidOrder();
    const { body: order } = await merchant.query(outTradeNo);
    const got = await refund('', `${outTradeNo}_a`, 100, {
      out_trade_no: undefined,
      transaction_id: order['transaction_id'],
    });
    expect(got).toMatchObject({ status: 200, body: { out_trade_no: outTradeNo } });
  });

  const REFUSED: readonly (readonly [what: string, ask: () => Promise<unknown>, status: number, code: string])[] = [
    ['of an order that there is not', () => refund('never_made', 'x', 1), 404, 'RESOURCE_NOT_EXISTS'],
    ['of more than was paid', async () => refund(await paidOrder(), 'too_much', 101), 400, 'INVALID_REQUEST'],
    [
      'of another total than was paid',
      async () => refund(await paidOrder(), 'other_total', 1, { amount: { refund: 1, total: 99, currency: 'CNY' } }),
      400,
      'INVALID_REQUEST',
    ],
    [
      'of more than is left',
      async () => {
        const outTradeNo = await paidOrder();
        await refund(outTradeNo, `${outTradeNo}_a`, 60);
        return refund(outTradeNo, `${outTradeNo}_b`, 41);
      },
      400,
      'INVALID_REQUEST',
    ],
    [
      'under a used number with another amount',
      async () => {
        const outTradeNo = await paidOrder();
        await refund(outTradeNo, `${outTradeNo}_a`, 60);
        return refund(outTradeNo, `${outTradeNo}_a`, 40);
      },
      400,
      'INVALID_REQUEST',
    ],
    [
      'of an order that is not paid',
      async () => {
        await merchant.native('refund_unpaid');
        return refund('refund_unpaid', 'unpaid', 100);
      },
      400,
      'INVALID_REQUEST',
    ],
    [
      'of an order that was reversed',
      async () => {
        const outTradeNo = await paidOrder();
        await merchant.reverse(outTradeNo);
        return refund(outTradeNo, 'reversed', 100);
      },
      400,
      'INVALID_REQUEST',
    ],
    ['without any order', () => refund('', 'none', 1, { out_trade_no: undefined }), 400, 'PARAM_ERROR'],
    ['that nobody asked for, when it is queried', () => query('never_asked'), 404, 'RESOURCE_NOT_EXISTS'],
  ];
  for (const [what, ask, status, code] of REFUSED) {
    test(`${what} is refused: ${status} ${code}`, async () => {
      expect(await ask()).toMatchObject({ status, isAuthentic: true, body: { code } });
    });
  }

  test('is the fiftieth of its order at most', async () => {
    const outTradeNo = await paidOrder();
    for (let count = 1; count <= 50; count += 1) {
      expect(await refund(outTradeNo, `${outTradeNo}_${count}`, 1)).toMatchObject({ status: 200 });
    }
    expect(await refund(outTradeNo, `${outTradeNo}_51`, 1)).toMatchObject({ status: 400 });
    await settle();
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ netFen: 50 });
  });

  test('can be asked for within a year', async () => {
    const outTradeNo = await paidOrder();
    await clock.advance(365 * 24 * 3_600_000 + 1);
    expect(await refund(outTradeNo, `${outTradeNo}_a`, 1)).toMatchObject({
      status: 400,
      body: { code: 'INVALID_REQUEST' },
    });
  });

  const ENDS: readonly (readonly [status: string, refundable: boolean])[] = [
    ['ABNORMAL', false],
    ['CLOSED', true],
  ];
  for (const [status, refundable] of ENDS) {
    test(`that ends ${status} moves no money, and can ${refundable ? '' : 'not '}be asked for again`, async () => {
      const outTradeNo = await paidOrder({ do: 'refund_ends', status, seconds: 0.5 });
      await refund(outTradeNo, `${outTradeNo}_a`, 100);
      await clock.advance(500);
      expect((await query(`${outTradeNo}_a`)).body['status']).toBe(status);
      expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ netFen: 100 });
      expect((await refund(outTradeNo, `${outTradeNo}_b`, 100)).status).toBe(refundable ? 200 : 400);
    });
  }

  test('on its way is not given back a second time by a reversal', async () => {
    const outTradeNo = await paidOrder();
    await refund(outTradeNo, `${outTradeNo}_a`, 30);
    await settle();
    await merchant.reverse(outTradeNo);
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ chargedFen: 100, returnedFen: 100, netFen: 0 });
  });
});

describe('a refund over v2', () => {
  test('is the same refund as over v3', async () => {
    const outTradeNo = await paidOrder();
    const { fields, isAuthentic } = await refundV2(outTradeNo, `${outTradeNo}_a`, 30);
    expect(isAuthentic).toBe(true);
    expect(fields).toMatchObject({
      result_code: 'SUCCESS',
      refund_fee: '30',
      total_fee: '100',
      out_trade_no: outTradeNo,
    });
    expect((await query(`${outTradeNo}_a`)).body).toMatchObject({ refund_id: fields['refund_id'] });
    await settle();
    await refundV2(outTradeNo, `${outTradeNo}_b`, 20);
    const { fields: all } = await merchant.v2('/pay/refundquery', { out_trade_no: outTradeNo });
    expect(all).toMatchObject({
      refund_count: '2',
      out_refund_no_0: `${outTradeNo}_a`,
      refund_status_0: 'SUCCESS',
      refund_fee_0: '30',
      out_refund_no_1: `${outTradeNo}_b`,
      refund_status_1: 'PROCESSING',
    });
    const { fields: byId } = await merchant.v2('/pay/refundquery', { refund_id: fields['refund_id'] });
    expect(byId).toMatchObject({ refund_count: '1', out_refund_no_0: `${outTradeNo}_a` });
    const { fields: byNo } = await merchant.v2('/pay/refundquery', { out_refund_no: `${outTradeNo}_b` });
    expect(byNo).toMatchObject({ refund_count: '1', refund_fee_0: '20' });
  });

  const REFUSED: readonly (readonly [what: string, ask: () => Promise<unknown>, code: string])[] = [
    ['of an order that there is not', () => refundV2('never_made', 'x', 1), 'ORDERNOTEXIST'],
    [
      'of another total than was paid',
      async () => refundV2(await paidOrder(), 'b', 1, { total_fee: '99' }),
      'REFUND_FEE_MISMATCH',
    ],
    ['of more than was paid', async () => refundV2(await paidOrder(), 'c', 101), 'INVALID_REQUEST'],
    [
      'of an order that failed',
      async () => {
        const poor = await freshCode(sandbox, 'wechat', { balanceFen: 1 });
        await merchant.micropay('refund_failed', poor);
        return refundV2('refund_failed', 'd', 100);
      },
      'TRADE_STATE_ERROR',
    ],
    ['without a number', async () => refundV2(await paidOrder(), '', 1), 'LACK_PARAMS'],
    ['without any order', () => refundV2('', 'e', 1), 'LACK_PARAMS'],
    [
      'that nobody asked for, when it is queried',
      () => merchant.v2('/pay/refundquery', { out_refund_no: 'never_asked' }),
      'REFUNDNOTEXIST',
    ],
  ];
  for (const [what, ask, err_code] of REFUSED) {
    test(`${what} is refused: ${err_code}`, async () => {
      expect(await ask()).toMatchObject({ isAuthentic: true, fields: { result_code: 'FAIL', err_code } });
    });
  }
});

test('refunds of one order have to keep their distance where it is configured', async () => {
  const strict = await runSandbox({ keys, clock, wechat: { refundGapMs: 60_000 } });
  const strictMerchant = wechatMerchant(strict, firstOf(keys.wechat.accounts));
  try {
    await strictMerchant.micropay('gap_order', await freshCode(strict, 'wechat'));
    const ask = (no: string) =>
      strictMerchant.v3('POST', '/v3/refund/domestic/refunds', {
        out_trade_no: 'gap_order',
        out_refund_no: no,
        amount: { refund: 1, total: 100, currency: 'CNY' },
      });
    expect(await ask('a')).toMatchObject({ status: 200 });
    expect(await ask('b')).toMatchObject({ status: 429, body: { code: 'FREQUENCY_LIMITED' } });
    await clock.advance(60_000);
    expect(await ask('b')).toMatchObject({ status: 200 });
  } finally {
    await strict.close();
  }
});
