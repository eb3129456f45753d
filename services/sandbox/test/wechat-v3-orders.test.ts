import { ManualClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firstOf, ledgerOf, makeKeys, type RunningSandbox, runSandbox } from './running-sandbox.ts';
import { areVectorsMissing, readVectors, vectorsNote } from './vectors.ts';
import { type WechatMerchant, wechatMerchant } from './wechat-merchant.ts';

const { keys, remove } = makeKeys();
const clock = new ManualClock(Date.UTC(2026, 2, 1, 18, 30, 0));
let sandbox: RunningSandbox;
let merchant: WechatMerchant;
let neighbour: WechatMerchant;

beforeAll(async () => {
  sandbox = await runSandbox({ keys, clock });
  merchant = wechatMerchant(sandbox, firstOf(keys.wechat.accounts));
  neighbour = wechatMerchant(sandbox, firstOf(keys.wechat.accounts.slice(1)));
});
afterAll(async () => {
  await sandbox.close();
  remove();
});

let orders = 0;
const newOrderNo = (): string => {
  orders += 1;
  return `v3_order_${orders}`;
};
const place = async (outTradeNo: string, changes: object = {}): Promise<string> => {
  const { status, body } = await merchant.native(outTradeNo, changes);
  expect(status).toBe(200);
  return String(body['code_url']);
};
const scan = (code: string, how: object = {}) => sandbox.control.post('/scan', { code, ...how });
const stateOf = async (outTradeNo: string) => (await merchant.query(outTradeNo)).body['trade_state'];

