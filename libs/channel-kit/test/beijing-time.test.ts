import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { fromBeijingText, fromRfc3339, toBeijingDigits, toBeijingRfc3339, toBeijingText } from '../src/beijing-time.ts';

const zoneBefore = process.env['TZ'];
afterAll(() => {
  if (zoneBefore === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zoneBefore;
});

for (const zone of ['UTC', 'America/New_York', 'Asia/Shanghai', 'Pacific/Kiritimati']) {
  test(`a time is the same in Beijing, on a host in ${zone}`, () => {
    process.env['TZ'] = zone;
    const ms = Date.UTC(2026, 10, 21, 20, 5, 6);
    expect(toBeijingText(ms)).toBe('2026-11-22 04:05:06');
    expect(toBeijingDigits(ms)).toBe('20261122040506');
    expect(toBeijingRfc3339(ms)).toBe('2026-11-22T04:05:06+08:00');
    expect(fromBeijingText('2026-11-22 04:05:06')).toBe(ms);
    expect(fromBeijingText('20261122040506')).toBe(ms);
    expect(fromRfc3339('2026-11-22T04:05:06+08:00')).toBe(ms);
  });
}

test('what is written is read again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800 }), (seconds) => {
      const ms = seconds * 1_000;
      expect(fromBeijingText(toBeijingText(ms))).toBe(ms);
      expect(fromBeijingText(toBeijingDigits(ms))).toBe(ms);
      expect(fromRfc3339(toBeijingRfc3339(ms))).toBe(ms);
    }),
  );
});

for (const text of [
  '',
  '2026-02-30 00:00:00',
  '2026-11-22T04:05:06',
  '2026-11-22 24:00:00',
  '20261122',
  'x',
  '2026-13-01 00:00:00',
]) {
  test(`"${text}" is no Beijing time`, () => expect(fromBeijingText(text)).toBeUndefined());
}
for (const text of ['2026-11-22T04:05:06', '2026-11-22 04:05:06+08:00', '2026-13-22T04:05:06Z', '1']) {
  test(`"${text}" is no RFC 3339 time`, () => expect(fromRfc3339(text)).toBeUndefined());
}
