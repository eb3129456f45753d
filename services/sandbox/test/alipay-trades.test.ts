import { ManualClock, systemClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AlipayMerchant, alipayMerchant } from './alipay-merchant.ts';
import { firstOf, freshCode, ledgerOf, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import { areVectorsMissing, readVectors, vectorsNote } from './vectors.ts';

const { keys, remove } = makeKeys();
const DAY_MS = 24 * 3_600_000;
// The SDK signs with the machine's time, so the sandbox' clock starts there and days may pass in the tests.
const clock = new ManualClock(systemClock.nowMs());
let sandbox: RunningSandbox;
let merchant: AlipayMerchant;
let neighbour: AlipayMerchant;

beforeAll(async () => {
  sandbox = await runSandbox({ keys, clock, alipay: { timestampToleranceMs: 3_650 * DAY_MS } });
  merchant = alipayMerchant(sandbox, firstOf(keys.alipay.accounts));
  neighbour = alipayMerchant(sandbox, firstOf(keys.alipay.accounts.slice(1)));
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

let orders = 0;
const newOrderNo = (): string => {
  orders += 1;
  return `alipay_${orders}`;
};
const code = (...script: object[]) => freshCode(sandbox, 'alipay', { script });
const typing = (seconds: number, then = 'pays') => ({ do: 'payer_types_password', seconds, then });
const failed = (sub_code: string) => ({ code: '40004', sub_code });
const statusOf = async (outTradeNo: string) => (await merchant.query(outTradeNo))['trade_status'];
const scan = (qrCode: unknown, how: object = {}) => sandbox.control.post('/scan', { code: qrCode, ...how });
/** A QR that waits for its buyer, who types for an hour. */
const scannedTrade = async (): Promise<string> => {
  const outTradeNo = newOrderNo();
  const { qr_code } = await merchant.precreate(outTradeNo);
  await scan(qr_code, { afterSeconds: 3_600 });
  return outTradeNo;
};
const paidTrade = async (): Promise<string> => {
  const outTradeNo = newOrderNo();
  await merchant.pay(outTradeNo, await code());
  return outTradeNo;
};

describe('a payment by code', () => {
  test('is paid at once, with amounts in yuan and times of Beijing', async () => {
    const outTradeNo = newOrderNo();
    const paid = await merchant.pay(outTradeNo, await code(), { total_amount: '12.3' });
    expect(paid).toMatchObject({
      code: '10000',
      msg: 'Success',
      out_trade_no: outTradeNo,
      total_amount: '12.30',
      receipt_amount: '12.30',
      fund_bill_list: [{ amount: '12.30', fund_channel: 'ALIPAYACCOUNT' }],
    });
    expect(paid['gmt_payment']).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, netFen: 1230 });
    expect(await merchant.call('query', { trade_no: paid['trade_no'] })).toMatchObject({ out_trade_no: outTradeNo });
  });

  test('waits for the password, then is paid', async () => {
    const outTradeNo = newOrderNo();
    expect(await merchant.pay(outTradeNo, await code(typing(8)))).toMatchObject({ code: '10003' });
    expect(await statusOf(outTradeNo)).toBe('WAIT_BUYER_PAY');
    await clock.advance(8_000);
    expect(await statusOf(outTradeNo)).toBe('TRADE_SUCCESS');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1 });
  });

  test('closes by itself after three minutes, and the password comes too late', async () => {
    const outTradeNo = newOrderNo();
    await merchant.pay(outTradeNo, await code(typing(181)));
    await clock.advance(179_000);
    expect(await statusOf(outTradeNo)).toBe('WAIT_BUYER_PAY');
    await clock.advance(2_000);
    expect(await statusOf(outTradeNo)).toBe('TRADE_CLOSED');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 0 });
  });

  test('closes at the time-out that the merchant set', async () => {
    const outTradeNo = newOrderNo();
    await merchant.pay(outTradeNo, await code(typing(100)), { timeout_express: '1m' });
    await clock.advance(60_000);
    expect(await statusOf(outTradeNo)).toBe('TRADE_CLOSED');
  });

  test('of a buyer without money is refused, and there is no trade', async () => {
    const outTradeNo = newOrderNo();
    const poor = await freshCode(sandbox, 'alipay', { balanceFen: 99 });
    expect(await merchant.pay(outTradeNo, poor)).toMatchObject(failed('ACQ.BUYER_BALANCE_NOT_ENOUGH'));
    expect(await merchant.query(outTradeNo)).toMatchObject(failed('ACQ.TRADE_NOT_EXIST'));
  });

  test('goes on with a fresh code of the same buyer, and not with another buyer', async () => {
    const outTradeNo = newOrderNo();
    const issue = async (wish: object) =>
      (
        await sandbox.control.post<{ paymentCode: string; payerId: string }>('/payment-codes', {
          wallet: 'alipay',
          ...wish,
        })
      ).body;
    const first = await issue({ script: [typing(1, 'gives_up')] });
    await merchant.pay(outTradeNo, first.paymentCode);
    await clock.advance(1_000);
    const stranger = await issue({});
    expect(await merchant.pay(outTradeNo, stranger.paymentCode)).toMatchObject(failed('ACQ.TRADE_BUYER_NOT_MATCH'));
    const second = await issue({ payerId: first.payerId });
    expect(await merchant.pay(outTradeNo, second.paymentCode)).toMatchObject({ code: '10000' });
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, netFen: 100 });
  });

  const BAD_CODES: readonly (readonly [what: string, authCode: () => Promise<string>])[] = [
    ['of WeChat', () => freshCode(sandbox, 'wechat')],
    ['of 15 digits', async () => '250000000000000'],
    ['that begins with 31', async () => '310000000000000000'],
    ['that no wallet has issued', async () => '280000000000000000'],
    [
      'that was used before',
      async () => {
        const used = await code();
        await merchant.pay(newOrderNo(), used);
        return used;
      },
    ],
    [
      'that is older than it may be',
      async () => {
        const old = await freshCode(sandbox, 'alipay', { validForSeconds: 1 });
        await clock.advance(1_000);
        return old;
      },
    ],
  ];
  for (const [what, authCode] of BAD_CODES) {
    test(`with a code ${what} is refused and leaves no trade`, async () => {
      const outTradeNo = newOrderNo();
      expect(await merchant.pay(outTradeNo, await authCode())).toMatchObject(failed('ACQ.PAYMENT_AUTH_CODE_INVALID'));
      expect(await merchant.query(outTradeNo)).toMatchObject(failed('ACQ.TRADE_NOT_EXIST'));
    });
  }

  const WRONG: readonly (readonly [what: string, changes: object])[] = [
    ['without a subject', { subject: undefined }],
    ['with three decimals', { total_amount: '1.001' }],
    ['with an amount of 0', { total_amount: '0.00' }],
    ['with a negative amount', { total_amount: '-1' }],
    ['with a scene that there is not', { scene: 'wave_code' }],
    ['with a number of other characters', { out_trade_no: 'a-b' }],
    ['with a number of 65 characters', { out_trade_no: '1'.repeat(65) }],
    ['with a time-out that is none', { timeout_express: 'soon' }],
  ];
  for (const [what, changes] of WRONG) {
    test(`${what} is refused as ACQ.INVALID_PARAMETER`, async () => {
      expect(await merchant.pay(newOrderNo(), await code(), changes)).toMatchObject(failed('ACQ.INVALID_PARAMETER'));
    });
  }
});

