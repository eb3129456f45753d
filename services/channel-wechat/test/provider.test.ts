import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askByCode, payByCode, reverseByCode } from '../src/code-payment.ts';
import type { WechatAccount } from '../src/config.ts';
import { parseNotification } from '../src/notification.ts';
import { askOrder, closeOrder, placeOrder } from '../src/order-payment.ts';
import { buildPayerAuth } from '../src/payer-auth.ts';
import { askRefund, refundOrder } from '../src/refund.ts';
import { sealedNotification } from './sealed-notification.ts';
import {
  account,
  callOf,
  httpFor,
  order,
  payment,
  refund,
  startPeer,
  v2Answer,
  v2FieldsOf,
  v3Answer,
  type WechatPeer,
} from './wechat-peer.ts';

const SUB = { mchId: '1600000001', appId: 'wxd678efh567hg6999' };
const NAMED = {
  sp_appid: 'wx8888888888888888',
  sp_mchid: '1900000109',
  sub_appid: SUB.appId,
  sub_mchid: SUB.mchId,
};
const qr = order({ kind: 'merchant_qr' });
const TRANSACTION = {
  ...NAMED,
  out_trade_no: qr.channelOrderNo,
  transaction_id: '4200000000202611220000000002',
  trade_state: 'SUCCESS',
  success_time: '2026-11-22T11:59:59+08:00',
  amount: { total: 888, currency: 'CNY' },
};
const PATH = '/v3/pay/partner/transactions';

