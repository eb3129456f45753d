import { generateKeyPairSync } from 'node:crypto';
import type { HttpRequest, RefundRequest } from '@tillmesh/channel-kit';
import { money } from '@tillmesh/domain';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unionpay } from '../src/channel.ts';
import { parseNotification } from '../src/notification.ts';
import { account, callAnswered, type Fields, order, PAID, payment, signedBy, written } from './unionpay-peer.ts';

// Whatever comes back: no crash, no success, no definite failure, unless it is the one true answer; and always a word on why.

const refund = (): RefundRequest => ({
  order: order({ channelTransactionId: '202611221200001234567' }),
  refundNo: '12611220001440000010010099',
  amount: money('CNY', 100n),
  reason: '',
  notifyUrl: '',
});

const QR = 'https://qr.95516.com/00010000/01234567890123456789012345678901';
const REFUNDED: Fields = {
  ...PAID,
  orderId: refund().refundNo,
  txnAmt: '100',
  queryId: '202611221200009999999',
};
const ANSWERS: readonly Fields[] = [
  PAID,
  { ...PAID, qrCode: QR },
  { ...PAID, origRespCode: '05' },
  { ...PAID, origRespCode: '51' },
  { ...PAID, respCode: '51' },
  { ...PAID, respCode: '34' },
  REFUNDED,
  { ...REFUNDED, respCode: '34' },
];
const stranger = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;

const inserts = fc.constantFrom(
  '',
  '&',
  '=',
  '{',
  '}',
  '%',
  '%00',
  '+',
  '\u0000',
  '\ufffd',
  '&respCode=00',
  '&origRespCode=00',
  '&txnAmt=888',
  '&signature=AAAA',
);
const damage = (text: string) =>
  fc
    .tuple(fc.nat(text.length), fc.nat(text.length), inserts)
    .map(([from, to, insert]) => text.slice(0, Math.min(from, to)) + insert + text.slice(Math.max(from, to)));
const truncated = (text: string) => fc.nat(text.length - 1).map((length) => text.slice(0, length));

/** Another value for one field, one field fewer, or one that nobody knows: the fields are signed afterwards. */
const changed = (fields: Fields) =>
  fc.tuple(
    fc.constantFrom(...Object.keys(fields), 'newField'),
    fc.oneof(
      fc.constant(undefined),
      fc.string({ maxLength: 40 }),
      fc.constantFrom(
        '',
        '0',
        '-1',
        '888.00',
        '8.88',
        '1e3',
        '0888',
        '99999999999999999999',
        '{"a":{"b":[1]}}',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        '00',
        'A6',
        'null',
      ),
    ),
  );

const withChange = (fields: Fields, [name, value]: readonly [string, string | undefined]): Fields => {
  const { [name]: _before, ...rest } = fields;
  return value === undefined ? rest : { ...rest, [name]: value };
};

const signed = ANSWERS.map((fields) => written(signedBy(fields)));
const stripped = fc.constantFrom(...ANSWERS).chain((fields) =>
  fc.constantFrom(
    written(fields),
    written({ ...fields, signature: '' }),
    written({ ...fields, signature: 'AAAA' }),
    written({ ...fields, signature: '%%%' }),
    written(signedBy(fields, stranger)),
    // Signed, and then something else is said.
    written({ ...signedBy(fields), respCode: fields['respCode'] === '00' ? '51' : '00' }),
    written({ ...signedBy({ ...fields, txnAmt: '1' }), txnAmt: '888' }),
    // A certificate of nobody.
    written({
      ...signedBy(fields, stranger),
      signPubKeyCert: '-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----',
    }),
  ),
);
const twice = fc
  .tuple(fc.constantFrom(...signed), fc.constantFrom(...Object.keys(PAID), 'signature'), fc.string({ maxLength: 10 }))
  .map(([text, name, value]) => `${text}&${name}=${encodeURIComponent(value)}`);
const garbage = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.json(),
  ...signed.map(truncated),
  stripped,
  twice,
  fc.constantFrom(
    '',
    '&',
    '=',
    '={',
    '__proto__=1&constructor=2',
    'respCode=00',
    '<html><body>502 Bad Gateway</body></html>',
    `respCode=00&reserved=${'{'.repeat(20_000)}`,
    `respCode=00&reserved=${'{a='.repeat(5_000)}${'}'.repeat(5_000)}`,
    Array.from({ length: 500 }, (_, index) => `a${index}=1`).join('&'),
    `${signed[0]}&reserved=${'a'.repeat(70_000)}`,
  ),
);
const STATUSES = [200, 201, 204, 302, 400, 403, 500, 503] as const;

const askAll = async (answer: string | ((request: HttpRequest) => string), status: number) => {
  const call = callAnswered(answer, { status });
  const scan = order({ kind: 'merchant_qr' });
  const [byCode, placed, asked, closed, returned, askedReturn] = await Promise.all([
    unionpay.createPayment(payment(), call),
    unionpay.createPayment(payment({ order: scan }), call),
    unionpay.queryPayment(order(), call),
    unionpay.closePayment?.(order(), call),
    unionpay.createRefund?.(refund(), call),
    unionpay.queryRefund?.(refund(), call),
  ]);
  return { payments: [byCode, placed, asked], closed, refunds: [returned, askedReturn] };
};

