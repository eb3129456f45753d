import fc from 'fast-check';
import { expect, test } from 'vitest';
import { codeReport } from '../src/attempt-report.ts';
import { type AnswerTrust, createCodeTable, meaningOf, unsignedIsCredible } from '../src/code-table.ts';

const table = createCodeTable<'pay' | 'query'>('test', [
  {
    operation: 'pay',
    code: 'NOTENOUGH',
    aliases: ['NOT_ENOUGH'],
    httpStatus: 403,
    class: 'failed_definite',
    declineReason: 'insufficient_funds',
    source: 'test',
  },
  {
    operation: 'pay',
    code: 'NOAUTH',
    httpStatus: 403,
    class: 'failed_definite',
    declineReason: 'account_refused',
    configAlarm: true,
    source: 'test',
  },
  { operation: 'pay', code: 'USERPAYING', httpStatus: 202, class: 'pending_payer', source: 'test' },
  { operation: 'pay', code: 'EXPIRED_AUTHORISATION', httpStatus: 200, class: 'config_alarm', source: 'test' },
  { operation: 'query', code: 'ORDERNOTEXIST', httpStatus: 404, class: 'unknown', orderNotFound: true, source: 'test' },
]);

const verified = (httpStatus: number): AnswerTrust => ({ httpStatus, signature: 'verified', unsignedCredible: false });
const unsigned = (httpStatus: number, unsignedCredible: boolean): AnswerTrust => ({
  httpStatus,
  signature: 'absent',
  unsignedCredible,
});

const CASES: readonly (readonly [string, 'pay' | 'query', string, AnswerTrust, string])[] = [
  ['a listed code in a verified answer', 'pay', 'NOTENOUGH', verified(403), 'failed_definite'],
  ['its other spelling', 'pay', 'NOT_ENOUGH', verified(403), 'failed_definite'],
  ['the same code with another 4xx, verified', 'pay', 'NOTENOUGH', verified(400), 'failed_definite'],
  ['the same code with 2xx', 'pay', 'NOTENOUGH', verified(200), 'unknown'],
  ['the same code with 500', 'pay', 'NOTENOUGH', verified(500), 'unknown'],
  ['the same code with 429', 'pay', 'NOTENOUGH', verified(429), 'unknown'],
  ['the same code for another operation', 'query', 'NOTENOUGH', verified(403), 'unknown'],
  ['a code that nobody listed', 'pay', 'NOVEL_CODE', verified(403), 'unknown'],
  ['an unsigned answer that is not credible', 'pay', 'NOTENOUGH', unsigned(403, false), 'unknown'],
  ['an unsigned credible answer', 'pay', 'NOTENOUGH', unsigned(403, true), 'failed_definite'],
  ['an unsigned credible answer with another status', 'pay', 'NOTENOUGH', unsigned(400, true), 'unknown'],
  [
    'a wrong signature',
    'pay',
    'NOTENOUGH',
    { httpStatus: 403, signature: 'invalid', unsignedCredible: true },
    'unknown',
  ],
  [
    'a wrong signature on a pending code',
    'pay',
    'USERPAYING',
    { httpStatus: 202, signature: 'invalid', unsignedCredible: true },
    'unknown',
  ],
  ['a payer who types', 'pay', 'USERPAYING', verified(202), 'pending_payer'],
];
for (const [what, operation, code, trust, expected] of CASES) {
  test(`${what} is ${expected}`, () => {
    const meaning = meaningOf(table, operation, code, trust);
    expect(meaning.class).toBe(expected);
    expect(meaning.failure !== undefined).toBe(expected === 'failed_definite');
  });
}

test('a definite failure carries its row, its signature and its reason', () => {
  expect(meaningOf(table, 'pay', 'NOT_ENOUGH', verified(403))).toMatchObject({
    ruleId: 'test.pay.NOTENOUGH',
    failure: {
      evidence: { transport: 'answered', signature: 'verified', ruleId: 'test.pay.NOTENOUGH' },
      reason: 'insufficient_funds',
    },
    configAlarm: false,
  });
  expect(meaningOf(table, 'pay', 'NOAUTH', verified(403)).configAlarm).toBe(true);
  expect(meaningOf(table, 'pay', 'EXPIRED_AUTHORISATION', verified(200))).toMatchObject({
    configAlarm: true,
    failure: undefined,
  });
});

test('that there is no such order is believed of verified answers alone', () => {
  expect(meaningOf(table, 'query', 'ORDERNOTEXIST', verified(404)).orderNotFound).toBe(true);
  expect(meaningOf(table, 'query', 'ORDERNOTEXIST', unsigned(404, true)).orderNotFound).toBe(false);
});

test('two rows for one code of one operation are refused', () => {
  const row = { operation: 'pay', code: 'A', httpStatus: 200, class: 'unknown', source: 'test' } as const;
  expect(() => createCodeTable('test', [row, { ...row, code: 'B', aliases: ['A'] }])).toThrow('two rows for pay A');
});

test('unsigned answers are credible only over TLS, without the strict switch, in the right form and with a request id', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean(), (secure, strict, form, id) => {
      const facts = { secure, strictSignatures: strict, contentTypeExpected: form, hasRequestId: id };
      expect(unsignedIsCredible(facts)).toBe(secure && !strict && form && id);
    }),
  );
});

test('no code that nobody listed is ever definite, whatever the answer looks like', () => {
  const listed = new Set(table.rows.flatMap((row) => [row.code, ...(row.aliases ?? [])]));
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'pay NOTENOUGH', 'notenough', ' NOTENOUGH')),
      fc.integer({ min: 100, max: 599 }),
      (code, httpStatus) => {
        fc.pre(!listed.has(code));
        expect(meaningOf(table, 'pay', code, verified(httpStatus)).class).toBe('unknown');
      },
    ),
  );
});

test('an answer that proves nothing says why, also where its code is made of blanks', () => {
  const facts = { transport: 'answered', signature: 'verified', host: '', sends: 1, httpStatus: 200 } as const;
  for (const [code, cause] of [
    [' ', 'a code of blanks'],
    ['NOVEL', 'NOVEL'],
  ] as const) {
    const { outcome } = codeReport(facts, meaningOf(table, 'pay', code, verified(200)), { code, message: '' });
    expect(outcome).toEqual({ kind: 'unknown', cause });
  }
});
