import { createVerify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNotification } from '../src/notification.ts';
import { askOrder, endOrder, paidAtMsOf, payByCode, placeOrder } from '../src/payment.ts';
import { classify, parseAnswer, sign, textToSign, verify } from '../src/protocol.ts';
import {
  ABOUT,
  account,
  callAnswered,
  type Fields,
  hexOf,
  merchantKeys,
  NOW,
  NOW_MS,
  order,
  PAID,
  payment,
  signedBy,
  unionpayKeys,
  written,
} from './unionpay-peer.ts';

const HOUR_MS = 3_600_000;
const qr = order({ kind: 'merchant_qr' });
const answering = (fields: Fields, options?: Parameters<typeof callAnswered>[1]) =>
  callAnswered(written(signedBy(fields)), options);

describe('a request', () => {
  test('is signed over the digest of its sorted fields, encoded once, and names its order by number and time', async () => {
    const call = answering(PAID);
    await payByCode(payment(), call);
    const [request] = call.sent;
    expect(request?.path).toBe('/gateway/api/backTransReq.do');
    expect(request?.repeatable).toBe(false);
    const fields = Object.fromEntries(new URLSearchParams(request?.body?.toString() ?? ''));
    const right = createVerify('RSA-SHA256').update(hexOf(fields));
    expect(right.verify(merchantKeys.publicKey, fields['signature'] ?? '', 'base64')).toBe(true);
    expect(fields).toMatchObject({
      txnType: '01',
      txnSubType: '06',
      qrNo: '6212345678901234567',
      txnTime: NOW,
      txnAmt: '888',
      currencyCode: '156',
      orderDesc: '茶 & cake=1',
      // Two minutes for a payer who shows a code.
      payTimeout: '20261122120200',
    });
  });

  test('in another currency is not made', async () => {
    const euro = payment({ order: order({ amount: { currency: 'EUR', minorUnits: 888n } as never }) });
    await expect(payByCode(euro, answering(PAID))).rejects.toMatchObject({ reason: 'OPERATION_NOT_SUPPORTED' });
  });
});

test('the text to sign leaves out what is empty, and the signature', () => {
  expect(textToSign({ b: '2', a: '1', c: '', signature: 'x', B: '0' })).toBe('B=0&a=1&b=2');
  const fields = { orderId: 'a', txnAmt: '1' };
  expect(verify({ ...fields, signature: sign(fields, unionpayKeys.privateKey) }, [unionpayKeys.publicKey])).toBe(
    'verified',
  );
  expect(
    verify({ ...fields, txnAmt: '2', signature: sign(fields, unionpayKeys.privateKey) }, [unionpayKeys.publicKey]),
  ).toBe('invalid');
  expect(verify(fields, [unionpayKeys.publicKey])).toBe('absent');
});

test('an answer is read as it stands: plus signs and braces with ampersands in them are kept', () => {
  expect(parseAnswer('a=1+2/3==&cardTransData={x=1&y=2}&b=')).toEqual({
    a: '1+2/3==',
    cardTransData: '{x=1&y=2}',
    b: '',
  });
  for (const text of ['', 'a', 'a=1&a=2', '=1', '<html>', `a=${'x'.repeat(70_000)}`])
    expect(parseAnswer(text)).toBeUndefined();
});

test.each([
  ['1122120003', '20261122120000', Date.UTC(2026, 10, 22, 4, 0, 3)],
  // Over New Year.
  ['0101000001', '20261231235959', Date.UTC(2026, 11, 31, 16, 0, 1)],
  ['1122115958', '20261122120000', Date.UTC(2026, 10, 22, 3, 59, 58)],
  ['1322120003', '20261122120000', undefined],
  ['', '20261122120000', undefined],
  ['1122120003', '2026', undefined],
])('traceTime %s of an order of %s', (traceTime, txnTime, ms) => {
  expect(paidAtMsOf(traceTime, txnTime)).toBe(ms);
});