describe('the same order number again', () => {
  const again: readonly (readonly [what: string, script: object[], changes: object, answer: object])[] = [
    ['while the buyer types', [typing(9)], {}, { code: '10003' }],
    [
      'while the buyer types, with another amount',
      [typing(9)],
      { total_amount: '1.01' },
      failed('ACQ.CONTEXT_INCONSISTENT'),
    ],
    ['after it was paid', [], {}, failed('ACQ.TRADE_HAS_SUCCESS')],
    ['after it was paid, with another amount', [], { total_amount: '1.01' }, failed('ACQ.TRADE_HAS_SUCCESS')],
    [
      'after the buyer was declined',
      [{ do: 'decline', code: 'ACQ.BUYER_ENABLE_STATUS_FORBID' }],
      {},
      failed('ACQ.BUYER_ENABLE_STATUS_FORBID'),
    ],
  ];
  for (const [what, script, changes, answer] of again) {
    test(`${what} gets its own answer and charges nobody`, async () => {
      const outTradeNo = newOrderNo();
      const authCode = await code(...script);
      await merchant.pay(outTradeNo, authCode);
      const before = await ledgerOf(sandbox, outTradeNo);
      expect(await merchant.pay(outTradeNo, authCode, changes)).toMatchObject(answer);
      expect(await ledgerOf(sandbox, outTradeNo)).toEqual(before);
    });
  }

  test('after it was cancelled is refused', async () => {
    const outTradeNo = await paidTrade();
    await merchant.cancel(outTradeNo);
    expect(await merchant.pay(outTradeNo, await code())).toMatchObject(failed('ACQ.TRADE_HAS_CLOSE'));
  });

  test('is another trade for another application', async () => {
    const outTradeNo = await paidTrade();
    expect(await neighbour.query(outTradeNo)).toMatchObject(failed('ACQ.TRADE_NOT_EXIST'));
    expect(await neighbour.pay(outTradeNo, await code())).toMatchObject({ code: '10000' });
  });
});

