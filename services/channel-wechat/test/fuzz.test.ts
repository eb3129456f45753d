import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wechat } from '../src/channel.ts';
import type { WechatAccount } from '../src/config.ts';
import {
  account,
  callOf,
  httpFor,
  order,
  payment,
  refund,
  signedHeaders,
  startPeer,
  v2Xml,
  type WechatPeer,
} from './wechat-peer.ts';

// Whatever the channel sends back: no crash, no success, no definite failure, unless it is the one true answer.

let peer: WechatPeer;
let http: ReturnType<typeof httpFor>;
beforeAll(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterAll(async () => {
  await http.close();
  await peer.close();
});

const V3_PAID = JSON.stringify({
  appid: 'wx8888888888888888',
  mchid: '1900000109',
  out_trade_no: order().channelOrderNo,
  transaction_id: '4200000000202611220000000002',
  trade_state: 'SUCCESS',
  success_time: '2026-11-22T11:59:59+08:00',
  amount: { total: 888, currency: 'CNY' },
});
const V2_PAID = v2Xml({
  return_code: 'SUCCESS',
  result_code: 'SUCCESS',
  trade_state: 'SUCCESS',
  out_trade_no: order().channelOrderNo,
  transaction_id: '42',
  total_fee: '888',
  time_end: '20261122115959',
});
const V2_DECLINED = v2Xml({ return_code: 'SUCCESS', result_code: 'FAIL', err_code: 'NOTENOUGH' });
const PARTNER_IDS = { sp_appid: 'wx8888888888888888', sp_mchid: '1900000109', sub_mchid: '1600000001' };
const { appid: _appid, mchid: _mchid, ...TERMS } = JSON.parse(V3_PAID) as Record<string, unknown>;
const PARTNER_PAID = JSON.stringify({ ...PARTNER_IDS, ...TERMS });
const REVERSED = JSON.stringify({ ...PARTNER_IDS, out_trade_no: order().channelOrderNo });
const V3_DECLINED = JSON.stringify({ code: 'NO_AUTH', message: 'x' });

const damage = (text: string) =>
  fc
    .tuple(fc.nat(text.length), fc.nat(text.length), fc.constantFrom('', 'x', '"', '<', '}', '1', '&', ',"a":1'))
    .map(([from, to, insert]) => text.slice(0, Math.min(from, to)) + insert + text.slice(Math.max(from, to)));

const anyBody = fc.oneof(
  fc.json(),
  fc.string({ unit: 'binary' }),
  ...[V3_PAID, V2_PAID, V2_DECLINED, V3_DECLINED, PARTNER_PAID, REVERSED].map(damage),
  fc.constantFrom(
    '{}',
    '[]',
    'null',
    '<xml></xml>',
    '{"code":{"code":"NO_AUTH"}}',
    '{"code":"NO_AUTH","code":"NO_AUTH"}',
    '{"__proto__":{"code":"NO_AUTH"}}',
    '{"amount":{"total":888},"trade_state":"SUCCESS"}',
    '<xml><err_code>NOTENOUGH</err_code><return_code>SUCCESS</return_code></xml>',
    `{"code":"${'A'.repeat(60_000)}"}`,
    '{"a":'.repeat(5_000),
  ),
);

const kinds = ['payment_code', 'merchant_qr', 'jsapi'] as const;
const MODES: readonly Partial<WechatAccount>[] = [
  {},
  { codePayments: 'v3' },
  { subMerchant: { mchId: '1600000001' } },
  { subMerchant: { mchId: '1600000001' }, codePayments: 'v3' },
];
const anyMode = fc.constantFrom(...MODES);
const ask = async (kind: (typeof kinds)[number], mode: Partial<WechatAccount>) => {
  const call = callOf(account(peer.baseUrl, mode), http);
  const ref = order({ kind });
  const [created, asked, returned, askedReturn] = await Promise.all([
    wechat.createPayment(payment({ order: ref }), call),
    wechat.queryPayment(ref, call),
    wechat.createRefund?.(refund(), call),
    wechat.queryRefund?.(refund(), call),
  ]);
  const closed = await (kind === 'payment_code' ? wechat.reversePayment : wechat.closePayment)?.(ref, call);
  return { payments: [created, asked, closed?.seen], refunds: [returned, askedReturn], end: closed?.end };
};

const proves = async (kind: (typeof kinds)[number], mode: Partial<WechatAccount> = {}): Promise<void> => {
  const { payments, refunds, end } = await ask(kind, mode);
  for (const report of payments) expect(['succeeded', 'failed_definite']).not.toContain(report?.outcome.kind);
  for (const report of refunds) expect(report?.state).toBe('unknown');
  expect(['closed', 'refunded', 'already_paid']).not.toContain(end);
};

test('answers that nobody signed prove nothing, whatever they hold', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyBody,
      fc.constantFrom(200, 202, 204, 301, 400, 401, 403, 404, 429, 500, 502, 599),
      fc.constantFrom('application/json', 'text/xml', 'text/html', ''),
      fc.constantFrom(...kinds),
      anyMode,
      async (body, status, contentType, kind, mode) => {
        // What v2 signs with the shared key is the true answer and not of this test.
        fc.pre(![V2_PAID, V2_DECLINED].includes(body));
        peer.answer = () => ({
          status,
          headers: { 'content-type': contentType, 'request-id': '1' },
          body: status === 204 ? '' : body,
        });
        await proves(kind, mode);
      },
    ),
    { numRuns: 150 },
  );
});

test('answers that are signed but damaged before they were signed do not crash, and pay only what was asked', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyBody,
      fc.constantFrom(200, 403, 500),
      fc.constantFrom('merchant_qr' as const, 'jsapi' as const, 'payment_code' as const),
      fc.constantFrom(...MODES.slice(1)),
      async (body, status, kind, mode) => {
        peer.answer = () => ({ status, headers: signedHeaders(body), body });
        const { payments } = await ask(kind, mode);
        for (const report of payments) {
          if (report?.outcome.kind === 'succeeded') expect(report.outcome.paid.minorUnits).toBe(888n);
          if (report?.outcome.kind === 'failed_definite') {
            expect(report.outcome.evidence).toMatchObject({ signature: 'verified' });
            expect(body).toMatch(/NO_AUTH|NOTENOUGH|CLOSED|REVOKED|PAYERROR|out_trade_no/);
          }
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('an answer over the size limit proves nothing', async () => {
  const body = `${V3_DECLINED}${' '.repeat(100_000)}`;
  peer.answer = () => ({ status: 403, headers: signedHeaders(body), body });
  for (const kind of kinds) for (const mode of MODES) await proves(kind, mode);
});
