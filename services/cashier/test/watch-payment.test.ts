import { type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { Code } from '@tillmesh/rpc';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CashierUnderTest, failureOf, qrPayment, startCashier } from './cashier-under-test.ts';
import { showsCode, succeeded } from './scripted-channel.ts';

let underTest: CashierUnderTest;
beforeEach(async () => {
  underTest = await startCashier();
});
afterEach(async () => {
  await underTest.close();
});

const waiting = async (): Promise<Payment> => {
  underTest.channel.script.pay.push(showsCode());
  const { payment } = await underTest.cashier.createPayment(qrPayment());
  if (payment === undefined) throw new Error('an answer without a payment');
  return payment;
};

/** Follows a payment; the answer resolves when the stream has ended. */
const follow = ({ orderNo }: Payment, signal?: AbortSignal) => {
  const seen: { readonly state: PaymentState; readonly version: number }[] = [];
  const read = async () => {
    const stream = underTest.cashier.watchPayment(
      { payment: { ref: { case: 'orderNo', value: orderNo } } },
      signal === undefined ? {} : { signal },
    );
    for await (const { payment } of stream) {
      if (payment !== undefined) seen.push({ state: payment.state, version: payment.version });
    }
  };
  return { seen, ended: read() };
};

test('a payment is told at once, then with every change, and the stream ends with its final state', async () => {
  const payment = await waiting();
  const { seen, ended } = follow(payment);
  await expect.poll(() => seen.length).toBe(1);
  underTest.store.change(payment.orderNo, { subject: 'changed' });
  await expect.poll(() => seen.length).toBe(2);
  underTest.store.change(payment.orderNo, { state: 'succeeded' });
  await ended;
  expect(seen).toEqual([
    { state: PaymentState.PAYING, version: payment.version },
    { state: PaymentState.PAYING, version: payment.version + 1 },
    { state: PaymentState.SUCCEEDED, version: payment.version + 2 },
  ]);
});

test('what does not change is told once', async () => {
  const payment = await waiting();
  const stop = new AbortController();
  const { seen, ended } = follow(payment, stop.signal);
  const readsBefore = () => underTest.store.calls.filter((method) => method === 'getOrder').length;
  const before = readsBefore();
  await expect.poll(() => readsBefore() - before, { timeout: 5_000 }).toBeGreaterThanOrEqual(3);
  expect(seen).toHaveLength(1);
  stop.abort();
  await expect(ended).rejects.toMatchObject({ code: Code.CANCELLED });
});

test('a payment that is final already is told, and the stream ends', async () => {
  underTest.channel.script.pay.push(succeeded());
  const { payment } = await underTest.cashier.createPayment(qrPayment());
  const { seen, ended } = follow(payment as Payment);
  await ended;
  expect(seen).toMatchObject([{ state: PaymentState.SUCCEEDED }]);
});

test('a group that is away for a moment does not end the stream of a payment that was seen', async () => {
  const payment = await waiting();
  const { seen, ended } = follow(payment);
  await expect.poll(() => seen.length).toBe(1);
  underTest.store.fail('getOrder', 'away', 'away');
  underTest.store.change(payment.orderNo, { state: 'closed' });
  await ended;
  expect(seen.map(({ state }) => state)).toEqual([PaymentState.PAYING, PaymentState.CLOSED]);
});

test('a group that is away at the first look ends it, and says when to come again', async () => {
  const payment = await waiting();
  underTest.store.fail('getOrder', 'away');
  expect(await failureOf(follow(payment).ended)).toMatchObject({
    code: Code.UNAVAILABLE,
    reason: 'DEPENDENCY_UNAVAILABLE',
  });
});

test('nobody looks any more for a caller that has gone', async () => {
  const payment = await waiting();
  const stop = new AbortController();
  const { seen, ended } = follow(payment, stop.signal);
  await expect.poll(() => seen.length).toBe(1);
  stop.abort();
  await expect(ended).rejects.toMatchObject({ code: Code.CANCELLED });
  // The look that was under way may still come; then there is none for longer than the pause between two.
  const reads = () => underTest.store.calls.filter((method) => method === 'getOrder').length;
  let last = -1;
  await expect
    .poll(
      () => {
        const isQuiet = reads() === last;
        last = reads();
        return isQuiet;
      },
      { interval: 450, timeout: 5_000 },
    )
    .toBe(true);
});