describe('a merchant QR', () => {
  test('is no trade before somebody scans it', async () => {
    const outTradeNo = newOrderNo();
    const { qr_code } = await merchant.precreate(outTradeNo);
    expect(qr_code).toMatch(/^https:\/\/qr\.alipay\.com\/bax/);
    expect(await merchant.query(outTradeNo)).toMatchObject(failed('ACQ.TRADE_NOT_EXIST'));
    await scan(qr_code, { afterSeconds: 5 });
    expect(await statusOf(outTradeNo)).toBe('WAIT_BUYER_PAY');
    await clock.advance(5_000);
    expect(await statusOf(outTradeNo)).toBe('TRADE_SUCCESS');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, netFen: 100 });
  });

  test('is the same for the same request, and refused for another', async () => {
    const outTradeNo = newOrderNo();
    const { qr_code } = await merchant.precreate(outTradeNo);
    expect(await merchant.precreate(outTradeNo)).toMatchObject({ code: '10000', qr_code });
    expect(await merchant.precreate(outTradeNo, { total_amount: '2.00' })).toMatchObject(
      failed('ACQ.CONTEXT_INCONSISTENT'),
    );
    await scan(qr_code);
    expect(await merchant.precreate(outTradeNo)).toMatchObject(failed('ACQ.TRADE_HAS_SUCCESS'));
  });

  test('waits for the next try when its buyer gives up, and is his alone', async () => {
    const outTradeNo = newOrderNo();
    const { qr_code } = await merchant.precreate(outTradeNo);
    await scan(qr_code, { script: [{ do: 'decline', code: 'ACQ.BUYER_BALANCE_NOT_ENOUGH' }] });
    expect(await statusOf(outTradeNo)).toBe('WAIT_BUYER_PAY');
    expect(await scan(qr_code, { payerId: '2088000000000000' })).toMatchObject({ status: 409 });
    expect(await scan(qr_code)).toMatchObject({ status: 200, body: { state: 'TRADE_SUCCESS' } });
  });

  const ENDS: readonly (readonly [what: string, changes: () => object, waitMs: number])[] = [
    ['after two hours', () => ({}), 2 * 3_600_000],
    ['at the time-out that the merchant set', () => ({ timeout_express: '90m' }), 90 * 60_000],
  ];
  for (const [what, changes, waitMs] of ENDS) {
    test(`cannot be scanned any more ${what}`, async () => {
      const { qr_code } = await merchant.precreate(newOrderNo(), changes());
      await clock.advance(waitMs);
      expect(await scan(qr_code)).toMatchObject({ status: 409 });
    });
  }
});

