import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Wallet, walletOfPaymentCode } from '../src/index.ts';

type Vector = { readonly code: string; readonly wallet: string | null; readonly from: string };

// Material beside the repository, shared with other implementations; a checkout alone does not have it.
const VECTORS = resolve(import.meta.dirname, '../../../../shared/vectors/payment-code-detection.json');

const vectors = existsSync(VECTORS)
  ? (JSON.parse(readFileSync(VECTORS, 'utf8')) as { readonly vectors: readonly Vector[] }).vectors
  : [];

const shapes: readonly (readonly [wallet: Wallet, prefixes: readonly string[], lengths: readonly number[]])[] = [
  ['wechat', ['10', '11', '12', '13', '14'], [18]],
  ['wechat_hk', ['15'], [18]],
  ['alipay', ['25', '26', '27', '28', '29', '30'], [16, 17, 18, 19, 20, 21, 22, 23, 24]],
  ['unionpay', ['62'], [19]],
];

/** The table read the slow way: every prefix of two digits with every length. */
const expected = (prefix: string, length: number): Wallet | undefined =>
  shapes.find(([, prefixes, lengths]) => prefixes.includes(prefix) && lengths.includes(length))?.[0];

describe('the wallet of a payment code', () => {
  test('is right for every prefix of two digits and every length from 2 to 30', () => {
    for (let prefix = 0; prefix < 100; prefix += 1) {
      const two = String(prefix).padStart(2, '0');
      for (let length = 2; length <= 30; length += 1) {
        const code = two.padEnd(length, '7');
        expect([code, walletOfPaymentCode(code)]).toEqual([code, expected(two, length)]);
      }
    }
  });

  test('depends on prefix and length alone', () => {
    const digits = fc.string({
      unit: fc.constantFrom('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'),
      minLength: 14,
      maxLength: 26,
    });
    fc.assert(
      fc.property(digits, (code) => {
        expect(walletOfPaymentCode(code)).toBe(expected(code.slice(0, 2), code.length));
      }),
      { numRuns: 2_000 },
    );
  });

  test('is none as soon as anything but a digit stands anywhere in a good code', () => {
    const good = fc.constantFrom(
      '120061098828009406',
      '150000000000000000',
      '28763443825664394',
      '6200000000000000000',
    );
    const other = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }).filter((text) => !/^[0-9]$/.test(text));
    fc.assert(
      fc.property(good, fc.nat(19), fc.nat(1), other, (code, place, replaced, text) => {
        expect(walletOfPaymentCode(code.slice(0, place) + text + code.slice(place + replaced))).toBeUndefined();
      }),
      { numRuns: 1_000 },
    );
  });

  for (const [why, code] of [
    ['is empty', ''],
    ['holds a letter', '12006109882800940a'],
    ['holds a space', '1200610988280094 6'],
    ['ends with a line break', '120061098828009406\n'],
    ['is written in full-width digits', '１２００６１０９８８２８００９４０６'],
    ['is written in Arabic digits', '١٢٠٠٦١٠٩٨٨٢٨٠٠٩٤٠٦'],
    ['has a line with a good code in it', 'x\n120061098828009406'],
    ['is negative', '-20061098828009406'],
  ] as const) {
    test(`is none when the text ${why}`, () => {
      expect(walletOfPaymentCode(code)).toBeUndefined();
    });
  }

  test.skipIf(vectors.length === 0)(
    'has vectors to be compared with (payment-code-detection.json, beside the checkout)',
    () => {
      expect(vectors.length).toBeGreaterThan(10);
    },
  );

  for (const { code, wallet, from } of vectors) {
    test(`is ${wallet ?? 'none'} for ${code} (${from})`, () => {
      expect(walletOfPaymentCode(code)).toBe(wallet?.toLowerCase());
    });
  }
});
