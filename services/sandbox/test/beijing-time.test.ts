import { expect, test } from 'vitest';
import {
  compactInBeijing,
  msOfCompact,
  msOfRfc3339,
  msOfSpaced,
  rfc3339InBeijing,
  spacedInBeijing,
} from '../src/beijing-time.ts';

const NEW_YEAR = Date.UTC(2025, 11, 31, 16, 0, 0);

test('the day changes at 16:00 UTC', () => {
  expect(rfc3339InBeijing(NEW_YEAR - 1)).toBe('2025-12-31T23:59:59+08:00');
  expect(rfc3339InBeijing(NEW_YEAR)).toBe('2026-01-01T00:00:00+08:00');
  expect(compactInBeijing(NEW_YEAR)).toBe('20260101000000');
  expect(spacedInBeijing(NEW_YEAR)).toBe('2026-01-01 00:00:00');
});

test('what was written is read again', () => {
  expect(msOfRfc3339(rfc3339InBeijing(NEW_YEAR))).toBe(NEW_YEAR);
  expect(msOfSpaced(spacedInBeijing(NEW_YEAR))).toBe(NEW_YEAR);
});

test('RFC 3339 may come with any zone and with fractions', () => {
  expect(msOfRfc3339('2025-12-31T16:00:00Z')).toBe(NEW_YEAR);
  expect(msOfRfc3339('2025-12-31T16:00:00.000+00:00')).toBe(NEW_YEAR);
});

for (const text of ['', 'today', '2026-01-01', '2026-01-01T00:00:00', '2026-13-01T00:00:00Z', '20260101000000']) {
  test(`"${text}" is no time`, () => {
    expect(msOfRfc3339(text)).toBeUndefined();
    expect(msOfSpaced(text)).toBeUndefined();
  });
}

test('a day that there is not is no time', () => {
  expect(msOfCompact('20260230000000')).toBeUndefined();
  expect(msOfSpaced('2026-02-30 00:00:00')).toBeUndefined();
  expect(msOfCompact('20280229000000')).toBe(Date.UTC(2028, 1, 28, 16));
});
