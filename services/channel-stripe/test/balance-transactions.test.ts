import { type BillLine, BrokenBill } from '@tillmesh/channel-kit';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readBalanceTransactions } from '../src/protocol.ts';

const LIMITS = { lineBytesMax: 4_096, linesMax: 1_000 };

// docs.stripe.com/api/balance_transactions/object, cut to what matters.
const charge = {
  id: 'txn_1',
  object: 'balance_transaction',
  amount: 1_100,
  created: 1_795_000_000,
  currency: 'eur',
  fee: 62,
  type: 'charge',
  source: {
    id: 'ch_1',
    object: 'charge',
    amount: 8_888,
    currency: 'cny',
    payment_intent: 'pi_1',
    metadata: { order_no: 'A' },
  },
};
const refund = {
  ...charge,
  id: 'txn_2',
  amount: -110,
  fee: 0,
  type: 'refund',
  source: {
    id: 're_1',
    object: 'refund',
    amount: 888,
    currency: 'cny',
    payment_intent: 'pi_1',
    metadata: { order_no: 'A', refund_no: 'R' },
  },
};
const payout = { ...charge, id: 'txn_3', amount: -990, fee: 0, type: 'payout', source: null };

const read = async (text: string): Promise<BillLine[]> => {
  const parts = async function* () {
    yield Buffer.from(text);
  };
  const lines: BillLine[] = [];
  const reader = readBalanceTransactions(parts(), LIMITS);
  for (;;) {
    const step = await reader.next();
    if (step.done === true) return lines;
    lines.push(...step.value);
  }
};
const ofObjects = (...objects: readonly object[]) => read(objects.map((one) => `${JSON.stringify(one)}\n`).join(''));

test("what moved is told in the payer's currency, what was taken in the balance's", async () => {
  expect(await ofObjects(charge, refund, payout)).toMatchObject([
    {
      kind: 'payment',
      channelOrderNo: 'A',
      channelTransactionId: 'pi_1',
      amount: 8_888n,
      currency: 'CNY',
      fee: 62n,
      feeCurrency: 'EUR',
      happenedAtMs: 1_795_000_000_000,
    },
    { kind: 'refund', refundNo: 'R', channelRefundId: 're_1', amount: -888n, currency: 'CNY', fee: 0n },
    { kind: 'other', channelOrderNo: '', amount: -990n, currency: 'EUR', channelState: 'payout' },
  ]);
});

test('a transaction that comes twice is marked', async () => {
  expect((await ofObjects(charge, charge)).map(({ repeated }) => repeated)).toEqual([false, true]);
});

for (const [what, changed] of [
  ['without its source', { ...charge, source: 'ch_1' }],
  ['without an amount', { ...payout, amount: null }],
  ['with a fraction', { ...charge, source: { ...charge.source, amount: 1.5 } }],
  ['with an amount below 0', { ...charge, source: { ...charge.source, amount: -1 } }],
  ['without a fee', { ...charge, fee: undefined }],
  ['with a currency that is none', { ...charge, currency: 'EURO' }],
  ['without a time', { ...charge, created: 'now' }],
  ['without an id', { ...charge, id: undefined }],
  ['of another kind', { ...charge, object: 'charge' }],
] as const) {
  test(`a transaction ${what} is bad_line`, async () => {
    await expect(ofObjects(refund, changed)).rejects.toMatchObject({ flaw: 'bad_line', line: 2 });
  });
}

test('anything else is broken, never a crash', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.json(), fc.string({ minLength: 1 })), async (text) => {
      const error = await read(`${text}\n`).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(BrokenBill);
    }),
    { numRuns: 300 },
  );
});
