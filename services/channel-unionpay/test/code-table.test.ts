import { vectorsOf } from '@tillmesh/channel-kit/contract';
import { describe, expect, test } from 'vitest';
import { classify, codeTable, mayBeDefinite, type UnionpayOperation } from '../src/code-table.ts';

type Classes = {
  readonly unionpay_acp_5_1_0: { readonly rows: readonly { readonly code: string; readonly ours: string | null }[] };
};
const vectors = vectorsOf<Classes>('error-classification.json');

const VERIFIED = { httpStatus: 200, signature: 'verified', unsignedCredible: false } as const;
const OPERATIONS: readonly UnionpayOperation[] = ['pay', 'place', 'query', 'refund', 'query_refund'];
/** How the sheet names what a row of it may be for us. */
const CLASS_OF: Readonly<Record<string, string>> = {
  UNKNOWN_QUERY_NOW: 'query_now',
  PROCESSING: 'processing',
  SUCCEEDED_AFTER_QUERY: 'unknown',
};

describe.skipIf(vectors === undefined)('the sheet of codes (skipped where ../shared/vectors is absent)', () => {
  const single = vectors?.unionpay_acp_5_1_0.rows.filter(({ code }) => /^[0-9A-Z]{2}$/.test(code)) ?? [];
  test('has rows', () => expect(single.length).toBeGreaterThan(6));
  for (const { code, ours } of single) {
    test(`${code}: ${ours ?? 'told by what stands beside it'}`, () => {
      const { class: said } = classify({ operation: 'pay', code, trust: VERIFIED });
      expect(said).toBe(ours === null ? 'unknown' : CLASS_OF[ours]);
    });
  }
});

test('every row says where it comes from, and none is definite', () => {
  for (const row of codeTable.rows) {
    expect(row.source).not.toBe('');
    expect(row.class).not.toBe('failed_definite');
  }
});

test('no answer that is not verified, or not 200, counts for an account that has confirmed a code', () => {
  const confirmed = { notFound: ['34'], declined: { '51': 'insufficient_funds' } } as const;
  expect(classify({ operation: 'pay', code: '51', trust: VERIFIED, confirmed })).toMatchObject({
    class: 'failed_definite',
    failure: { reason: 'insufficient_funds', evidence: { signature: 'verified' } },
  });
  expect(classify({ operation: 'query', code: '34', trust: VERIFIED, confirmed }).orderNotFound).toBe(true);
  for (const trust of [
    { ...VERIFIED, signature: 'invalid' },
    { ...VERIFIED, signature: 'absent' },
    { ...VERIFIED, signature: 'absent', unsignedCredible: true },
    { ...VERIFIED, httpStatus: 500 },
    { ...VERIFIED, httpStatus: 429 },
  ] as const) {
    expect(classify({ operation: 'pay', code: '51', trust, confirmed }).failure).toBeUndefined();
    expect(classify({ operation: 'query', code: '34', trust, confirmed }).orderNotFound).toBe(false);
  }
  for (const operation of OPERATIONS.filter((one) => one !== 'pay')) {
    expect(classify({ operation, code: '51', trust: VERIFIED, confirmed }).failure).toBeUndefined();
  }
});

test('what UnionPay asks after is not definite, even where somebody has configured it so', () => {
  for (const code of ['00', '01', '02', '03', '04', '05', '06', '12', '34', '60', 'A6']) {
    expect(mayBeDefinite(code)).toBe(false);
    const confirmed = { notFound: [], declined: { [code]: 'other' } } as const;
    if (code !== '00') {
      expect(classify({ operation: 'pay', code, trust: VERIFIED, confirmed }).failure).toBeUndefined();
    }
  }
  expect(['51', '61', '99'].every(mayBeDefinite)).toBe(true);
});

test('names out of a prototype are no codes', () => {
  for (const code of ['__proto__', 'constructor', 'toString', '']) {
    for (const operation of OPERATIONS) {
      expect(classify({ operation, code, trust: VERIFIED })).toMatchObject({ class: 'unknown', ruleId: '' });
    }
  }
});
