import type { AnswerTrust } from '@tillmesh/channel-kit';
import { vectorsOf } from '@tillmesh/channel-kit/contract';
import { describe, expect, test } from 'vitest';
import { alipayCodes, classify } from '../src/code-table.ts';

type Row = { code: string; kind: string; ours: string | null };
const official = vectorsOf<{ alipay_trade_pay: { rows: Row[] } }>('error-classification.json');

const VERIFIED: AnswerTrust = { httpStatus: 200, signature: 'verified', unsignedCredible: false };
const question = (code: string) =>
  code.startsWith('ACQ.')
    ? { code: '40004', subCode: code }
    : { code, subCode: code.startsWith('4') ? 'isv.something' : '' };
const meaningOf = (code: string, trust = VERIFIED) => classify({ operation: 'pay', ...question(code), trust });

describe.skipIf(official === undefined)('the classification table (skipped where ../shared/vectors is absent)', () => {
  const rows = official?.alipay_trade_pay.rows ?? [];

  for (const { code, kind, ours } of rows) {
    if (kind === 'sub(query)') {
      test(`asking: ${code} is no failure, and says that there is no order`, () => {
        expect(classify({ operation: 'query', ...question(code), trust: VERIFIED })).toMatchObject({
          class: 'unknown',
          failure: undefined,
          orderNotFound: true,
        });
      });
    } else {
      test(`paying: ${code} is ${ours ?? 'read elsewhere'}`, () => {
        const meaning = meaningOf(code);
        expect(meaning.failure !== undefined).toBe(ours === 'FAILED_DEFINITE');
        if (ours === 'UNKNOWN_QUERY_NOW') expect(meaning.class).toBe('query_now');
        if (ours === 'PROCESSING') expect(meaning.class).toBe('pending_payer');
        if (ours === 'CONFIG_ALARM') expect(meaning).toMatchObject({ class: 'config_alarm', configAlarm: true });
        if (ours === 'UNKNOWN') expect(meaning.class).toBe('unknown');
      });
    }
  }

  test('nothing but what it calls definite is definite, for paying and for placing', () => {
    const allowed = new Set(rows.filter(({ ours }) => ours === 'FAILED_DEFINITE').map(({ code }) => code));
    const definite = alipayCodes.rows.filter((row) => row.class === 'failed_definite').map(({ code }) => code);
    expect(definite.filter((code) => !allowed.has(code))).toEqual([]);
  });
});

test('no code of a query, a cancel or a close is definite: only a status of the trade is', () => {
  const definite = alipayCodes.rows.filter((row) => row.class === 'failed_definite');
  expect(new Set(definite.map(({ operation }) => operation))).toEqual(
    new Set(['pay', 'precreate', 'create', 'refund']),
  );
});

test("a trade's code is definite only under 40004, and wins over the gateway's", () => {
  const ask = (code: string, subCode: string) => classify({ operation: 'pay', code, subCode, trust: VERIFIED });
  expect(ask('40004', 'ACQ.PAYMENT_AUTH_CODE_INVALID').class).toBe('failed_definite');
  expect(ask('20000', 'ACQ.PAYMENT_AUTH_CODE_INVALID')).toMatchObject({ class: 'unknown', failure: undefined });
  expect(ask('40002', 'ACQ.SYSTEM_ERROR')).toMatchObject({ class: 'query_now', failure: undefined });
  expect(ask('40004', 'ACQ.NOVEL')).toMatchObject({ class: 'unknown', failure: undefined });
  expect(ask('40004', '')).toMatchObject({ class: 'unknown', failure: undefined });
  expect(ask('40002', 'ACQ.NOVEL')).toMatchObject({ class: 'unknown', failure: undefined });
});

const REASONS: readonly (readonly [string, string, boolean])[] = [
  ['ACQ.BUYER_BALANCE_NOT_ENOUGH', 'insufficient_funds', false],
  ['ACQ.PAYMENT_AUTH_CODE_INVALID', 'payment_code_invalid', false],
  ['ACQ.SELLER_BEEN_BLOCKED', 'account_refused', true],
  ['ACQ.BUYER_ENABLE_STATUS_FORBID', 'payer_refused', false],
  ['40006', 'account_refused', true],
  ['40001', 'other', false],
];
for (const [code, reason, alarm] of REASONS) {
  test(`${code} is told to the till as ${reason}${alarm ? ', and raises an alarm' : ''}`, () => {
    expect(meaningOf(code)).toMatchObject({ failure: { reason }, configAlarm: alarm });
  });
}
