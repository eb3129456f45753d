import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { systemClock } from '@tillmesh/clock';
import { formatOrderNo, groupTag } from '@tillmesh/domain';
import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { DeclineReason, type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { Code } from '@tillmesh/rpc';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ALIPAY_CODE,
  type CashierUnderTest,
  codePayment,
  failureOf,
  OTHER_WECHAT_CODE,
  qrPayment,
  startCashier,
  WECHAT_CODE,
} from './cashier-under-test.ts';
import { payerTypes, refused, showsCode, succeeded, unclear } from './scripted-channel.ts';

let underTest: CashierUnderTest;
beforeEach(async () => {
  underTest = await startCashier();
});
afterEach(async () => {
  expect(underTest.logLines.filter((line) => line.includes(OTHER_WECHAT_CODE))).toEqual([]);
  await underTest.close();
});

/** A payment that the channel has just refused. */
const declined = async (line = refused()): Promise<Payment> => {
  underTest.channel.script.pay.push(line);
  const { payment } = await underTest.cashier.createPayment(codePayment());
  expect(payment?.state).toBe(PaymentState.DECLINED);
  if (payment === undefined) throw new Error('an answer without a payment');
  return payment;
};
const continueWith = async ({ orderNo }: Payment, paymentCode = OTHER_WECHAT_CODE): Promise<Payment | undefined> =>
  (await underTest.cashier.continuePayment({ orderNo, paymentCode })).payment;

describe('a declined payment', () => {
  test('is paid with another code: same order, next attempt, next number at the channel', async () => {
    const payment = await declined();
    underTest.channel.script.pay.push(succeeded());
    expect(await continueWith(payment)).toMatchObject({
      orderNo: payment.orderNo,
      state: PaymentState.SUCCEEDED,
      attempts: [{ state: AttemptState.FAILED }, { state: AttemptState.SUCCEEDED }],
    });
    expect(underTest.channel.paid[1]).toMatchObject({
      order: { channelOrderNo: `${payment.orderNo}2` },
      paymentCode: OTHER_WECHAT_CODE,
      subject: 'Tea',
    });
  });

  test('may be declined again, and continued again', async () => {
    const payment = await declined();
    underTest.channel.script.pay.push(refused(), succeeded());
    expect(await continueWith(payment)).toMatchObject({ state: PaymentState.DECLINED });
    expect(await continueWith(payment, '130000000000000003')).toMatchObject({ state: PaymentState.SUCCEEDED });
  });

  test('goes to another account where the one before refused for a reason of its own', async () => {
    const payment = await declined(refused(DeclineReason.ACCOUNT_REFUSED));
    underTest.channel.script.pay.push(succeeded());
    const paid = await continueWith(payment);
    expect(paid?.attempts.map(({ accountId }) => accountId)).toEqual(['wechat-a', 'wechat-b']);
  });

  test('goes to the same account where the payer was refused', async () => {
    const payment = await declined();
    underTest.channel.script.pay.push(succeeded());
    const paid = await continueWith(payment);
    expect(paid?.attempts.map(({ accountId }) => accountId)).toEqual(['wechat-a', 'wechat-a']);
  });
});

describe('the same code again', () => {
  test('is answered with the payment as it stands while its attempt is under way', async () => {
    const payment = await declined();
    underTest.channel.script.pay.push(payerTypes);
    await continueWith(payment);
    expect(await continueWith(payment)).toMatchObject({ state: PaymentState.PAYING, attempts: { length: 2 } });
    expect(underTest.channel.paid).toHaveLength(2);
  });

  test('finds its attempt after a lost answer of the order store, and the channel is called once', async () => {
    const payment = await declined();
    underTest.channel.script.pay.push(succeeded());
    underTest.store.fail('startAttempt', 'answer_lost');
    expect(await continueWith(payment)).toMatchObject({ state: PaymentState.SUCCEEDED, attempts: { length: 2 } });
    expect(underTest.channel.paid).toHaveLength(2);
  });

  test('after its attempt was declined is answered with that, and the used code is not sent a second time', async () => {
    const payment = await declined();
    underTest.channel.script.pay.push(refused(DeclineReason.PAYMENT_CODE_INVALID));
    const first = await continueWith(payment);
    expect(await continueWith(payment)).toEqual(first);
    expect(underTest.channel.paid).toHaveLength(2);
  });
});