describe('placing', () => {
  test('the same request again gives the same code_url', async () => {
    const outTradeNo = newOrderNo();
    expect(await place(outTradeNo)).toBe(await place(outTradeNo));
  });

  test('the same parameters in another order are the same request', async () => {
    const outTradeNo = newOrderNo();
    const codeUrl = await place(outTradeNo);
    const reversed = Object.fromEntries(Object.entries(merchant.nativeBody(outTradeNo)).toReversed());
    expect((await merchant.v3('POST', '/v3/pay/transactions/native', reversed)).body['code_url']).toBe(codeUrl);
  });

  test('another amount under the same number is refused', async () => {
    const outTradeNo = newOrderNo();
    await place(outTradeNo);
    expect(await merchant.native(outTradeNo, { amount: { total: 101, currency: 'CNY' } })).toMatchObject({
      status: 403,
      body: { code: 'OUT_TRADE_NO_USED' },
    });
  });

  test('a number is unique per merchant, not over all', async () => {
    const outTradeNo = newOrderNo();
    await place(outTradeNo);
    expect(await neighbour.native(outTradeNo)).toMatchObject({ status: 200 });
    expect(await neighbour.query(outTradeNo)).toMatchObject({ status: 200, body: { trade_state: 'NOTPAY' } });
  });

  test('a paid number is refused, also with other parameters', async () => {
    const outTradeNo = newOrderNo();
    await scan(await place(outTradeNo));
    for (const changes of [{}, { description: 'coffee' }]) {
      expect(await merchant.native(outTradeNo, changes)).toMatchObject({ status: 400, body: { code: 'ORDERPAID' } });
    }
  });

  test('a closed number is refused', async () => {
    const outTradeNo = newOrderNo();
    await place(outTradeNo);
    await merchant.close(outTradeNo);
    expect(await merchant.native(outTradeNo)).toMatchObject({ status: 400, body: { code: 'ORDER_CLOSED' } });
  });

  test('JSAPI gives a prepay_id that only its own payer pays', async () => {
    const outTradeNo = newOrderNo();
    const body = { ...merchant.nativeBody(outTradeNo), payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' } };
    const { body: placed } = await merchant.v3('POST', '/v3/pay/transactions/jsapi', body);
    expect(placed['prepay_id']).toMatch(/^wx20260302/);
    await scan(`prepay_id=${String(placed['prepay_id'])}`, { payerId: 'somebody else' });
    expect((await merchant.query(outTradeNo)).body).toMatchObject({
      trade_state: 'SUCCESS',
      trade_type: 'JSAPI',
      payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' },
    });
  });

  const WRONG: readonly (readonly [what: string, changes: object, code: string, field?: string])[] = [
    ['without a description', { description: undefined }, 'PARAM_ERROR', '/description'],
    ['with a description of 128 characters', { description: 'x'.repeat(128) }, 'PARAM_ERROR', '/description'],
    ['with an amount of 0', { amount: { total: 0 } }, 'PARAM_ERROR', '/amount/total'],
    ['with a fraction of a fen', { amount: { total: 1.5 } }, 'PARAM_ERROR', '/amount/total'],
    ['with an amount as text', { amount: { total: '100' } }, 'PARAM_ERROR', '/amount/total'],
    ['in another currency', { amount: { total: 1, currency: 'USD' } }, 'PARAM_ERROR', '/amount/currency'],
    ['with a number of 5 characters', { out_trade_no: '12345' }, 'PARAM_ERROR', '/out_trade_no'],
    ['with a number of 33 characters', { out_trade_no: '1'.repeat(33) }, 'PARAM_ERROR', '/out_trade_no'],
    ['with a number of other characters', { out_trade_no: 'order.123' }, 'PARAM_ERROR', '/out_trade_no'],
    ['with a query in notify_url', { notify_url: 'http://a.example/b?c=1' }, 'PARAM_ERROR', '/notify_url'],
    ['with a notify_url that is none', { notify_url: 'nowhere' }, 'PARAM_ERROR', '/notify_url'],
    ['with a time_expire that is none', { time_expire: 'tomorrow' }, 'PARAM_ERROR', '/time_expire'],
    ['with a time_expire that has passed', { time_expire: '2020-01-01T00:00:00+08:00' }, 'PARAM_ERROR', '/time_expire'],
    ["with another merchant's mchid", { mchid: '1900000000' }, 'PARAM_ERROR', '/mchid'],
    ['with an appid of somebody else', { appid: 'wx0000000000000000' }, 'APPID_MCHID_NOT_MATCH'],
  ];
  for (const [what, changes, code, field] of WRONG) {
    test(`a request ${what} is refused as ${code}`, async () => {
      const outTradeNo = newOrderNo();
      const got = await merchant.native(outTradeNo, changes);
      expect(got).toMatchObject({ status: 400, isAuthentic: true, body: { code } });
      if (field !== undefined) expect(got.body).toMatchObject({ detail: { field } });
      expect(await merchant.query(outTradeNo)).toMatchObject({ status: 404 });
    });
  }

  test('a body that is no JSON is refused', async () => {
    const sent = merchant.sign('POST', '/v3/pay/transactions/native', '{');
    expect(await merchant.send(sent)).toMatchObject({ status: 400, body: { code: 'PARAM_ERROR' } });
  });
});

describe('paying and querying', () => {
  test('times are those of Beijing', async () => {
    const outTradeNo = newOrderNo();
    await scan(await place(outTradeNo));
    expect((await merchant.query(outTradeNo)).body['success_time']).toMatch(/^2026-03-02T02:30:0\d\+08:00$/);
  });

  test('a payer who types is NOTPAY until the end, then SUCCESS', async () => {
    const outTradeNo = newOrderNo();
    await scan(await place(outTradeNo), { afterSeconds: 10 });
    await clock.advance(9_999);
    expect(await stateOf(outTradeNo)).toBe('NOTPAY');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 0 });
    await clock.advance(1);
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, netFen: 100 });
    expect(await stateOf(outTradeNo)).toBe('SUCCESS');
  });

  const FAILED_TRIES: readonly (readonly [what: string, how: object])[] = [
    ['gives up', { script: [{ do: 'payer_types_password', seconds: 0, then: 'gives_up' }] }],
    ['is declined', { script: [{ do: 'decline', code: 'NOTENOUGH' }] }],
  ];
  for (const [what, how] of FAILED_TRIES) {
    test(`a payer who ${what} leaves the order open, and the next one pays`, async () => {
      const outTradeNo = newOrderNo();
      const codeUrl = await place(outTradeNo);
      await scan(codeUrl, how);
      expect(await stateOf(outTradeNo)).toBe('NOTPAY');
      expect(await scan(codeUrl)).toMatchObject({ status: 200, body: { state: 'SUCCESS' } });
      expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 1, netFen: 100 });
    });
  }

  test('a payer without money cannot pay', async () => {
    const { body: poor } = await sandbox.control.post('/payment-codes', { wallet: 'wechat', balanceFen: 99 });
    const outTradeNo = newOrderNo();
    const codeUrl = await place(outTradeNo);
    await scan(codeUrl, { payerId: poor['payerId'] });
    expect(await stateOf(outTradeNo)).toBe('NOTPAY');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 0 });
  });

  test('nobody can pay an order twice, or one that somebody is paying', async () => {
    const paid = await place(newOrderNo());
    await scan(paid);
    expect(await scan(paid)).toMatchObject({ status: 409 });
    const busy = await place(newOrderNo());
    await scan(busy, { afterSeconds: 60 });
    expect(await scan(busy)).toMatchObject({ status: 409 });
  });

  test('a code_url can be opened for two hours', async () => {
    const codeUrl = await place(newOrderNo());
    await clock.advance(2 * 3_600_000 + 1);
    expect(await scan(codeUrl)).toMatchObject({ status: 409 });
  });

  test('an order ends at its time_expire, and whoever types then is too late', async () => {
    const outTradeNo = newOrderNo();
    const expire = new Date(clock.nowMs() + 60_000).toISOString();
    await scan(await place(outTradeNo, { time_expire: expire }), { afterSeconds: 61 });
    await clock.advance(59_000);
    expect(await stateOf(outTradeNo)).toBe('NOTPAY');
    await clock.advance(3_000);
    expect(await stateOf(outTradeNo)).toBe('CLOSED');
    expect(await ledgerOf(sandbox, outTradeNo)).toMatchObject({ charges: 0 });
  });

  test('a query with another mchid than the signed one is refused', async () => {
    const target = `/v3/pay/transactions/out-trade-no/no_matter?mchid=${neighbour.account.mchid}`;
    expect(await merchant.v3('GET', target)).toMatchObject({ status: 400, body: { code: 'PARAM_ERROR' } });
  });

  test("a merchant does not see another's orders, by either number", async () => {
    const outTradeNo = newOrderNo();
    await scan(await place(outTradeNo));
    const id = String((await merchant.query(outTradeNo)).body['transaction_id']);
    expect(await neighbour.query(outTradeNo)).toMatchObject({ status: 404 });
    const target = `/v3/pay/transactions/id/${id}?mchid=${neighbour.account.mchid}`;
    expect(await neighbour.v3('GET', target)).toMatchObject({ status: 404 });
  });
});