describe('an answer to a payment by code', () => {
  const TAKEN: Fields = { ...ABOUT, respCode: '00' };
  const asked = (payAnswer: Fields, queryAnswer: Fields | undefined) =>
    callAnswered(({ path }) => {
      if (path.endsWith('/backTransReq.do')) return written(signedBy(payAnswer));
      return queryAnswer === undefined ? undefined : written(signedBy(queryAnswer));
    });

  test('that says 00 was taken, and the query that follows at once says whether it is paid', async () => {
    const call = asked(TAKEN, PAID);
    expect((await payByCode(payment(), call)).outcome).toMatchObject({
      kind: 'succeeded',
      paid: { minorUnits: 888n },
      channelTransactionId: PAID['queryId'],
      paidAtMs: NOW_MS + 3_000,
    });
    expect(call.sent.map(({ path }) => path)).toEqual(['/gateway/api/backTransReq.do', '/gateway/api/queryTrans.do']);
    const typing = await payByCode(payment(), asked(TAKEN, { ...PAID, origRespCode: '05' }));
    expect(typing.outcome.kind).toBe('processing');
  });

  test('is no success by itself, even with amount, number and time in it', async () => {
    const { origRespCode: _asked, ...all } = PAID;
    for (const queryAnswer of [undefined, TAKEN, { ...PAID, txnAmt: '1' }, { ...PAID, origRespCode: '61' }]) {
      expect(await payByCode(payment(), asked(all, queryAnswer))).toMatchObject({
        outcome: { kind: 'unknown' },
        queryNow: true,
        facts: { transport: 'answered' },
      });
    }
  });

  test('of another order, or that nobody signed, is not even asked after in its own name', async () => {
    for (const wrong of [
      { ...TAKEN, orderId: '99999999999999999999999999' },
      { ...TAKEN, merId: '777290058110049' },
    ]) {
      const call = asked(wrong, PAID);
      expect(await payByCode(payment(), call)).toMatchObject({ outcome: { kind: 'unknown' }, queryNow: false });
      expect(call.sent).toHaveLength(1);
    }
    const unsigned = callAnswered(written(PAID));
    expect((await payByCode(payment(), unsigned)).outcome.kind).toBe('unknown');
    expect(unsigned.sent).toHaveLength(1);
  });

  test('is definite for a code that was confirmed, and for no other', async () => {
    expect((await payByCode(payment(), answering({ ...ABOUT, respCode: '51' }))).outcome).toMatchObject({
      kind: 'failed_definite',
      reason: 'insufficient_funds',
    });
    for (const code of ['12', '34', '61', '62', '89', 'A6', '99']) {
      expect((await payByCode(payment(), answering({ ...ABOUT, respCode: code }))).outcome.kind).toBe('unknown');
    }
    for (const code of ['03', '04', '05']) {
      expect((await payByCode(payment(), answering({ ...ABOUT, respCode: code }))).outcome.kind).toBe('processing');
    }
  });
});

describe('a query', () => {
  test('tells what origRespCode says: paid, under way, or unknown while it may change', async () => {
    const of = async (origRespCode: string, nowMs = NOW_MS) =>
      (await askOrder(order(), answering({ ...PAID, origRespCode }, { nowMs }))).outcome.kind;
    expect(await of('00')).toBe('succeeded');
    expect([await of('03'), await of('04'), await of('05')]).toEqual(['processing', 'processing', 'processing']);
    expect([await of('61'), await of('A6'), await of(''), await of('5')]).toEqual([
      'unknown',
      'unknown',
      'unknown',
      'unknown',
    ]);
    // After its time and some minutes nothing can be paid any more; A6 is a success with defects, for a person.
    expect([await of('61', NOW_MS + HOUR_MS), await of('A6', NOW_MS + HOUR_MS)]).toEqual([
      'failed_definite',
      'unknown',
    ]);
    expect(await of('05', NOW_MS + HOUR_MS)).toBe('processing');
    // What the demos ask after does not become an end by waiting.
    for (const code of ['01', '02', '06', '12', '34', '60']) expect(await of(code, NOW_MS + HOUR_MS)).toBe('unknown');
  });

  test('of an order that is not there says so where the code was confirmed', async () => {
    const call = answering({ ...ABOUT, respCode: '34' });
    expect(await askOrder(order(), call)).toMatchObject({ outcome: { kind: 'unknown' }, orderNotFound: true });
    const unconfirmed = { ...call, account: { ...account, confirmedCodes: { notFound: [], declined: {} } } };
    expect(await askOrder(order(), unconfirmed)).toMatchObject({ outcome: { kind: 'unknown' }, orderNotFound: false });
  });
});

test('an order ends by time: closed when its time is over and UnionPay does not know it, and never a paid one', async () => {
  const gone = (nowMs: number) => endOrder(qr, answering({ ...ABOUT, respCode: '34' }, { nowMs }));
  expect(await gone(NOW_MS + 600_000)).toMatchObject({ end: 'undecided', repeat: true });
  expect(await gone(NOW_MS + 600_000 + 5 * 60_000)).toMatchObject({
    end: 'closed',
    seen: { outcome: { kind: 'failed_definite', closed: true } },
  });
  expect(await endOrder(qr, answering(PAID, { nowMs: NOW_MS + HOUR_MS }))).toMatchObject({ end: 'already_paid' });
});