describe('a payment is not continued', () => {
  test('with a code of another wallet', async () => {
    const payment = await declined();
    expect(await failureOf(continueWith(payment, ALIPAY_CODE))).toMatchObject({
      reason: 'REQUEST_INVALID',
      violations: [{ field: 'payment_code' }],
    });
    expect(underTest.store.onlyPayment().attempts).toHaveLength(1);
  });

  test('with a code that no wallet issues', async () => {
    const payment = await declined();
    expect(await failureOf(continueWith(payment, '990000000000000000'))).toMatchObject({
      reason: 'PAYMENT_CODE_UNKNOWN',
    });
  });

  test('while it is on its way: it is answered as it stands', async () => {
    underTest.channel.script.pay.push(unclear);
    const { payment } = await underTest.cashier.createPayment(codePayment());
    expect(await continueWith(payment as Payment)).toMatchObject({ state: PaymentState.PAYING });
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('when it is paid: it is answered as it stands', async () => {
    underTest.channel.script.pay.push(succeeded());
    const { payment } = await underTest.cashier.createPayment(codePayment());
    expect(await continueWith(payment as Payment)).toMatchObject({ state: PaymentState.SUCCEEDED });
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('when it is closed', async () => {
    const payment = await declined();
    await underTest.cashier.closePayment({ payment: { ref: { case: 'orderNo', value: payment.orderNo } } });
    expect(await failureOf(continueWith(payment))).toMatchObject({
      code: Code.FAILED_PRECONDITION,
      reason: 'PAYMENT_STATE',
      metadata: { state: 'closed' },
    });
  });

  test('when it has expired', async () => {
    const payment = await declined();
    underTest.store.change(payment.orderNo, { expireAtMs: systemClock.nowMs() - 1 });
    expect(await failureOf(continueWith(payment))).toMatchObject({
      reason: 'PAYMENT_STATE',
      metadata: { state: 'declined' },
    });
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('when the payer scans, not the till', async () => {
    underTest.channel.script.pay.push(showsCode());
    const { payment } = await underTest.cashier.createPayment(qrPayment({ expireAfter: durationFromMs(60_000) }));
    expect(await failureOf(continueWith(payment as Payment))).toMatchObject({ reason: 'PAYMENT_STATE' });
  });

  test('that is not there', async () => {
    const unknown = formatOrderNo({ day: 1, msOfDay: 1, groupTag: groupTag(1), workerId: 1, sequence: 1 });
    const continued = underTest.cashier.continuePayment({ orderNo: unknown, paymentCode: WECHAT_CODE });
    expect(await failureOf(continued)).toMatchObject({ code: Code.NOT_FOUND, reason: 'PAYMENT_UNKNOWN' });
  });
});

test('of two tills that continue at once, one calls the channel and the other hears how the payment stands', async () => {
  const payment = await declined();
  underTest.channel.script.pay.push(payerTypes);
  // Somebody else moves it between our look and our write.
  underTest.store.before('startAttempt', () => underTest.store.change(payment.orderNo, { needsPerson: 'moved' }));
  const answer = await continueWith(payment);
  expect(answer).toMatchObject({ state: PaymentState.DECLINED, needsPerson: 'moved', attempts: { length: 1 } });
  expect(underTest.channel.paid).toHaveLength(1);
  expect(await continueWith(payment, WECHAT_CODE)).toMatchObject({
    state: PaymentState.PAYING,
    attempts: { length: 2 },
  });
});