test('answers that UnionPay has not signed as they are prove nothing, whatever they hold', async () => {
  const whole = new Set(signed);
  await fc.assert(
    fc.asyncProperty(fc.oneof(garbage, ...signed.map(damage)), fc.constantFrom(...STATUSES), async (text, status) => {
      fc.pre(!whole.has(text) || status !== 200);
      const { payments, closed, refunds } = await askAll(text, status);
      for (const { outcome, action, orderNotFound } of payments) {
        expect(outcome.kind).toBe('unknown');
        if (outcome.kind === 'unknown') expect(outcome.cause).not.toBe('');
        expect(action).toBeUndefined();
        expect(orderNotFound).toBe(false);
      }
      expect(closed).toMatchObject({ end: 'undecided', repeat: true });
      for (const report of refunds) expect(report).toMatchObject({ state: 'unknown', refundNotFound: false });
    }),
    { numRuns: 400 },
  );
});

test('bytes that are no text of UTF-8 prove nothing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.nat(), async (bytes, at) => {
      const text = Buffer.from(signed[0] ?? '');
      const cut = at % text.length;
      const body = Buffer.concat([text.subarray(0, cut), Buffer.from([0xff]), bytes, text.subarray(cut)]);
      const call = callAnswered('');
      const http = {
        ...call.http,
        send: async (request: HttpRequest) => ({ ...(await call.http.send(request)), body }) as never,
      };
      const seen = await unionpay.queryPayment(order(), { ...call, http });
      expect(seen.outcome).toMatchObject({ kind: 'unknown', cause: expect.stringMatching(/./) });
    }),
    { numRuns: 200 },
  );
});

test('what UnionPay itself signs with one field that is something else pays only what was asked', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...ANSWERS).chain((fields) => fc.tuple(fc.constant(fields), changed(fields))),
      async ([fields, change]) => {
        const told = withChange(fields, change);
        const { payments, closed, refunds } = await askAll(written(signedBy(told)), 200);
        for (const report of [...payments, closed?.seen]) {
          const outcome = report?.outcome;
          if (outcome?.kind === 'succeeded') {
            expect(outcome.paid).toEqual(order().amount);
            expect(told).toMatchObject({ merId: account.merId, orderId: order().channelOrderNo });
            // Padded by zeros it is the same amount.
            expect(BigInt(told['txnAmt'] ?? '')).toBe(888n);
            expect(told['origRespCode']).toBe('00');
          }
          if (outcome?.kind === 'failed_definite') {
            expect([told['respCode'], told['origRespCode']]).toContain('51');
            expect(outcome.evidence).toMatchObject({ signature: 'verified' });
          }
          if (outcome?.kind === 'unknown') expect(outcome.cause).not.toBe('');
          if (report?.action !== undefined) expect(report.action).toEqual({ kind: 'qr_code', qrCode: QR });
        }
        for (const report of refunds) {
          if (report?.state === 'succeeded') expect(report.refunded).toEqual(refund().amount);
          expect(report?.state).not.toBe('failed');
        }
      },
    ),
    { numRuns: 400 },
  );
});

const NEWS: Fields = { ...PAID, txnType: '01', txnSubType: '06', respMsg: 'success' };
const formOf = (fields: Fields): string => new URLSearchParams(fields).toString();
const parse = (body: Buffer) => parseNotification({ headers: {}, body }, callAnswered(''));

test('notifications that are cut, mended, stripped or of other bytes are refused, each with a reason', () => {
  const good = formOf(signedBy(NEWS));
  const bodies = fc.oneof(
    garbage.map((text) => Buffer.from(text)),
    damage(good).map((text) => Buffer.from(text)),
    truncated(good).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(
      Buffer.from(formOf(NEWS)),
      Buffer.from(formOf(signedBy(NEWS, stranger))),
      Buffer.from(formOf({ ...signedBy({ ...NEWS, txnAmt: '1' }), txnAmt: '888' })),
      Buffer.from(good, 'utf16le'),
    ),
  );
  fc.assert(
    fc.property(bodies, (body) => {
      const report = parse(body);
      if (report.kind === 'refused') {
        expect(['unreadable', 'no_signature', 'bad_signature', 'foreign_account', 'stale']).toContain(report.refusal);
        expect(report.answerRetry.status).toBeGreaterThanOrEqual(400);
        return;
      }
      // Nothing but the same fields and the same signature passes; a form may be written in more than one way.
      expect(Object.fromEntries(new URLSearchParams(body.toString()))).toMatchObject(signedBy(NEWS));
    }),
    { numRuns: 3_000 },
  );
});

test('notifications that are signed and hold anything do not crash, and are news of a success only where they say one', () => {
  fc.assert(
    fc.property(changed(NEWS), (change) => {
      const told = withChange(NEWS, change);
      const report = parse(Buffer.from(formOf(signedBy(told))));
      if (report.kind === 'refused') {
        expect(['unreadable', 'no_signature', 'foreign_account', 'stale']).toContain(report.refusal);
        return;
      }
      expect(report.refunds).toEqual([]);
      for (const { report: seen } of report.payments) {
        expect(seen.outcome.kind).not.toBe('failed_definite');
        if (seen.outcome.kind === 'succeeded') {
          expect(told).toMatchObject({ txnType: '01', respCode: '00', merId: account.merId, currencyCode: '156' });
          expect(seen.outcome.paid.minorUnits).toBe(BigInt(told['txnAmt'] ?? ''));
        }
      }
    }),
    { numRuns: 2_000 },
  );
});
