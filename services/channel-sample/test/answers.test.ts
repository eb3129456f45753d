import type { ChannelHttp, OrderRef } from '@tillmesh/channel-kit';
import { hmacSha256Hex } from '@tillmesh/channel-kit';
import { ManualClock, seededRandom } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { money } from '@tillmesh/domain';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SampleAccount } from '../src/config.ts';
import { askOrder, payByCode } from '../src/payment.ts';
import { classify } from '../src/protocol.ts';

// Whatever comes back, even signed: no crash, no success and no definite failure but the true ones, and always a word on why.

const KEY = 'a-key-of-thirty-two-characters-a';
const NOW_MS = Date.UTC(2026, 10, 22, 4, 0, 0);
const account: SampleAccount = {
  accountId: 'sample-a',
  baseUrls: ['http://127.0.0.1:1'],
  strictSignatures: false,
  acceptsNotifications: true,
  merchantNo: '1000001',
  keyFile: new Secret(KEY),
};
const order: OrderRef = {
  accountId: 'sample-a',
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
const PAID = {
  code: 'PAID',
  merchant: '1000001',
  order: order.channelOrderNo,
  id: 'S1',
  amount: 1_234,
  currency: 'CNY',
  paidAt: '2026-11-22T12:00:00+08:00',
};

/** Sample Pay answering with some bytes. @param signed false: nobody has signed them. */
const callAnswered = (status: number, body: Buffer, signed = true) => {
  const http: ChannelHttp = {
    send: async ({ headers }) => {
      const mac = hmacSha256Hex(`${String(headers['sample-signature'])}\n${status}\n${body.toString('utf8')}`, KEY);
      return {
        kind: 'answered',
        status,
        headers: { 'content-type': 'application/json', ...(signed ? { 'sample-signature': mac } : {}) },
        body,
        host: '127.0.0.1:1',
        sends: 1,
        secure: false,
      };
    },
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

test('the one true answer is a success; unsigned it is none', async () => {
  const body = Buffer.from(JSON.stringify(PAID));
  expect((await payByCode(request, callAnswered(200, body))).outcome).toMatchObject({ kind: 'succeeded' });
  expect((await payByCode(request, callAnswered(200, body, false))).outcome.kind).toBe('unknown');
});

test('an answer with one member that is something else is no success', async () => {
  const other = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom(-1, 0, 1e300, 2 ** 53, '', 'PAID', [], {}, null),
  );
  const members = fc.constantFrom<keyof typeof PAID>('code', 'merchant', 'order', 'amount', 'currency', 'paidAt', 'id');
  await fc.assert(
    fc.asyncProperty(members, other, async (member, value) => {
      fc.pre(JSON.stringify(value) !== JSON.stringify(PAID[member]));
      const call = callAnswered(200, Buffer.from(JSON.stringify({ ...PAID, [member]: value })));
      for (const { outcome } of [await payByCode(request, call), await askOrder(order, call)]) {
        // Another id, and another readable time, are Sample Pay's to say.
        if (member !== 'id' && member !== 'paidAt') expect(outcome.kind).not.toBe('succeeded');
        expect(outcome.kind).not.toBe('failed_definite');
      }
    }),
    { numRuns: 300 },
  );
});

test('bytes that are cut, changed or of another kind prove nothing', async () => {
  const whole = JSON.stringify(PAID);
  const damaged = fc.oneof(
    fc.nat(whole.length - 1).map((length) => Buffer.from(whole.slice(0, length))),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom('[', '{"a":'.repeat(5_000), `${whole}${whole}`, `{"code":"PAID",${whole.slice(1)}`)
      .map((text) => Buffer.from(text)),
  );
  await fc.assert(
    fc.asyncProperty(damaged, fc.constantFrom(200, 202, 402, 404, 500), fc.boolean(), async (body, status, signed) => {
      const call = callAnswered(status, body, signed);
      for (const { outcome } of [await payByCode(request, call), await askOrder(order, call)]) {
        expect(outcome.kind).toBe('unknown');
      }
    }),
    { numRuns: 300 },
  );
});

test('a code that nobody listed proves nothing, whatever its answer looks like', () => {
  const trust = { httpStatus: 402, signature: 'verified', unsignedCredible: true } as const;
  fc.assert(
    fc.property(fc.string(), (code) => {
      fc.pre(!['NOT_ENOUGH_MONEY', 'CODE_EXPIRED'].includes(code));
      expect(classify({ operation: 'pay', code, trust }).failure).toBeUndefined();
    }),
  );
  expect(classify({ operation: 'pay', code: 'NOT_ENOUGH_MONEY', trust }).failure?.reason).toBe('insufficient_funds');
});
