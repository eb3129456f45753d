import { expect, test } from 'vitest';
import { localDay } from '../src/index.ts';

test.each([
  ['Asia/Shanghai', Date.UTC(2026, 10, 27, 15, 59, 59, 999), '2026-11-27'],
  ['Asia/Shanghai', Date.UTC(2026, 10, 27, 16), '2026-11-28'],
  ['UTC', Date.UTC(2026, 10, 27, 16), '2026-11-27'],
  ['America/New_York', Date.UTC(2026, 10, 27, 4, 59), '2026-11-26'],
  ['Pacific/Apia', Date.UTC(2026, 11, 31, 11), '2027-01-01'],
])('in %s the day changes at midnight there (%#)', (timeZone, atMs, day) => {
  expect(localDay(timeZone, atMs)).toBe(day);
});

test('a time zone that does not exist is an error, not a day', () => {
  expect(() => localDay('Asia/Nowhere', 0)).toThrow(RangeError);
});
