import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { alipay } from '../src/channel.ts';
import {
  type AlipayPeer,
  account,
  callOf,
  failed,
  httpFor,
  ok,
  order,
  payment,
  refund,
  signText,
  startPeer,
} from './alipay-peer.ts';

// Whatever the channel sends back: no crash, no success, no definite failure, unless it is the one true answer.

let peer: AlipayPeer;
let http: ReturnType<typeof httpFor>;
beforeAll(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterAll(async () => {
  await http.close();
  await peer.close();
});

const PAID = JSON.stringify(
  ok({
    out_trade_no: order().channelOrderNo,
    trade_no: '42',
    trade_status: 'TRADE_SUCCESS',
    total_amount: '88.80',
    gmt_payment: '2026-11-22 11:59:59',
    send_pay_date: '2026-11-22 11:59:59',
    retry_flag: 'N',
    action: 'close',
    qr_code: 'https://qr.alipay.com/x',
  }),
);
const DECLINED = JSON.stringify(failed('ACQ.BUYER_BALANCE_NOT_ENOUGH'));

const damage = (text: string) =>
  fc
    .tuple(
      fc.nat(text.length),
      fc.nat(text.length),
      fc.constantFrom('', 'x', '"', '}', '{', '1', ',"code":"10000"', ',"a":1'),
    )
    .map(([from, to, insert]) => text.slice(0, Math.min(from, to)) + insert + text.slice(Math.max(from, to)));
const content = fc.oneof(
  fc.json(),
  damage(PAID),
  damage(DECLINED),
  fc.constantFrom(
    '{}',
    '[]',
    'null',
    '"x"',
    '{"code":10000}',
    '{"code":["40001"]}',
    '{"code":"40001","code":"40004"}',
    `${'{"a":'.repeat(500)}1${'}'.repeat(500)}`,
  ),
);

const kinds = ['payment_code', 'merchant_qr'] as const;
const ask = async (kind: (typeof kinds)[number]) => {
  const call = callOf(account(peer.baseUrl), http);
  const ref = order({ kind });
  const [created, asked, closed, cancelled, returned, askedReturn] = await Promise.all([
    alipay.createPayment(payment({ order: ref }), call),
    alipay.queryPayment(ref, call),
    alipay.closePayment?.(ref, call),
    alipay.reversePayment?.(ref, call),
    alipay.createRefund?.(refund(), call),
    alipay.queryRefund?.(refund(), call),
  ]);
  return {
    payments: [created, asked],
    ended: [closed?.seen, cancelled?.seen],
    refunds: [returned, askedReturn],
    ends: [closed?.end, cancelled?.end],
  };
};

test('answers that nobody signed prove nothing, whatever they hold', async () => {
  await fc.assert(
    fc.asyncProperty(
      content,
      fc.constantFrom('', ',"sign":""', ',"sign":"AAAA"', ',"sign":null', `,"sign":"${signText('something else')}"`),
      fc.constantFrom('named', 'error', 'bare', 'cut'),
      fc.constantFrom(200, 204, 302, 400, 500, 503),
      fc.constantFrom(...kinds),
      async (text, sign, form, status, kind) => {
        peer.answer = ({ params }) => {
          const name = form === 'error' ? 'error' : (params['method'] ?? '').replaceAll('.', '_');
          const whole = form === 'bare' ? text : `{"${name}_response":${text}${sign}}`;
          const body = form === 'cut' ? whole.slice(0, whole.length / 2) : whole;
          return { status, headers: { 'content-type': 'text/html', trace_id: '1' }, body: status === 204 ? '' : body };
        };
        const { payments, ended, refunds, ends } = await ask(kind);
        for (const report of [...payments, ...ended]) {
          expect(['succeeded', 'failed_definite']).not.toContain(report?.outcome.kind);
          expect(report?.action).toBeUndefined();
        }
        for (const report of refunds) expect(report?.state).toBe('unknown');
        for (const end of ends) expect(end).toBe('undecided');
      },
    ),
    { numRuns: 150 },
  );
});

test('answers that are signed but damaged before they were signed do not crash, and pay only what was asked', async () => {
  await fc.assert(
    fc.asyncProperty(content, fc.constantFrom(...kinds), async (text, kind) => {
      peer.answer = ({ params }) => ({
        status: 200,
        body: `{"${(params['method'] ?? '').replaceAll('.', '_')}_response":${text},"sign":"${signText(text.trim())}"}`,
      });
      const { payments, ended } = await ask(kind);
      for (const report of [...payments, ...ended]) {
        if (report?.outcome.kind === 'succeeded') expect(report.outcome.paid.minorUnits).toBe(8_880n);
        if (report?.outcome.kind === 'failed_definite') {
          expect(report.outcome.evidence).toMatchObject({ signature: 'verified' });
        }
      }
      for (const report of payments) {
        if (report.outcome.kind === 'failed_definite') expect(text).toMatch(/ACQ\.BUYER|4000|TRADE_CLOSED/);
      }
      for (const report of ended) {
        if (report?.outcome.kind === 'failed_definite') expect(text).toContain(order().channelOrderNo);
      }
    }),
    { numRuns: 100 },
  );
});
