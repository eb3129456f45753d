import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { ManualClock } from '@tillmesh/clock';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { firstOf, freshCode, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import { type WechatMerchant, wechatMerchant } from './wechat-merchant.ts';

// The bills of WeChat Pay stand for all: what a bill says is made in one place for every channel.

const { keys, remove } = makeKeys();
const HOUR_MS = 3_600_000;
/** 23:59:50 in Beijing, on the 22nd. */
const clock = new ManualClock(Date.UTC(2026, 10, 22, 15, 59, 50));
let sandbox: RunningSandbox;
let merchant: WechatMerchant;

beforeAll(async () => {
  sandbox = await runSandbox({ keys, clock });
  merchant = wechatMerchant(sandbox, firstOf(keys.wechat.accounts));
});
afterEach(async () => {
  await sandbox.control.remove('/bills/plants');
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

const pay = async (outTradeNo: string) =>
  merchant.micropay(outTradeNo, await freshCode(sandbox, 'wechat'), { total_fee: '1000' });
const ask = (day: string, query = 'bill_type=ALL') =>
  merchant.v3('GET', `/v3/bill/tradebill?bill_date=${day}&${query}`);
const download = async (address: string): Promise<Response> => {
  const url = new URL(address);
  const { authorization } = merchant.sign('GET', `${url.pathname}${url.search}`);
  return fetch(address, { headers: { authorization, connection: 'close' } });
};
/** A bill's rows by order number, its totals, and whether the digest is right. */
const bill = async (day: string) => {
  const { body, isAuthentic } = await ask(day);
  expect(isAuthentic).toBe(true);
  const bytes = Buffer.from(await (await download(String(body['download_url']))).arrayBuffer());
  const lines = bytes.toString().replace('\uFEFF', '').split('\r\n');
  const rows = lines.slice(1, -3).map((line) => line.slice(1).split(',`'));
  return {
    rows: rows.map((cells) => ({
      no: cells[6],
      state: cells[9],
      refund: cells[15],
      back: cells[16],
      refundState: cells[19],
      fee: cells[22],
      amount: cells[24],
    })),
    totals: (lines.at(-2) ?? '').slice(1).split(',`'),
    hasDigest: body['hash_value'] === createHash('sha1').update(bytes).digest('hex'),
    bytes,
  };
};
const plant = (...discrepancies: readonly object[]) =>
  sandbox.control.post('/bills/plants', { channel: 'wechat', account: 'wechat-a', day: '2026-11-22', discrepancies });

test('a day ends at midnight in Beijing, and its bill is there at 10:00', async () => {
  await pay('before_midnight');
  await merchant.v3('POST', '/v3/refund/domestic/refunds', {
    out_trade_no: 'before_midnight',
    out_refund_no: 'before_midnight_r',
    amount: { refund: 300, total: 1_000, currency: 'CNY' },
  });
  await clock.advance(2_000);
  await pay('second_order');
  await clock.advance(10_000);
  await pay('after_midnight');
  expect((await ask('2026-11-22')).body).toMatchObject({ code: 'STATEMENT_CREATING' });
  await clock.advance(10 * HOUR_MS);
  const { rows, totals, hasDigest } = await bill('2026-11-22');
  expect(rows).toEqual([
    {
      no: 'before_midnight',
      state: 'SUCCESS',
      refund: '0',
      back: '0.00',
      refundState: '',
      fee: '0.06000',
      amount: '10.00',
    },
    {
      no: 'before_midnight',
      state: 'REFUND',
      refund: 'before_midnight_r',
      back: '3.00',
      refundState: 'SUCCESS',
      fee: '-0.02000',
      amount: '0.00',
    },
    {
      no: 'second_order',
      state: 'SUCCESS',
      refund: '0',
      back: '0.00',
      refundState: '',
      fee: '0.06000',
      amount: '10.00',
    },
  ]);
  expect(totals).toEqual(['3.0', '20.00', '3.00', '0.00', '0.10000', '20.00', '3.00']);
  expect(hasDigest).toBe(true);
  expect((await ask('2026-11-23')).body).toMatchObject({ code: 'STATEMENT_CREATING' });
  expect((await ask('2026-11-20')).body).toMatchObject({ code: 'NO_STATEMENT_EXIST' });
  expect((await ask('2026-02-30')).body).toMatchObject({ code: 'INVALID_REQUEST' });
});

test('an address is good once, for its own merchant, for five minutes; a gzip file holds the same bytes', async () => {
  const { body } = await ask('2026-11-22', 'bill_type=ALL&tar_type=GZIP');
  const address = String(body['download_url']);
  expect((await fetch(address, { headers: { connection: 'close' } })).status).toBe(401);
  const first = await download(address);
  const plain = gunzipSync(Buffer.from(await first.arrayBuffer()));
  expect(plain.equals((await bill('2026-11-22')).bytes)).toBe(true);
  expect((await download(address)).status).toBe(400);
  const late = await ask('2026-11-22');
  await clock.advance(300_001);
  expect((await download(String(late.body['download_url']))).status).toBe(400);
});

describe('a discrepancy that is planted', () => {
  const NO = 'before_midnight';
  const seen = async (...discrepancies: readonly object[]) => {
    const before = await bill('2026-11-22');
    expect((await plant(...discrepancies)).status).toBe(200);
    return { before, after: await bill('2026-11-22') };
  };

  test('leaves a line out: of the payment alone, or of the refund alone', async () => {
    const { after } = await seen({ do: 'leave_out', outTradeNo: NO }, { do: 'leave_out', outTradeNo: 'second_order' });
    expect(after.rows.map(({ no, state }) => [no, state])).toEqual([[NO, 'REFUND']]);
    expect(after.totals[0]).toBe('1.0');
  });
  test('adds a line that nobody paid', async () => {
    const { after } = await seen({ do: 'add_line', outTradeNo: 'never', amountFen: 77 });
    expect(after.rows.at(-1)).toMatchObject({ no: 'never', amount: '0.77', state: 'SUCCESS' });
    expect(after.totals[1]).toBe('20.77');
  });
  test('tells another amount, another fee, another state, another number', async () => {
    const { after } = await seen(
      { do: 'other_amount', outTradeNo: NO, amountFen: 999 },
      { do: 'other_fee', outTradeNo: NO, feeFen: 7 },
      { do: 'other_state', outTradeNo: NO, refundNo: `${NO}_r`, state: 'PROCESSING' },
      { do: 'other_order_no', outTradeNo: 'second_order', to: 'whose' },
    );
    expect(after.rows).toMatchObject([
      { no: NO, amount: '9.99', fee: '0.07000' },
      { no: NO, refundState: 'PROCESSING', back: '3.00' },
      { no: 'whose', amount: '10.00' },
    ]);
    expect(after.totals).toEqual(['3.0', '19.99', '3.00', '0.00', '0.11000', '19.99', '3.00']);
  });
  test('stands twice, with the totals or beside them', async () => {
    const { after } = await seen({ do: 'twice', outTradeNo: NO });
    expect([after.rows.length, after.totals[0], after.totals[1]]).toEqual([4, '4.0', '30.00']);
    await sandbox.control.remove('/bills/plants');
    const beside = await seen({ do: 'twice', outTradeNo: NO, inTotals: false });
    expect([beside.after.rows.length, beside.after.totals]).toEqual([4, beside.before.totals]);
  });
  test('comes a day later', async () => {
    const { after } = await seen({ do: 'next_day', outTradeNo: NO });
    expect(after.rows.map(({ no, state }) => [no, state])).toEqual([
      [NO, 'REFUND'],
      ['second_order', 'SUCCESS'],
    ]);
    await clock.advance(24 * HOUR_MS);
    expect((await bill('2026-11-23')).rows.map(({ no }) => no)).toEqual([NO, 'after_midnight']);
  });
  test('breaks the whole file, as often as it is told', async () => {
    const good = await bill('2026-11-22');
    const faults = ['truncated', 'wrong_hash', 'wrong_encoding', 'wrong_totals', 'not_ready'];
    for (const fault of faults) {
      const wish = {
        channel: 'wechat',
        account: 'wechat-a',
        day: '2026-11-22',
        discrepancies: [{ do: fault }],
        uses: 1,
      };
      expect((await sandbox.control.post('/bills/plants', wish)).status).toBe(200);
      const { body } = await ask('2026-11-22');
      if (fault === 'not_ready') {
        expect(body).toMatchObject({ code: 'STATEMENT_CREATING' });
        continue;
      }
      const bytes = Buffer.from(await (await download(String(body['download_url']))).arrayBuffer());
      const isRight = body['hash_value'] === createHash('sha1').update(bytes).digest('hex');
      expect([fault, isRight, bytes.equals(good.bytes)]).toEqual([
        fault,
        fault !== 'wrong_hash',
        fault === 'wrong_hash',
      ]);
    }
    expect((await bill('2026-11-22')).bytes.equals(good.bytes)).toBe(true);
  });
  test('needs a day where no line says it, and a form that is known', async () => {
    const wish = { channel: 'wechat', account: 'wechat-a' };
    for (const discrepancies of [
      [{ do: 'truncated' }],
      [{ do: 'add_line', outTradeNo: 'a', amountFen: 1 }],
      [{ do: 'else' }],
      [],
    ]) {
      expect((await sandbox.control.post('/bills/plants', { ...wish, discrepancies })).status).toBe(400);
    }
    expect((await sandbox.control.get<{ plants: unknown[] }>('/bills/plants')).body.plants).toEqual([]);
  });
});
