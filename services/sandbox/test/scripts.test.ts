import { expect, test } from 'vitest';
import { notificationPlanOf, payerPlanOf, refundPlanOf, secondsToScan, wireFaultsOf } from '../src/script.ts';
import { createScripts, NewScript, SCRIPTS_MAX } from '../src/scripts.ts';
import { createState } from '../src/state.ts';

test('no more scripts are taken than every request can be held against', async () => {
  const state = createState();
  let ids = 0;
  const scripts = createScripts({ state, newId: () => String((ids += 1)) });
  await state.open(undefined);
  const wish = NewScript.parse({ match: { outTradeNo: 'a' }, script: [{ do: 'succeed' }] });
  for (let count = 0; count < SCRIPTS_MAX; count += 1) expect(scripts.add(wish)).toBeDefined();
  expect(scripts.add(wish)).toBeUndefined();
  expect(scripts.remove('1')).toBe(true);
  expect(scripts.add(wish)).toBeDefined();
});

test('without acts the payer pays at once, the news goes out once, and nothing goes wrong', () => {
  expect(payerPlanOf([])).toEqual({ act: 'pays' });
  expect(notificationPlanOf([], [])).toEqual({ copies: 1, delayMs: 0, signature: 'right' });
  expect(refundPlanOf([])).toBeUndefined();
  expect(secondsToScan([])).toBeUndefined();
  expect(wireFaultsOf([])).toEqual(wireFaultsOf([{ do: 'succeed' }]));
});

test('the last act about the payer counts', () => {
  const types = { do: 'payer_types_password', seconds: 3, then: 'gives_up' } as const;
  expect(payerPlanOf([{ do: 'decline', code: 'A' }, types])).toMatchObject({ act: 'types_password', then: 'gives_up' });
  expect(payerPlanOf([types, { do: 'succeed' }])).toEqual({ act: 'pays' });
});

test('delays add up, before and after the commit apart', () => {
  const faults = wireFaultsOf([
    { do: 'delay', ms: 1, when: 'before_commit' },
    { do: 'delay', ms: 2, when: 'before_commit' },
    { do: 'delay', ms: 4, when: 'after_commit' },
  ]);
  expect(faults).toMatchObject({ delayBeforeMs: 3, delayAfterMs: 4 });
});

test('never wins over twice, and what an order says of its answers is not said of its notifications', () => {
  expect(notificationPlanOf([{ do: 'notify_twice' }], [{ do: 'never_notify' }])).toMatchObject({ copies: 0 });
  expect(notificationPlanOf([{ do: 'bad_signature' }], [])).toMatchObject({ signature: 'right' });
  expect(notificationPlanOf([], [{ do: 'unsigned' }])).toMatchObject({ signature: 'none' });
});