describe('cancelling', () => {
  test('gives back what was paid, once', async () => {
    const outTradeNo = await paidTrade();
    expect(await merchant.cancel(outTradeNo)).toMatchObject({ code: '10000', retry_flag: 'N', action: 'refund' });
    expect(await merchant.cancel(outTradeNo)).toMatchObject({ code: '10000', action: 'refund' });
    expect(await statusOf(outTradeNo)).toBe('TRADE_CLOSED');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, chargedFen: 100, netFen: 0 });
  });

  test('closes what waits, and the buyer who types is too late', async () => {
    const outTradeNo = newOrderNo();
    await merchant.pay(outTradeNo, await code(typing(5)));
    expect(await merchant.cancel(outTradeNo)).toMatchObject({ retry_flag: 'N', action: 'close' });
    await clock.advance(5_000);
    expect(await statusOf(outTradeNo)).toBe('TRADE_CLOSED');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 0 });
  });

  test('succeeds for a trade that there is not, and says of no action', async () => {
    const got = await merchant.cancel('never_made');
    expect(got).toMatchObject({ code: '10000', out_trade_no: 'never_made', retry_flag: 'N' });
    expect(got).not.toHaveProperty('action');
  });

  test('makes a QR invalid that nobody has scanned', async () => {
    const outTradeNo = newOrderNo();
    const { qr_code } = await merchant.precreate(outTradeNo);
    expect(await merchant.cancel(outTradeNo)).toMatchObject({ code: '10000' });
    expect(await scan(qr_code)).toMatchObject({ status: 409 });
    expect(await merchant.query(outTradeNo)).toMatchObject(failed('ACQ.TRADE_NOT_EXIST'));
    expect(await merchant.precreate(outTradeNo)).toMatchObject(failed('ACQ.TRADE_HAS_CLOSE'));
  });

  test('is possible on the same day and a quarter of an hour more', async () => {
    const outTradeNo = await paidTrade();
    const beijingMs = (clock.nowMs() + 8 * 3_600_000) % DAY_MS;
    await clock.advance(DAY_MS - beijingMs + 15 * 60_000 - 1);
    const second = newOrderNo();
    await merchant.pay(second, await code());
    await clock.advance(1);
    expect(await merchant.cancel(outTradeNo)).toMatchObject(failed('ACQ.TRADE_CANCEL_TIME_OUT'));
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ netFen: 100 });
    expect(await merchant.cancel(second)).toMatchObject({ action: 'refund' });
  });

  test('is refused after a refund', async () => {
    const outTradeNo = await paidTrade();
    await merchant.refund(outTradeNo, '0.10', { out_request_no: 'a' });
    expect(await merchant.cancel(outTradeNo)).toMatchObject(failed('ACQ.REASON_TRADE_REFUND_FEE_ERR'));
  });

  test('says retry_flag Y when a script makes the system fail', async () => {
    const outTradeNo = await paidTrade();
    await sandbox.control.post('/scripts', {
      match: { outTradeNo },
      operations: ['reverse'],
      uses: 1,
      script: [{ do: 'decline', code: 'ACQ.SYSTEM_ERROR' }],
    });
    expect(await merchant.cancel(outTradeNo)).toMatchObject({ ...failed('ACQ.SYSTEM_ERROR'), retry_flag: 'Y' });
    expect(await merchant.cancel(outTradeNo)).toMatchObject({ action: 'refund' });
  });
});

describe('closing', () => {
  test('ends a trade that was scanned and not paid', async () => {
    const outTradeNo = await scannedTrade();
    expect(await merchant.close(outTradeNo)).toMatchObject({ code: '10000', out_trade_no: outTradeNo });
    expect(await statusOf(outTradeNo)).toBe('TRADE_CLOSED');
    expect(await merchant.close(outTradeNo)).toMatchObject(failed('ACQ.REASON_TRADE_STATUS_INVALID'));
  });

  test('is refused for a QR that nobody has scanned, and for what is paid', async () => {
    const outTradeNo = newOrderNo();
    await merchant.precreate(outTradeNo);
    expect(await merchant.close(outTradeNo)).toMatchObject(failed('ACQ.TRADE_NOT_EXIST'));
    expect(await merchant.close(await paidTrade())).toMatchObject(failed('ACQ.REASON_TRADE_STATUS_INVALID'));
  });
});

