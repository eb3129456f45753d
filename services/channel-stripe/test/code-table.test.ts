import { describe, expect, test } from 'vitest';
import { classify, declineReasonOf, type StripeOperation, stripeCodes } from '../src/code-table.ts';

const trust = (httpStatus: number, vouched = true) => ({
  httpStatus,
  signature: 'absent' as const,
  unsignedCredible: vouched,
  vouched,
});
const OPERATIONS: readonly StripeOperation[] = ['create', 'query', 'cancel', 'refund', 'query_refund'];

describe('definite is', () => {
  for (const row of stripeCodes.rows.filter((one) => one.class === 'failed_definite')) {
    const { operation, code, httpStatus } = row;
    test(`${operation} ${code} with ${httpStatus}, vouched for, and with nothing else`, () => {
      const ask = (status: number, vouched: boolean) =>
        classify({ operation, type: 'invalid_request_error', code, trust: trust(status, vouched) });
      expect(ask(httpStatus, true)).toMatchObject({ class: 'failed_definite', ruleId: `stripe.${operation}.${code}` });
      expect(row.source).not.toBe('');
      for (const status of [200, 402, 404, 409, 429, 500, 502]) expect(ask(status, true).failure).toBeUndefined();
      expect(ask(httpStatus, false).failure).toBeUndefined();
    });
  }

  test('no code of a question, of a cancel or of a bank', () => {
    const definite = stripeCodes.rows.filter((row) => row.class === 'failed_definite');
    expect(new Set(definite.map(({ operation }) => operation))).toEqual(new Set(['create', 'refund']));
    expect(definite.filter(({ httpStatus }) => httpStatus !== 400 && httpStatus !== 401)).toEqual([]);
  });
});

test('a code that nobody listed proves nothing, in any operation and with any status', () => {
  for (const operation of OPERATIONS) {
    for (const status of [200, 400, 401, 402, 403, 404, 409, 429, 500]) {
      for (const code of ['novel_code', '__proto__', 'constructor', '']) {
        const meaning = classify({ operation, type: 'novel_type', code, trust: trust(status) });
        expect(meaning).toMatchObject({ class: 'unknown', failure: undefined, ruleId: '' });
      }
    }
  }
});

test('what is in each other’s way or too much is asked again and never failed', () => {
  const rows = [
    ['lock_timeout', 409, 'query_now'],
    ['lock_timeout', 429, 'query_now'],
    ['idempotency_key_in_use', 409, 'query_now'],
    ['rate_limit', 429, 'unknown'],
  ] as const;
  for (const [code, status, expected] of rows) {
    expect(classify({ operation: 'create', type: 'invalid_request_error', code, trust: trust(status) }).class).toBe(
      expected,
    );
  }
  const conflict = { operation: 'create', type: 'idempotency_error', code: '', trust: trust(400) } as const;
  expect(classify(conflict).class).toBe('query_now');
});

test('a wrong key is our configuration: it fails a payment and alarms, and says nothing of one that is asked about', () => {
  const ask = (operation: StripeOperation) =>
    classify({ operation, type: 'invalid_request_error', code: '', trust: trust(401) });
  expect(ask('create')).toMatchObject({ class: 'failed_definite', configAlarm: true });
  expect(ask('query')).toMatchObject({ class: 'config_alarm', failure: undefined, configAlarm: true });
  expect(ask('cancel')).toMatchObject({ class: 'config_alarm', failure: undefined });
  // The same type with 400 collects many causes.
  expect(
    classify({ operation: 'create', type: 'invalid_request_error', code: '', trust: trust(400) }).failure,
  ).toBeUndefined();
});

test("a bank's word is a reason where it is listed", () => {
  expect(declineReasonOf('card_declined', 'insufficient_funds')).toBe('insufficient_funds');
  expect(declineReasonOf('card_declined', 'do_not_honor')).toBe('payer_refused');
  expect(declineReasonOf('card_declined', 'novel')).toBe('payer_refused');
  expect(declineReasonOf('expired_card', 'expired_card')).toBe('payer_refused');
  expect(declineReasonOf('novel', 'insufficient_funds')).toBeUndefined();
});
