import type { AnswerTrust } from '@tillmesh/channel-kit';
import { vectorsOf } from '@tillmesh/channel-kit/contract';
import { describe, expect, test } from 'vitest';
import { classify, v2Codes, v3Codes } from '../src/code-table.ts';

type Row = { code: string; aliases?: string[]; http?: number; ours: string };
const official =
  vectorsOf<Record<'wechat_v2_micropay' | 'wechat_v3_transactions', { rows: Row[] }>>('error-classification.json');

const verified = (httpStatus: number): AnswerTrust => ({ httpStatus, signature: 'verified', unsignedCredible: false });

describe.skipIf(official === undefined)('the classification table (skipped where ../shared/vectors is absent)', () => {
  const v2Rows = official?.wechat_v2_micropay.rows ?? [];
  const v3Rows = official?.wechat_v3_transactions.rows ?? [];

  for (const { code, ours } of v2Rows) {
    test(`micropay ${code} is ${ours}`, () => {
      const meaning = classify({ api: 'v2', operation: 'pay', code, trust: verified(200) });
      expect(meaning.class === 'failed_definite').toBe(ours === 'FAILED_DEFINITE');
      if (ours === 'UNKNOWN_QUERY_NOW') expect(meaning.class).toBe('query_now');
      if (ours === 'PROCESSING') expect(meaning.class).toBe('pending_payer');
    });
  }
  for (const { code, aliases = [], http = 0, ours } of v3Rows) {
    for (const spelling of [code, ...aliases]) {
      test(`placing an order, and a payment code over v3: ${http} ${spelling} is ${ours}`, () => {
        for (const operation of ['place', 'codepay'] as const) {
          const meaning = classify({ api: 'v3', operation, code: spelling, trust: verified(http) });
          expect(meaning.class === 'failed_definite').toBe(ours === 'FAILED_DEFINITE');
          if (ours === 'UNKNOWN_QUERY_NOW') expect(meaning.class).toBe('query_now');
          if (ours === 'UNKNOWN') expect(meaning.class).toBe('unknown');
          if (ours === 'PROCESSING') expect(meaning.class).toBe('pending_payer');
        }
      });
    }
  }

  test('nothing but what it calls definite is definite for these operations', () => {
    const allowed = (rows: Row[]) =>
      new Set(
        rows.filter(({ ours }) => ours === 'FAILED_DEFINITE').flatMap(({ code, aliases = [] }) => [code, ...aliases]),
      );
    const definite = (rows: typeof v2Codes.rows | typeof v3Codes.rows, operation: string) =>
      rows
        .filter((row) => row.operation === operation && row.class === 'failed_definite')
        .flatMap(({ code, aliases = [] }) => [code, ...aliases]);
    expect(definite(v2Codes.rows, 'pay').filter((code) => !allowed(v2Rows).has(code))).toEqual([]);
    for (const operation of ['place', 'codepay']) {
      expect(definite(v3Codes.rows, operation).filter((code) => !allowed(v3Rows).has(code))).toEqual([]);
    }
  });
});

test('no code of a query, a close or a reverse is definite: only a state of the order is', () => {
  const definite = [...v2Codes.rows, ...v3Codes.rows].filter((row) => row.class === 'failed_definite');
  expect(new Set(definite.map(({ operation }) => operation))).toEqual(new Set(['pay', 'place', 'codepay', 'refund']));
});

test('every row names its source', () => {
  for (const row of [...v2Codes.rows, ...v3Codes.rows]) expect(row.source).not.toBe('');
});

test('codes that speak of our configuration raise an alarm, codes that speak of the payer do not', () => {
  const alarmOf = (code: string) => classify({ api: 'v2', operation: 'pay', code, trust: verified(200) }).configAlarm;
  expect(['NOAUTH', 'SIGNERROR', 'MCHID_NOT_EXIST'].map(alarmOf)).toEqual([true, true, true]);
  expect(['NOTENOUGH', 'AUTH_CODE_INVALID', 'PARAM_ERROR', 'NOVEL'].map(alarmOf)).toEqual([false, false, false, false]);
});

const REASONS: readonly (readonly [string, string])[] = [
  ['NOTENOUGH', 'insufficient_funds'],
  ['AUTHCODEEXPIRE', 'payment_code_invalid'],
  ['AUTH_CODE_INVALID', 'payment_code_invalid'],
  ['AUTH_CODE_ERROR', 'payment_code_invalid'],
  ['NOAUTH', 'account_refused'],
  ['BUYER_MISMATCH', 'payer_refused'],
  ['PARAM_ERROR', 'other'],
];
for (const [code, reason] of REASONS) {
  test(`${code} is told to the till as ${reason}`, () => {
    expect(classify({ api: 'v2', operation: 'pay', code, trust: verified(200) }).failure?.reason).toBe(reason);
  });
}
