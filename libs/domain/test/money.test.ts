import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addMoney,
  equalMoney,
  fromDecimalText,
  MINOR_UNITS_MAX,
  money,
  parseMoney,
  subtractMoney,
  toDecimalText,
} from '../src/index.ts';

const currencies = fc.constantFrom('CNY', 'USD', 'EUR', 'HKD', 'JPY', 'KRW', 'VND', 'CLP');
const amounts = fc
  .tuple(currencies, fc.bigInt({ min: 0n, max: MINOR_UNITS_MAX }))
  .map(([currency, units]) => money(currency, units));

describe('decimal text', () => {
  test('of any amount reads back as the same amount', () => {
    fc.assert(
      fc.property(amounts, (amount) => {
        expect(fromDecimalText(amount.currency, toDecimalText(amount))).toEqual(amount);
      }),
      { numRuns: 2_000 },
    );
  });

  for (const [currency, minorUnits, text] of [
    ['CNY', 0n, '0.00'],
    ['CNY', 1n, '0.01'],
    ['CNY', 10n, '0.10'],
    ['CNY', 100n, '1.00'],
    ['CNY', 123_456n, '1234.56'],
    ['CNY', MINOR_UNITS_MAX, '1000000000.00'],
    ['JPY', 0n, '0'],
    ['JPY', 1n, '1'],
    ['KRW', 123_456n, '123456'],
    ['VND', MINOR_UNITS_MAX, '100000000000'],
  ] as const) {
    test(`of ${minorUnits} ${currency} is ${text}`, () => {
      expect(toDecimalText(money(currency, minorUnits))).toBe(text);
    });
  }

  for (const [currency, text, minorUnits] of [
    ['CNY', '12', 1_200n],
    ['CNY', '12.3', 1_230n],
    ['CNY', '12.30', 1_230n],
    ['CNY', '0.01', 1n],
    ['JPY', '12', 12n],
    // Refused: a float would read most of these as something.
    ['CNY', '', undefined],
    ['CNY', '12.', undefined],
    ['CNY', '.5', undefined],
    ['CNY', '12.345', undefined],
    ['CNY', '12.300', undefined],
    ['CNY', '-1.00', undefined],
    ['CNY', '+1.00', undefined],
    ['CNY', '1e3', undefined],
    ['CNY', '1,000.00', undefined],
    ['CNY', ' 1.00', undefined],
    ['CNY', '1.00\n', undefined],
    ['CNY', '１.00', undefined],
    ['CNY', '1000000000.01', undefined],
    ['CNY', '9999999999999', undefined],
    ['JPY', '12.0', undefined],
    ['cny', '1.00', undefined],
    ['', '1.00', undefined],
  ] as const) {
    test(`${JSON.stringify(text)} in ${JSON.stringify(currency)} is ${minorUnits === undefined ? 'no amount' : `${minorUnits} minor units`}`, () => {
      expect(fromDecimalText(currency, text)?.minorUnits).toBe(minorUnits);
    });
  }
});

describe('an amount', () => {
  for (const [currency, minorUnits, fits] of [
    ['CNY', 0n, true],
    ['CNY', MINOR_UNITS_MAX, true],
    ['CNY', -1n, false],
    ['CNY', MINOR_UNITS_MAX + 1n, false],
    ['cny', 1n, false],
    ['CN', 1n, false],
    ['CNYY', 1n, false],
    ['CN1', 1n, false],
    ['', 1n, false],
  ] as const) {
    test(`of ${minorUnits} ${JSON.stringify(currency)} is ${fits ? 'taken' : 'refused'}`, () => {
      expect(parseMoney(currency, minorUnits) !== undefined).toBe(fits);
      if (!fits) expect(() => money(currency, minorUnits)).toThrow(/not an amount/);
    });
  }

  test('that is a fraction of a minor unit cannot be made', () => {
    expect(() => money('CNY', 0.5)).toThrow();
  });

  test('is what it was after adding another and taking it away again', () => {
    const halves = fc.bigInt({ min: 0n, max: MINOR_UNITS_MAX / 2n });
    fc.assert(
      fc.property(currencies, halves, halves, (currency, a, b) => {
        const sum = addMoney(money(currency, a), money(currency, b));
        expect(sum.minorUnits).toBe(a + b);
        expect(equalMoney(subtractMoney(sum, money(currency, b)), money(currency, a))).toBe(true);
      }),
    );
  });

  test('is added to and taken from its own currency alone', () => {
    expect(() => addMoney(money('CNY', 1), money('USD', 1))).toThrow(/cannot be added/);
    expect(() => subtractMoney(money('CNY', 1), money('USD', 1))).toThrow(/cannot be taken/);
    expect(equalMoney(money('CNY', 1), money('USD', 1))).toBe(false);
  });

  test('never falls below zero and never grows over the limit', () => {
    expect(() => subtractMoney(money('CNY', 1), money('CNY', 2))).toThrow(/below zero/);
    expect(() => addMoney(money('CNY', MINOR_UNITS_MAX), money('CNY', 1))).toThrow(/not an amount/);
  });
});
