import { ManualClock, seededRandom } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { fen } from '../src/fen.ts';
import { createLedger } from '../src/ledger.ts';
import { checkLedger, paymentOf } from '../src/ledger-report.ts';
import { createPayers } from '../src/payers.ts';
import { createState } from '../src/state.ts';

const openLedger = async () => {
  const state = createState();
  const clock = new ManualClock();
  const payers = createPayers({
    state,
    clock,
    random: seededRandom(7),
    balance: fen(1_000),
    paymentCodeValidMs: 60_000,
  });
  const ledger = createLedger({ state, clock, payers });
  await state.open(undefined);
  const { payerId } = payers.meet('wechat');
  const movement = (outTradeNo: string, amount: number, merchantId = 'm') => ({
    channel: 'wechat' as const,
    accountId: 'a',
    merchantId,
    outTradeNo,
    transactionId: `t-${outTradeNo}`,
    refundNo: undefined,
    payerId,
    amount: fen(amount),
  });
  return { ledger, payers, payerId, movement };
};

test('an order is charged once; a second charge is a fault of the sandbox', async () => {
  const { ledger, movement } = await openLedger();
  ledger.charge(movement('a', 100));
  expect(() => ledger.charge(movement('a', 100))).toThrow('was charged before');
});

test('the same number of another merchant is another order', async () => {
  const { ledger, movement } = await openLedger();
  ledger.charge(movement('a', 100));
  ledger.charge(movement('a', 100, 'n'));
  expect([...ledger.sums()].map(({ net }) => net)).toEqual([100n, 100n]);
});

test('more cannot go back than was taken', async () => {
  const { ledger, movement } = await openLedger();
  ledger.charge(movement('a', 100));
  ledger.refund(movement('a', 60));
  expect(() => ledger.reverse(movement('a', 41))).toThrow();
});

test('nothing moves by nothing', async () => {
  const { ledger, movement } = await openLedger();
  expect(() => ledger.charge(movement('a', 0))).toThrow('one fen at least');
});

test('a payer has less after a charge and cannot go below nothing', async () => {
  const { ledger, payers, payerId, movement } = await openLedger();
  ledger.charge(movement('a', 900));
  expect(payers.canPay(payerId, fen(100))).toBe(true);
  expect(payers.canPay(payerId, fen(101))).toBe(false);
  expect(() => ledger.charge(movement('b', 101))).toThrow();
  ledger.refund(movement('a', 1));
  expect(payers.canPay(payerId, fen(101))).toBe(true);
});

const PAYMENT = '1'.repeat(25);
const NUMBERS: readonly (readonly [outTradeNo: string, payment: string])[] = [
  [`${PAYMENT}3`, PAYMENT],
  [PAYMENT, PAYMENT],
  [`${PAYMENT}33`, `${PAYMENT}33`],
  [`${'1'.repeat(25)}a`, `${'1'.repeat(25)}a`],
  ['order_1', 'order_1'],
];
for (const [outTradeNo, payment] of NUMBERS) {
  test(`${outTradeNo} stands for the payment ${payment}`, () => {
    expect(paymentOf(outTradeNo)).toBe(payment);
  });
}

const TWICE: readonly (readonly [what: string, refunded: number, chargedTwice: number])[] = [
  ['both keep money', 0, 1],
  ['one keeps a single fen', 99, 1],
  ['one gave everything back', 100, 0],
];
for (const [what, refunded, chargedTwice] of TWICE) {
  test(`two attempts of one payment of which ${what} are ${chargedTwice} payments charged twice`, async () => {
    const { ledger, movement } = await openLedger();
    ledger.charge(movement(`${PAYMENT}1`, 100));
    ledger.charge(movement(`${PAYMENT}2`, 100, 'n'));
    if (refunded > 0) ledger.refund(movement(`${PAYMENT}1`, refunded));
    expect(checkLedger(ledger.sums(), '')).toMatchObject({ payments: 1, orders: 2, chargedTwice });
    expect(checkLedger(ledger.sums(), '2')).toMatchObject({ payments: 0, orders: 0, chargedTwice: 0 });
  });
}
