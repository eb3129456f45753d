import fc from 'fast-check';
import { expect, test } from 'vitest';
import { agreementOf, type ChannelTransactionId, type PersonStatement } from '../src/index.ts';

const paid = (person: string, changes: Partial<PersonStatement> = {}): PersonStatement => ({
  person,
  outcome: 'succeeded',
  channelTransactionId: 'T1' as ChannelTransactionId,
  happenedAtMs: 1_000,
  ...changes,
});

test('two different persons who say the same settle it; one person never does, however often', () => {
  expect(agreementOf([])).toEqual({ kind: 'awaits_second' });
  expect(agreementOf([paid('Ann')])).toEqual({ kind: 'awaits_second' });
  expect(agreementOf([paid('Ann'), paid('Ann')])).toEqual({ kind: 'awaits_second' });
  expect(agreementOf([paid('Ann'), paid('Bob')])).toEqual({
    kind: 'agreed',
    statement: paid('Ann'),
    persons: ['Ann', 'Bob'],
  });
});

test('a name typed another way is the same person', () => {
  for (const again of ['ann', ' Ann ', 'ＡＮＮ', 'aNN\t']) {
    expect(agreementOf([paid('Ann'), paid(again)])).toEqual({ kind: 'awaits_second' });
  }
  expect(agreementOf([paid('Ann  Li'), paid('ann li')])).toEqual({ kind: 'awaits_second' });
});

test('who says otherwise stops it, and may change their mind', () => {
  const failed: Partial<PersonStatement> = {
    outcome: 'failed_definite',
    channelTransactionId: '',
    happenedAtMs: undefined,
  };
  expect(agreementOf([paid('Ann'), paid('Bob', failed)])).toMatchObject({ kind: 'contradicted' });
  expect(agreementOf([paid('Ann'), paid('Bob', { channelTransactionId: 'T2' as ChannelTransactionId })])).toMatchObject(
    { kind: 'contradicted' },
  );
  expect(agreementOf([paid('Ann'), paid('Bob', { happenedAtMs: 2 })])).toMatchObject({ kind: 'contradicted' });
  expect(agreementOf([paid('Ann'), paid('Bob'), paid('Cy', failed)])).toMatchObject({ kind: 'contradicted' });
  expect(agreementOf([paid('Ann'), paid('Bob', failed), paid('Bob')])).toMatchObject({ kind: 'agreed' });
});

test('whatever is said in whatever order, agreement needs two names and one opinion', () => {
  const statement = fc.record({
    person: fc.constantFrom('Ann', 'ann', 'Bob', 'Cy'),
    outcome: fc.constantFrom('succeeded' as const, 'failed_definite' as const),
    channelTransactionId: fc.constant('' as const),
    happenedAtMs: fc.constant(undefined),
  });
  fc.assert(
    fc.property(fc.array(statement, { maxLength: 8 }), (statements) => {
      const latest = new Map(statements.map((one) => [one.person.toLowerCase(), one.outcome]));
      const opinions = new Set(latest.values());
      const agreed = latest.size >= 2 && opinions.size === 1;
      expect(agreementOf(statements).kind === 'agreed').toBe(agreed);
    }),
  );
});
