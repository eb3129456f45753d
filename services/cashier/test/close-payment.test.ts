import { CloseEnd } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { Code } from '@tillmesh/rpc';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ALIPAY_CODE,
  type CashierUnderTest,
  codePayment,
  failureOf,
  qrPayment,
  startCashier,
} from './cashier-under-test.ts';
import { payerTypes, refused, showsCode, succeeded, unclear } from './scripted-channel.ts';

let underTest: CashierUnderTest;
beforeEach(async () => {
  underTest = await startCashier();
});
afterEach(async () => {
  await underTest.close();
});

const take = async (request: ReturnType<typeof codePayment>): Promise<Payment> => {
  const { payment } = await underTest.cashier.createPayment(request);
  if (payment === undefined) throw new Error('an answer without a payment');
  return payment;
};
const close = async ({ orderNo }: Payment): Promise<Payment | undefined> =>
  (await underTest.cashier.closePayment({ payment: { ref: { case: 'orderNo', value: orderNo } } })).payment;

const verified = { transport: Transport.ANSWERED, signature: SignatureState.VERIFIED } as const;

describe('a payment that waits for its payer to scan', () => {
  const waiting = () => {
    underTest.channel.script.pay.push(showsCode());
    return take(qrPayment());
  };

  test('is closed at its channel, and is CLOSED then', async () => {
    const payment = await waiting();
    underTest.channel.script.close.push({ end: CloseEnd.CLOSED, seen: { ...verified, outcome: OutcomeKind.UNKNOWN } });
    expect(await close(payment)).toMatchObject({ state: PaymentState.CLOSED });
    expect(underTest.channel.asked).toEqual(['pay', 'close']);
  });

  test('is SUCCEEDED when the payer was faster', async () => {
    const payment = await waiting();
    underTest.channel.script.close.push({ end: CloseEnd.ALREADY_PAID, seen: succeeded() });
    expect(await close(payment)).toMatchObject({ state: PaymentState.SUCCEEDED });
  });

  test('stays PAYING while the payer is typing, and the syncer looks soon', async () => {
    const payment = await waiting();
    underTest.channel.script.close.push({ end: CloseEnd.PAYER_PAYING, seen: payerTypes });
    expect(await close(payment)).toMatchObject({ state: PaymentState.PAYING });
    expect(underTest.checkedLater).toContain(`payment ${payment.orderNo}`);
  });

  test('stays PAYING where the channel’s word that it is closed cannot be verified', async () => {
    const payment = await waiting();
    const seen = { ...verified, signature: SignatureState.INVALID, outcome: OutcomeKind.UNKNOWN };
    underTest.channel.script.close.push({ end: CloseEnd.CLOSED, seen });
    expect(await close(payment)).toMatchObject({ state: PaymentState.PAYING });
  });

  test('stays PAYING while the channel does not answer, and the syncer looks soon', async () => {
    const payment = await waiting();
    const before = underTest.checkedLater.length;
    underTest.channel.script.close.push(async () => {
      throw new Error('a bug of the adapter');
    });
    expect(await close(payment)).toMatchObject({ state: PaymentState.PAYING });
    expect(underTest.checkedLater).toHaveLength(before + 1);
  });

  test('is closed once: a repeat is answered with it', async () => {
    const payment = await waiting();
    underTest.channel.script.close.push({ end: CloseEnd.CLOSED, seen: { ...verified, outcome: OutcomeKind.UNKNOWN } });
    const closed = await close(payment);
    expect(await close(payment)).toEqual(closed);
    expect(underTest.channel.asked).toEqual(['pay', 'close']);
  });
});

describe('a payment by payment code', () => {
  test('on its way is only asked for: a reverse would give back what was paid a moment ago', async () => {
    underTest.channel.script.pay.push(payerTypes);
    const payment = await take(codePayment());
    underTest.channel.script.query.push(payerTypes);
    expect(await close(payment)).toMatchObject({ state: PaymentState.PAYING });
    expect(underTest.channel.asked).toEqual(['pay', 'query']);
  });

  test('that was paid meanwhile stays paid', async () => {
    underTest.channel.script.pay.push(unclear);
    const payment = await take(codePayment());
    underTest.channel.script.query.push(succeeded());
    expect(await close(payment)).toMatchObject({ state: PaymentState.SUCCEEDED });
  });

  test('that was declined is closed without asking the channel', async () => {
    underTest.channel.script.pay.push(refused());
    const payment = await take(codePayment());
    expect(await close(payment)).toMatchObject({ state: PaymentState.CLOSED });
    expect(underTest.channel.asked).toEqual(['pay']);
  });

  test('that is continued in that moment is answered as it stands, not with an error', async () => {
    underTest.channel.script.pay.push(refused());
    const payment = await take(codePayment());
    underTest.store.before('closeOrder', () => underTest.store.change(payment.orderNo, { state: 'paying' }));
    expect(await close(payment)).toMatchObject({ orderNo: payment.orderNo, state: PaymentState.PAYING });
  });
});

test('a payment that is paid stays paid, and nobody is asked', async () => {
  underTest.channel.script.pay.push(succeeded());
  const payment = await take(codePayment());
  expect(await close(payment)).toMatchObject({ state: PaymentState.SUCCEEDED });
  expect(underTest.channel.asked).toEqual(['pay']);
});

test('a payment whose channel is no longer configured stays as it is, rather than ending in an error', async () => {
  underTest.channel.script.pay.push(payerTypes);
  const payment = await take(codePayment());
  const [attempt] = underTest.store.onlyPayment().attempts;
  if (attempt === undefined) throw new Error('a payment without an attempt');
  underTest.store.change(payment.orderNo, { attempts: [{ ...attempt, channelId: 'gone' as never }] });
  expect(await close(payment)).toMatchObject({ state: PaymentState.PAYING });
  expect(underTest.logLines.some((line) => line.includes('could not be asked to close'))).toBe(true);
});

test('a payment that nobody knows is refused', async () => {
  const ref = { case: 'merchantOrder', value: { merchantId: 'demo-cafe', merchantOrderNo: 'never' } } as const;
  expect(await failureOf(underTest.cashier.closePayment({ payment: { ref } }))).toMatchObject({
    code: Code.NOT_FOUND,
    reason: 'PAYMENT_UNKNOWN',
  });
});

test('no close ever asks the channel to reverse', async () => {
  for (const line of [payerTypes, unclear]) {
    underTest.channel.script.pay.push(line);
    const payment = await take(codePayment());
    underTest.channel.script.query.push(line);
    await close(payment);
  }
  underTest.channel.script.pay.push(payerTypes);
  await take(codePayment({ paymentCode: ALIPAY_CODE }));
  expect(underTest.channel.asked.filter((what) => what === 'close')).toEqual([]);
});