test('a code to show comes from UnionPay, for this order, and from nobody else', async () => {
  const qrCode = 'https://qr.95516.com/00010000/62012345';
  const placed = (fields: Fields) => placeOrder(payment({ order: qr }), answering(fields));
  expect((await placed({ ...ABOUT, respCode: '00', qrCode })).action).toEqual({ kind: 'qr_code', qrCode });
  for (const wrong of [
    { ...ABOUT, respCode: '00', qrCode: 'https://qr.95516.com.example.com/1' },
    { ...ABOUT, respCode: '00', qrCode, orderId: '99999999999999999999999999' },
    { ...ABOUT, respCode: '00', qrCode, txnTime: '20261122120001' },
    { ...ABOUT, respCode: '00', qrCode, merId: '777290058110049' },
    { ...ABOUT, respCode: '00' },
  ]) {
    const report = await placed(wrong);
    expect(report.outcome.kind).toBe('unknown');
    expect(report.action).toBeUndefined();
  }
});

describe('whatever comes back', () => {
  const outcomes = async (body: string, status = 200) => {
    const of = () => callAnswered(body, { status });
    return [(await payByCode(payment(), of())).outcome.kind, (await askOrder(order(), of())).outcome.kind];
  };

  test('one field that is something else is no success and no definite failure', async () => {
    const names = fc.constantFrom('merId', 'orderId', 'txnTime', 'txnAmt', 'currencyCode', 'traceTime');
    const values = fc.oneof(
      fc.string().filter((text) => !/[&{}]/.test(text)),
      fc.constantFrom('', '0', '-1', '00', '156', '8880'),
    );
    await fc.assert(
      fc.asyncProperty(names, values, async (name, value) => {
        fc.pre(value !== PAID[name]);
        // Another readable time of the same day is UnionPay's to say.
        fc.pre(!(name === 'traceTime' && /^[0-9]{10}$/.test(value)));
        const kinds = await outcomes(written(signedBy({ ...PAID, [name]: value })));
        for (const kind of kinds) expect(['succeeded', 'failed_definite']).not.toContain(kind);
      }),
      { numRuns: 300 },
    );
  });

  test('bytes that are cut, changed, doubled, encoded or unsigned prove nothing', async () => {
    const whole = written(signedBy(PAID));
    const damaged = fc.oneof(
      fc.nat(whole.length - 1).map((length) => whole.slice(0, length)),
      fc.string({ maxLength: 200 }),
      fc.constantFrom(
        `${whole}&txnAmt=888`,
        whole.replace('txnAmt=888', 'txnAmt=889'),
        written(PAID),
        written({ ...PAID, signature: 'AAAA' }),
        written(signedBy(PAID, merchantKeys.privateKey)),
        new URLSearchParams(signedBy(PAID)).toString(),
        '{'.repeat(60_000),
        '&'.repeat(60_000),
      ),
    );
    await fc.assert(
      fc.asyncProperty(damaged, async (text) => {
        expect(await outcomes(text)).toEqual(['unknown', 'unknown']);
      }),
      { numRuns: 300 },
    );
    expect(await outcomes(whole, 500)).toEqual(['unknown', 'unknown']);
  });

  test('notifications of any form do not crash, and only a signed one of a success is news of one', () => {
    const parse = (body: string, nowMs = NOW_MS) =>
      parseNotification({ headers: {}, body: Buffer.from(body) }, callAnswered('', { nowMs }));
    const whole = new URLSearchParams(signedBy({ ...PAID, txnType: '01' })).toString();
    expect(parse(whole)).toMatchObject({ kind: 'news', payments: [{ report: { outcome: { kind: 'succeeded' } } }] });
    expect(parse(whole, NOW_MS + 25 * HOUR_MS)).toMatchObject({ kind: 'refused', refusal: 'stale' });
    const foreign = new URLSearchParams(signedBy({ ...PAID, txnType: '01', merId: '777290058110049' })).toString();
    expect(parse(foreign)).toMatchObject({ kind: 'refused', refusal: 'foreign_account' });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.nat(whole.length - 1).map((length) => whole.slice(0, length)),
        ),
        (text) => {
          expect(parse(text).kind).toBe('refused');
        },
      ),
      { numRuns: 500 },
    );
  });

  test('no code is definite by itself, whatever class its digits are of', () => {
    const trust = { httpStatus: 200, signature: 'verified', unsignedCredible: false } as const;
    fc.assert(
      fc.property(
        fc.stringMatching(/^[0-9A-Z]{2}$/),
        fc.constantFrom('pay', 'place', 'query', 'refund'),
        (code, operation) => {
          expect(classify({ operation, code, trust }).failure).toBeUndefined();
        },
      ),
    );
  });
});
