import { expect, test } from 'vitest';
import { type RefundAsked, RefundRules, ruleOnRefund } from '../src/refund-rules.ts';

const rules = RefundRules.parse({
  merchants: { strict: { mustSayWho: true }, lisbon: { timeZone: 'Europe/Lisbon' } },
});
/** 15:00 in Shanghai, 07:00 in Lisbon. */
const TAKEN_AT_MS = Date.UTC(2026, 10, 27, 7);
const HOUR_MS = 3_600_000;
const asked: RefundAsked = {
  merchantId: 'demo-cafe',
  terminalId: '',
  backOfficeAllows: false,
  takenBy: 'till-1',
  takenAtMs: TAKEN_AT_MS,
};

const CASES: readonly [string, Partial<RefundAsked>, number, object][] = [
  ['the terminal that took it, nine hours later', { terminalId: 'till-1' }, 8.99, { by: 'terminal till-1' }],
  ['the same after midnight', { terminalId: 'till-1' }, 9, { why: 'another_day', takenOn: '2026-11-27' }],
  [
    'after midnight in Shanghai, where the merchant’s day goes on',
    { terminalId: 'till-1', merchantId: 'lisbon' },
    9,
    { by: 'terminal till-1' },
  ],
  [
    'after the merchant’s own midnight',
    { terminalId: 'till-1', merchantId: 'lisbon' },
    17,
    { why: 'another_day', timeZone: 'Europe/Lisbon' },
  ],
  ['another terminal', { terminalId: 'till-2' }, 0, { why: 'another_terminal' }],
  ['another terminal on another day', { terminalId: 'till-2' }, 48, { why: 'another_terminal' }],
  ['a terminal, of a payment that none took', { terminalId: 'till-1', takenBy: '' }, 0, { why: 'another_terminal' }],
  ['the back office, years later', { backOfficeAllows: true }, 20_000, { by: 'back_office' }],
  [
    'another terminal with the back office’s word',
    { terminalId: 'till-2', backOfficeAllows: true },
    48,
    { by: 'back_office till-2' },
  ],
  ['who is not named', {}, 48, { by: '' }],
  ['who is not named, where that is demanded', { merchantId: 'strict' }, 0, { why: 'says_not_who' }],
  [
    'the terminal that took it, where that is demanded',
    { merchantId: 'strict', terminalId: 'till-1' },
    0,
    { by: 'terminal till-1' },
  ],
  ['a merchant called constructor', { merchantId: 'constructor' }, 0, { by: '' }],
];

for (const [what, changes, hours, ruling] of CASES) {
  test(`${what}: ${JSON.stringify(ruling)}`, () => {
    const now = ruleOnRefund(rules, { ...asked, ...changes }, TAKEN_AT_MS + hours * HOUR_MS);
    expect(now).toMatchObject({ kind: 'by' in ruling ? 'allowed' : 'refused', ...ruling });
  });
}

test('a time zone that is not known here is refused when the configuration is read', () => {
  expect(RefundRules.safeParse({ timeZone: 'Mars/Olympus' }).error?.message).toContain('is not a time zone');
});