let peer: WechatPeer;
let http: ReturnType<typeof httpFor>;
beforeEach(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterEach(async () => {
  await http.close();
  await peer.close();
});
const call = (more: Partial<WechatAccount> = {}) => callOf(account(peer.baseUrl, { subMerchant: SUB, ...more }), http);
const withoutApplication = { subMerchant: { mchId: SUB.mchId } };
const bodyOf = (index = 0): unknown => JSON.parse(peer.seen[index]?.body ?? '');

/** What names somebody else, or leaves one of us out. */
const STRANGERS: readonly (readonly [string, object])[] = [
  ['another sub-merchant', { sub_mchid: '1600000002' }],
  ['another provider', { sp_mchid: '1900000110' }],
  ['another application of the provider', { sp_appid: 'wx1' }],
  ['another application of the merchant', { sub_appid: 'wx1' }],
  ['no sub-merchant', { sub_mchid: undefined }],
  ['no provider', { sp_mchid: undefined }],
  ['no application of the provider', { sp_appid: undefined }],
  ['a sub-merchant that is no text', { sub_mchid: 1_600_000_001 }],
  ['a merchant of its own besides', { mchid: '1900000110' }],
];

test('an order for a merchant is placed in the name of both, signed by the provider', async () => {
  peer.answer = () => v3Answer(200, { code_url: 'weixin://wxpay/bizpayurl?pr=JyC91EIz1' });
  expect((await placeOrder(payment({ order: qr }), call())).outcome.kind).toBe('pending_payer');
  expect(peer.seen[0]).toMatchObject({ url: `${PATH}/native` });
  expect(peer.seen[0]?.headers.authorization).toContain('mchid="1900000109"');
  expect(bodyOf()).toMatchObject({ ...NAMED, out_trade_no: qr.channelOrderNo, amount: { total: 888 } });
  expect(bodyOf()).not.toHaveProperty('mchid');
});

test("a payer is named under the application that knows the openid, and a page signs with that application's id", async () => {
  peer.answer = () => v3Answer(200, { prepay_id: 'wx201410272009395522657a690389285100' });
  const jsapi = payment({ order: order({ kind: 'jsapi' }) });
  const own = await placeOrder(jsapi, call());
  const providers = await placeOrder(jsapi, call(withoutApplication));
  expect(bodyOf(0)).toMatchObject({ payer: { sub_openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' } });
  expect(bodyOf(1)).toMatchObject({ payer: { sp_openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' } });
  expect(bodyOf(1)).not.toHaveProperty('sub_appid');
  expect(own.action).toMatchObject({ kind: 'jsapi', parameters: { appId: SUB.appId } });
  expect(providers.action).toMatchObject({ kind: 'jsapi', parameters: { appId: 'wx8888888888888888' } });
});

test('who pays is asked of the application that the orders are for', () => {
  const payerAuth = {
    appSecretFile: call().account.apiV3KeyFile,
    authorizeUrl: 'https://w.example',
    apiUrl: 'https://a',
  };
  const ask = (more: Partial<WechatAccount>) =>
    new URL(buildPayerAuth({ returnUrl: 'https://x.example', state: 's' }, call({ payerAuth, ...more }).account));
  expect(ask({}).searchParams.get('appid')).toBe(SUB.appId);
  expect(ask(withoutApplication).searchParams.get('appid')).toBe('wx8888888888888888');
});

describe('a query', () => {
  test('asks for both and is paid where both answer', async () => {
    peer.answer = () => v3Answer(200, TRANSACTION);
    expect((await askOrder(qr, call())).outcome).toMatchObject({ kind: 'succeeded', paid: { minorUnits: 888n } });
    expect(peer.seen[0]?.url).toBe(
      `${PATH}/out-trade-no/${qr.channelOrderNo}?sp_mchid=1900000109&sub_mchid=1600000001`,
    );
  });
  for (const [what, change] of STRANGERS) {
    test(`with ${what} in it is no success and no end`, async () => {
      for (const trade_state of ['SUCCESS', 'CLOSED', 'NOTPAY']) {
        peer.answer = () => v3Answer(200, { ...TRANSACTION, ...change, trade_state });
        expect((await askOrder(qr, call())).outcome.kind).toBe('unknown');
      }
    });
  }
  test('of a merchant of its own is no success where a sub-merchant stands in it', async () => {
    const own = { ...TRANSACTION, appid: 'wx8888888888888888', mchid: '1900000109' };
    const { sp_appid: _a, sp_mchid: _b, sub_appid: _c, sub_mchid, ...direct } = own;
    peer.answer = () => v3Answer(200, direct);
    const ofItsOwn = call({ subMerchant: undefined });
    expect((await askOrder(qr, ofItsOwn)).outcome.kind).toBe('succeeded');
    peer.answer = () => v3Answer(200, { ...direct, sub_mchid });
    expect((await askOrder(qr, ofItsOwn)).outcome.kind).toBe('unknown');
  });
});

test('a close names both', async () => {
  peer.answer = () => v3Answer(204, undefined);
  expect(await closeOrder(qr, call())).toMatchObject({ end: 'closed' });
  expect(peer.seen[0]?.url).toBe(`${PATH}/out-trade-no/${qr.channelOrderNo}/close`);
  expect(bodyOf()).toEqual({ sp_mchid: '1900000109', sub_mchid: '1600000001' });
});

describe('a refund', () => {
  const REFUND = {
    refund_id: '5030',
    out_refund_no: refund().refundNo,
    out_trade_no: order().channelOrderNo,
    status: 'SUCCESS',
    amount: { total: 888, refund: 100, currency: 'CNY' },
  };
  test('is asked for, and asked about, for the merchant', async () => {
    peer.answer = () => v3Answer(200, REFUND);
    expect((await refundOrder(refund(), call())).state).toBe('succeeded');
    expect((await askRefund(refund(), call())).state).toBe('succeeded');
    expect(bodyOf()).toMatchObject({ sub_mchid: SUB.mchId });
    expect(peer.seen[1]?.url).toBe(`/v3/refund/domestic/refunds/${refund().refundNo}?sub_mchid=${SUB.mchId}`);
  });
  test('whose answer names another merchant is unknown', async () => {
    for (const stranger of [{ sub_mchid: '1600000002' }, { sp_mchid: '1900000110' }, { mchid: '1900000109' }]) {
      peer.answer = () => v3Answer(200, { ...REFUND, ...stranger });
      expect((await refundOrder(refund(), call())).state).toBe('unknown');
    }
  });
});

describe('a notification', () => {
  const parse = (event: string, content: object) => parseNotification(sealedNotification(event, content), call());
  test('of a payment or a refund of the merchant is news', () => {
    expect(parse('TRANSACTION.SUCCESS', TRANSACTION)).toMatchObject({
      payments: [{ report: { outcome: { kind: 'succeeded' } } }],
    });
    const { sp_appid: _a, sub_appid: _b, ...merchants } = NAMED;
    const refunded = { out_refund_no: 'r1', refund_id: '5030', refund_status: 'SUCCESS', amount: { refund: 100 } };
    expect(parse('REFUND.SUCCESS', { ...merchants, ...refunded })).toMatchObject({
      refunds: [{ refundNo: 'r1', report: { state: 'succeeded' } }],
    });
    expect(parse('REFUND.SUCCESS', { ...merchants, sub_mchid: '1600000002', ...refunded })).toMatchObject({
      refusal: 'foreign_account',
    });
  });
  for (const [what, change] of STRANGERS) {
    test(`with ${what} in it is refused`, () => {
      expect(parse('TRANSACTION.SUCCESS', { ...TRANSACTION, ...change })).toMatchObject({
        refusal: 'foreign_account',
      });
    });
  }
});

describe('a payment code over v2', () => {
  const PAID = {
    result_code: 'SUCCESS',
    trade_state: 'SUCCESS',
    sub_mch_id: SUB.mchId,
    sub_appid: SUB.appId,
    out_trade_no: order().channelOrderNo,
    transaction_id: '42',
    total_fee: '888',
    time_end: '20261122115959',
  };
  test('is taken, asked about and reversed for the merchant', async () => {
    peer.answer = () => v2Answer(PAID);
    expect((await payByCode(payment(), call())).outcome.kind).toBe('succeeded');
    expect((await askByCode(order(), call())).outcome.kind).toBe('succeeded');
    peer.answer = ({ url }) =>
      v2Answer({ ...PAID, trade_state: 'NOTPAY', ...(url.includes('reverse') ? { recall: 'N' } : {}) });
    expect(await reverseByCode(order(), call())).toMatchObject({ end: 'closed' });
    for (const { body } of peer.seen) {
      expect(v2FieldsOf(body)).toMatchObject({
        appid: 'wx8888888888888888',
        mch_id: '1900000109',
        sub_appid: SUB.appId,
        sub_mch_id: SUB.mchId,
      });
    }
  });
  test('is no success, and no end, where the answer is about another merchant', async () => {
    for (const stranger of [{ sub_mch_id: '1600000002' }, { sub_mch_id: '' }, { sub_appid: 'wx1' }]) {
      peer.answer = () => v2Answer({ ...PAID, ...stranger });
      expect((await payByCode(payment(), call())).outcome.kind).toBe('unknown');
      peer.answer = () => v2Answer({ result_code: 'FAIL', err_code: 'NOTENOUGH', ...stranger });
      expect((await payByCode(payment(), call())).outcome.kind).toBe('unknown');
      peer.answer = ({ url }) =>
        url.includes('reverse')
          ? v2Answer({ result_code: 'SUCCESS', recall: 'N', ...stranger })
          : v2Answer({ ...PAID, trade_state: 'NOTPAY' });
      expect(await reverseByCode(order(), call())).toMatchObject({ end: 'undecided', repeat: true });
    }
  });
});
