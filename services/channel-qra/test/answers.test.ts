import type { ChannelHttp, OrderRef } from '@tillmesh/channel-kit';
import { writeFlatXml, xmlSafe } from '@tillmesh/channel-kit';
import { ManualClock, seededRandom } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { money } from '@tillmesh/domain';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { QraAccount } from '../src/config.ts';
import { askOrder, payByCode } from '../src/payment.ts';
import { classify, sign } from '../src/protocol.ts';

// Whatever comes back, even signed: no crash, no success and no definite failure but the true ones, and always a word on why.

const KEY = '9d101c97133837e13dde2d32a5054abb';
const MCH_ID = 'QRA290000000001';
const NOW_MS = Date.UTC(2026, 10, 22, 4, 0, 0);
const account: QraAccount = {
  accountId: 'qra-a',
  baseUrls: ['http://127.0.0.1:1'],
  strictSignatures: false,
  acceptsNotifications: true,
  mchId: MCH_ID,
  keyFile: new Secret(KEY),
};
const order: OrderRef = {
  accountId: 'qra-a',
  channelOrderNo: '1234567890123456',
  channelTransactionId: '',
  createdAtMs: NOW_MS,
  expireAtMs: NOW_MS + 600_000,
  kind: 'payment_code',
  amount: money('CNY', 1_234n),
};
const request = {
  order,
  subject: 'tea',
  expireAtMs: NOW_MS + 600_000,
  paymentCode: new Secret('135555555555555555'),
  payerId: new Secret(''),
  clientIp: new Secret(''),
  notifyUrl: '',
  terminalId: '',
  storeId: '',
};
const COMMON = { status: '0', result_code: '0', mch_id: MCH_ID, out_trade_no: order.channelOrderNo };
const MONEY = { transaction_id: '1', total_fee: '1234', fee_type: 'CNY', time_end: '20261122120000' };
/** An answer that is both: one to micropay, and one to a query. */
const PAID = { ...COMMON, ...MONEY, pay_result: '0', trade_state: 'SUCCESS' };

const xmlOf = (fields: Readonly<Record<string, string>>) =>
  Buffer.from(writeFlatXml({ ...fields, sign: sign(fields, KEY) }));

/** QRA answering with some bytes. */
const callAnswered = (status: number, body: Buffer) => {
  const http: ChannelHttp = {
    send: async () => ({
      kind: 'answered',
      status,
      headers: { 'content-type': 'text/xml' },
      body,
      host: '127.0.0.1:1',
      sends: 1,
      secure: true,
    }),
    close: async () => {},
  };
  return {
    account,
    http,
    clock: new ManualClock(NOW_MS),
    random: seededRandom(1),
    signal: new AbortController().signal,
  };
};
const outcomesOf = async (status: number, body: Buffer) => [
  (await payByCode(request, callAnswered(status, body))).outcome.kind,
  (await askOrder(order, callAnswered(status, body))).outcome.kind,
];

test('the one true answer is a success; unsigned it is none, over TLS neither', async () => {
  expect(await outcomesOf(200, xmlOf(PAID))).toEqual(['succeeded', 'succeeded']);
  expect(await outcomesOf(200, Buffer.from(writeFlatXml(PAID)))).toEqual(['unknown', 'unknown']);
});

test('an answer with one field that is something else is no success', async () => {
  const other = fc.oneof(fc.string().map(xmlSafe), fc.constantFrom('', '0', '1', '-1', '1e9', 'SUCCESS', 'CNY'));
  // Another transaction number, and another readable time, are QRA's to say.
  const fields = fc.constantFrom(
    'status',
    'result_code',
    'mch_id',
    'out_trade_no',
    'total_fee',
    'pay_result',
    'trade_state',
  );
  await fc.assert(
    fc.asyncProperty(fields as fc.Arbitrary<keyof typeof PAID>, other, async (name, value) => {
      fc.pre(value !== PAID[name]);
      const [paid, asked] = await outcomesOf(200, xmlOf({ ...PAID, [name]: value }));
      if (name !== 'trade_state') expect(paid).not.toBe('succeeded');
      if (name !== 'pay_result') expect(asked).not.toBe('succeeded');
      for (const kind of [paid, asked]) expect(kind).not.toBe('failed_definite');
    }),
    { numRuns: 300 },
  );
});

test('bytes that are cut, changed or of another kind prove nothing', async () => {
  const whole = xmlOf(PAID).toString();
  const damaged = fc.oneof(
    fc.nat(whole.length - 1).map((length) => whole.slice(0, length)),
    fc.string({ maxLength: 200 }),
    fc.constantFrom(
      '<xml>'.repeat(5_000),
      `<!DOCTYPE xml [<!ENTITY a "1234">]>${whole}`,
      whole.replace('1234', '&a;'),
      whole.replace('<total_fee>', '<total_fee>1</total_fee><total_fee>'),
      `${whole}${whole}`,
      whole.replace(/<sign>.*<\/sign>/, ''),
    ),
  );
  await fc.assert(
    fc.asyncProperty(damaged, async (text) => {
      expect(await outcomesOf(200, Buffer.from(text))).toEqual(['unknown', 'unknown']);
    }),
    { numRuns: 300 },
  );
  expect(await outcomesOf(500, xmlOf(PAID))).toEqual(['unknown', 'unknown']);
});

test('a refusal is definite where it is listed and nobody has to ask, and only there', async () => {
  const refusal = (err_code: string, need_query: string) =>
    xmlOf({ ...COMMON, result_code: '1', err_code, need_query });
  expect(await outcomesOf(200, refusal('NOTENOUGH', 'N'))).toEqual(['failed_definite', 'unknown']);
  for (const body of [
    refusal('NOTENOUGH', 'Y'),
    refusal('NOTENOUGH', ''),
    refusal('NOVEL_CODE_OF_TOMORROW', 'N'),
    xmlOf({ ...COMMON, mch_id: 'QRA290000000002', result_code: '1', err_code: 'NOTENOUGH', need_query: 'N' }),
    Buffer.from(writeFlatXml({ ...COMMON, result_code: '1', err_code: 'NOTENOUGH', need_query: 'N' })),
  ]) {
    expect(await outcomesOf(200, body)).toEqual(['unknown', 'unknown']);
  }
  const trust = { httpStatus: 200, signature: 'verified', unsignedCredible: false } as const;
  const told = { operation: 'pay', code: 'NOTENOUGH', trust } as const;
  expect(classify({ ...told, needQuery: 'N' }).failure?.reason).toBe('insufficient_funds');
  expect(classify({ ...told, needQuery: 'Y' })).toMatchObject({ class: 'query_now', failure: undefined });
});

test('an order that has ended unpaid is told so by the query', async () => {
  for (const state of ['CLOSED', 'REVOKED', 'PAYERROR']) {
    const { outcome } = await askOrder(order, callAnswered(200, xmlOf({ ...COMMON, trade_state: state })));
    expect(outcome).toMatchObject({ kind: 'failed_definite', closed: state !== 'PAYERROR' });
    const foreign = xmlOf({ ...COMMON, out_trade_no: '9999999999999999', trade_state: state });
    expect((await askOrder(order, callAnswered(200, foreign))).outcome.kind).toBe('unknown');
  }
});
