import { readDetails } from '@tillmesh/channel-kit';
import { type ChannelTransactionId, money, type Outcome } from '@tillmesh/domain';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { detailsOfIntent } from '../src/protocol.ts';

const eur = (minorUnits: bigint) => money('EUR', minorUnits);
const success: Outcome = {
  kind: 'succeeded',
  paid: eur(1_800n),
  channelTransactionId: 'pi_1' as ChannelTransactionId,
  paidAtMs: 1,
};
const charge = {
  id: 'ch_1',
  payment_method_details: {
    type: 'card',
    card: { brand: 'visa', last4: '4242', funding: 'debit', fingerprint: 'Xt5EWLLDS7FJjR1c' },
  },
  balance_transaction: { id: 'txn_1', amount: 1_950, currency: 'usd', net: 1_890, fee: 60 },
};
const intent = { currency: 'eur', amount_received: 1_800, latest_charge: charge };
const read = (changes: object = {}) => readDetails(success, detailsOfIntent({ ...intent, ...changes }));

test('a card is told by its end, its kind and its fingerprint, and what is settled in Stripe’s currency', () => {
  expect(read()).toEqual({
    details: {
      payerId: 'Xt5EWLLDS7FJjR1c',
      payerAccount: '**** 4242',
      funding: { kind: 'debit', source: 'visa' },
      discounts: [],
      payerPaid: eur(1_800n),
      settled: money('USD', 1_950n),
    },
    leftOut: [],
  });
});

test('a webhook, which has the charge’s id alone, tells the amount', () => {
  expect(read({ latest_charge: 'ch_1' })).toMatchObject({
    details: { payerId: undefined, funding: undefined, settled: undefined, payerPaid: eur(1_800n) },
    leftOut: [],
  });
});

test('a wallet is told by its buyer', () => {
  const details = { type: 'alipay', alipay: { buyer_id: '2088102122524333', fingerprint: 'f' } };
  expect(read({ latest_charge: { ...charge, payment_method_details: details } })?.details).toMatchObject({
    payerId: '2088102122524333',
    payerAccount: undefined,
    funding: { kind: 'other', source: 'alipay' },
  });
});

for (const [what, changes, field] of [
  [
    'a whole card number',
    { card: { ...charge.payment_method_details.card, last4: '4242424242424242' } },
    'payerAccount',
  ],
  ['an end that is a number', { card: { ...charge.payment_method_details.card, last4: 4242 } }, 'payerAccount'],
] as const) {
  test(`${what} is left out`, () => {
    const details = { ...charge.payment_method_details, ...changes };
    const found = read({ latest_charge: { ...charge, payment_method_details: details } });
    expect(found?.leftOut).toEqual([{ field, why: 'unreadable' }]);
  });
}

test('a settlement that cannot be read is left out', () => {
  const balance = { ...charge.balance_transaction, amount: -5 };
  expect(read({ latest_charge: { ...charge, balance_transaction: balance } })?.leftOut).toEqual([
    { field: 'settled', why: 'unreadable' },
  ]);
});

test('whatever stands in an intent, reading its details does not throw', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('currency', 'amount_received', 'latest_charge'),
      fc.anything({ maxDepth: 4 }),
      (name, value) => {
        expect(read({ [name]: value })).toBeDefined();
      },
    ),
    { numRuns: 1_000 },
  );
});