describe('a refund', () => {
  test('of a part leaves the trade paid, of the rest closes it', async () => {
    const outTradeNo = await paidTrade();
    expect(await merchant.refund(outTradeNo, '0.30', { out_request_no: 'a' })).toMatchObject({
      fund_change: 'Y',
      refund_fee: '0.30',
    });
    expect(await statusOf(outTradeNo)).toBe('TRADE_SUCCESS');
    expect(await merchant.refund(outTradeNo, '0.70', { out_request_no: 'b' })).toMatchObject({ refund_fee: '1.00' });
    expect(await statusOf(outTradeNo)).toBe('TRADE_CLOSED');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ netFen: 0, returnedFen: 100 });
  });

  test('under the same number changes nothing', async () => {
    const outTradeNo = await paidTrade();
    await merchant.refund(outTradeNo, '0.30', { out_request_no: 'a' });
    expect(await merchant.refund(outTradeNo, '0.30', { out_request_no: 'a' })).toMatchObject({
      code: '10000',
      fund_change: 'N',
      refund_fee: '0.30',
    });
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ returnedFen: 30 });
  });

  test('needs no number of its own when it is the whole trade', async () => {
    const outTradeNo = await paidTrade();
    expect(await merchant.refund(outTradeNo, '1.00')).toMatchObject({ fund_change: 'Y' });
    expect(await merchant.refund(outTradeNo, '1.00')).toMatchObject({ fund_change: 'N' });
  });

  const REFUSED: readonly (readonly [what: string, ask: () => Promise<object>, subCode: string])[] = [
    ['of a trade that there is not', () => merchant.refund('never_made', '1.00'), 'ACQ.TRADE_NOT_EXIST'],
    [
      'of a trade that is not paid',
      async () => merchant.refund(await scannedTrade(), '1.00'),
      'ACQ.TRADE_STATUS_ERROR',
    ],
    [
      'of a part without a number',
      async () => merchant.refund(await paidTrade(), '0.50'),
      'ACQ.REFUND_AMT_NOT_EQUAL_TOTAL',
    ],
    [
      'of more than was paid',
      async () => merchant.refund(await paidTrade(), '1.01', { out_request_no: 'a' }),
      'ACQ.REASON_TRADE_REFUND_FEE_ERR',
    ],
    [
      'under a used number with another amount',
      async () => {
        const outTradeNo = await paidTrade();
        await merchant.refund(outTradeNo, '0.10', { out_request_no: 'a' });
        return merchant.refund(outTradeNo, '0.20', { out_request_no: 'a' });
      },
      'ACQ.DISCORDANT_REPEAT_REQUEST',
    ],
    ['of no amount', async () => merchant.refund(await paidTrade(), '0.00'), 'ACQ.INVALID_PARAMETER'],
    [
      'after a year',
      async () => {
        const outTradeNo = await paidTrade();
        await clock.advance(366 * DAY_MS);
        return merchant.refund(outTradeNo, '1.00');
      },
      'ACQ.TRADE_HAS_FINISHED',
    ],
  ];
  for (const [what, ask, subCode] of REFUSED) {
    test(`${what} is refused: ${subCode}`, async () => {
      expect(await ask()).toMatchObject(failed(subCode));
    });
  }

  test('that nobody asked for is no error when it is queried, and has no status', async () => {
    const got = await merchant.call('fastpay.refund.query', { out_trade_no: await paidTrade(), out_request_no: 'x' });
    expect(got).toMatchObject({ code: '10000' });
    expect(got).not.toHaveProperty('refund_status');
  });
});

type ErrorRows = { alipay_trade_pay: { rows: { code: string; kind: string }[] } };
const ERRORS = 'error-classification.json';
test.skipIf(areVectorsMissing(ERRORS))(`every documented code can be scripted${vectorsNote(ERRORS)}`, async () => {
  const rows = readVectors<ErrorRows>(ERRORS).alipay_trade_pay.rows;
  const codes = rows.map((row) => row.code).filter((name) => !['10000', '10003', '40004'].includes(name));
  expect(codes.length).toBeGreaterThan(30);
  for (const name of codes) {
    const got = await merchant.pay(newOrderNo(), await code({ do: 'decline', code: name }));
    expect(got).toMatchObject(name.startsWith('ACQ.') ? failed(name) : { code: name });
  }
});