describe('closing', () => {
  test('an open order is closed with an empty, signed 204, as often as it is asked', async () => {
    const outTradeNo = newOrderNo();
    const codeUrl = await place(outTradeNo);
    expect(await merchant.close(outTradeNo)).toMatchObject({ status: 204, isAuthentic: true });
    expect(await merchant.close(outTradeNo)).toMatchObject({ status: 204 });
    expect(await scan(codeUrl)).toMatchObject({ status: 409 });
  });

  const REFUSED: readonly (readonly [
    what: string,
    prepare: (outTradeNo: string) => Promise<unknown>,
    status: number,
    code: string,
  ])[] = [
    ['there is not', async () => undefined, 404, 'ORDER_NOT_EXIST'],
    ['is paid', async (no) => scan(await place(no)), 400, 'ORDERPAID'],
    ['somebody is paying', async (no) => scan(await place(no), { afterSeconds: 9 }), 429, 'FREQUENCY_LIMITED'],
  ];
  for (const [what, prepare, status, code] of REFUSED) {
    test(`an order that ${what} is not closed: ${code}`, async () => {
      const outTradeNo = newOrderNo();
      await prepare(outTradeNo);
      expect(await merchant.close(outTradeNo)).toMatchObject({ status, body: { code } });
    });
  }
});

type ErrorRows = { wechat_v3_transactions: { rows: { code: string; http: number; aliases: string[] }[] } };
const ERRORS = 'error-classification.json';
test.skipIf(areVectorsMissing(ERRORS))(
  `every documented code can be scripted and comes with its documented status${vectorsNote(ERRORS)}`,
  async () => {
    const rows = readVectors<ErrorRows>(ERRORS).wechat_v3_transactions.rows;
    expect(rows).not.toEqual([]);
    for (const { code: name, http, aliases } of rows) {
      for (const code of [name, ...aliases]) {
        await sandbox.control.post('/scripts', {
          match: { description: 'scripted' },
          uses: 1,
          script: [{ do: 'decline', code }],
        });
        const got = await merchant.native(newOrderNo(), { description: 'scripted' });
        expect(got).toMatchObject({ status: http, isAuthentic: true, body: { code } });
      }
    }
  },
);
