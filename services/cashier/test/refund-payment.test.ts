import { OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Refund, RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { Code } from '@tillmesh/rpc';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CashierUnderTest, codePayment, failureOf, fen, startCashier } from './cashier-under-test.ts';
import { payerTypes, succeeded } from './scripted-channel.ts';

let underTest: CashierUnderTest;
beforeEach(async () => {
  underTest = await startCashier();
});
afterEach(async () => {
  await underTest.close();
});

const paid = async (): Promise<Payment> => {
  underTest.channel.script.pay.push(succeeded());
  const { payment } = await underTest.cashier.createPayment(codePayment());
  if (payment?.state !== PaymentState.SUCCEEDED) throw new Error('not paid');
  return payment;
};
const refund = async ({ orderNo }: Payment, merchantRefundNo: string, minorUnits?: bigint): Promise<Refund> => {
  const answer = await underTest.cashier.createRefund({
    payment: { ref: { case: 'orderNo', value: orderNo } },
    merchantRefundNo,
    reason: 'too cold',
    ...(minorUnits === undefined ? {} : { amount: fen(minorUnits) }),
  });
  if (answer.refund === undefined) throw new Error('an answer without a refund');
  return answer.refund;
};

const verified = { transport: Transport.ANSWERED, signature: SignatureState.VERIFIED } as const;
const done = (minorUnits: bigint) => ({
  ...verified,
  state: RefundState.SUCCEEDED,
  channelRefundId: 'cr-1',
  refunded: fen(minorUnits),
});

describe('a refund', () => {
  test('that the channel makes at once is SUCCEEDED, and nobody has to look at it again', async () => {
    underTest.channel.script.refund.push(done(40n));
    const payment = await paid();
    expect(await refund(payment, 'R1', 40n)).toMatchObject({
      orderNo: payment.orderNo,
      state: RefundState.SUCCEEDED,
      amount: { minorUnits: 40n },
      channelRefundId: 'cr-1',
    });
    expect(underTest.checkedLater).toEqual([]);
  });

  test('without an amount gives back all that is left', async () => {
    underTest.channel.script.refund.push(done(40n), done(60n));
    const payment = await paid();
    await refund(payment, 'R1', 40n);
    expect(await refund(payment, 'R2')).toMatchObject({ amount: { minorUnits: 60n } });
  });

  test('that the channel works on is PROCESSING, and the syncer is told', async () => {
    underTest.channel.script.refund.push({ ...verified, state: RefundState.PROCESSING });
    const made = await refund(await paid(), 'R1', 40n);
    expect(made.state).toBe(RefundState.PROCESSING);
    expect(underTest.checkedLater).toEqual([`refund ${made.refundNo}`]);
  });

  test('that the channel refuses is FAILED', async () => {
    underTest.channel.script.refund.push({
      ...verified,
      state: RefundState.FAILED,
      ruleId: 'r',
      channelCode: 'NOTENOUGH',
    });
    expect(await refund(await paid(), 'R1', 40n)).toMatchObject({ state: RefundState.FAILED });
  });

  test('whose channel does not answer is UNKNOWN, never failed, and the syncer is told', async () => {
    underTest.channel.script.refund.push(async () => {
      await underTest.killChannel();
      return done(40n);
    });
    const made = await refund(await paid(), 'R1', 40n);
    expect(made.state).toBe(RefundState.UNKNOWN);
    expect(underTest.checkedLater).toEqual([`refund ${made.refundNo}`]);
  });

  test('whose adapter answers without a result is UNKNOWN', async () => {
    underTest.channel.script.refund.push('no_result');
    expect((await refund(await paid(), 'R1', 40n)).state).toBe(RefundState.UNKNOWN);
  });

  test('of another amount than was asked is held: it does not count as done', async () => {
    underTest.channel.script.refund.push(done(39n));
    expect((await refund(await paid(), 'R1', 40n)).state).toBe(RefundState.REQUESTED);
  });

  test('that cannot be written down is answered with its number, and the syncer is told', async () => {
    underTest.channel.script.refund.push(done(40n));
    const payment = await paid();
    underTest.store.fail('applyRefundResult', 'broken');
    const made = await refund(payment, 'R1', 40n);
    expect(made).toMatchObject({ refundNo: underTest.store.refunds()[0]?.refundNo, state: RefundState.REQUESTED });
    expect(underTest.checkedLater).toEqual([`refund ${made.refundNo}`]);
  });

  test('is asked of the account that took the money, under the refund’s number', async () => {
    underTest.channel.script.refund.push(done(40n));
    const payment = await paid();
    const made = await refund(payment, 'R1', 40n);
    expect(underTest.channel.refunded).toMatchObject([
      {
        order: { accountId: 'wechat-a', channelOrderNo: `${payment.orderNo}1`, channelTransactionId: 'tx-1' },
        refundNo: made.refundNo,
        amount: { minorUnits: 40n },
        reason: 'too cold',
      },
    ]);
  });
});

describe('the same refund again', () => {
  test('is answered as it stands, and the channel is not asked', async () => {
    underTest.channel.script.refund.push(done(40n));
    const payment = await paid();
    const first = await refund(payment, 'R1', 40n);
    expect(await refund(payment, 'R1', 40n)).toEqual(first);
    expect(underTest.channel.asked.filter((what) => what === 'refund')).toHaveLength(1);
  });

  test('after a lost answer of the order store is left to the syncer: nobody knows who asks the channel', async () => {
    const payment = await paid();
    underTest.store.fail('createRefund', 'answer_lost');
    expect(await refund(payment, 'R1', 40n)).toMatchObject({ state: RefundState.REQUESTED });
    expect(underTest.channel.asked).not.toContain('refund');
  });
});

describe('a terminal', () => {
  const DAY_MS = 86_400_000;
  let laterMs = 0;
  const at = async (
    { orderNo }: Payment,
    merchantRefundNo: string,
    who: { readonly terminalId?: string; readonly backOfficeAllows?: boolean },
  ) =>
    (
      await underTest.cashier.createRefund({
        payment: { ref: { case: 'orderNo', value: orderNo } },
        merchantRefundNo,
        amount: fen(40n),
        ...who,
      })
    ).refund;

  beforeEach(async () => {
    await underTest.close();
    laterMs = 0;
    underTest = await startCashier({ laterMs: () => laterMs });
  });

  test('gives back what it took itself, on the same day', async () => {
    underTest.channel.script.refund.push(done(40n));
    expect(await at(await paid(), 'R1', { terminalId: 'till-1' })).toMatchObject({ state: RefundState.SUCCEEDED });
    expect(underTest.store.refundsAllowedBy).toEqual(['terminal till-1']);
  });

  test('gets nothing of another day, nor what another took; nothing is changed and the error says what to do', async () => {
    const payment = await paid();
    expect(await failureOf(at(payment, 'R1', { terminalId: 'till-2' }))).toMatchObject({
      code: Code.PERMISSION_DENIED,
      reason: 'REFUND_NOT_ALLOWED',
      metadata: { why: 'another_terminal', terminal_id: 'till-1', time_zone: 'Asia/Shanghai' },
      message: expect.stringContaining('set back_office_allows'),
    });
    laterMs = DAY_MS;
    expect(await failureOf(at(payment, 'R1', { terminalId: 'till-1' }))).toMatchObject({
      reason: 'REFUND_NOT_ALLOWED',
      metadata: { why: 'another_day' },
    });
    expect(underTest.store.calls).not.toContain('createRefund');
    expect(underTest.store.onlyPayment()).toMatchObject({ refundReserved: { minorUnits: 0n } });
    expect(underTest.channel.asked).not.toContain('refund');
  });

  test('gets both with the back office’s word', async () => {
    underTest.channel.script.refund.push(done(40n), done(40n));
    const payment = await paid();
    await at(payment, 'R1', { terminalId: 'till-2', backOfficeAllows: true });
    laterMs = DAY_MS;
    await at(payment, 'R2', { backOfficeAllows: true });
    expect(underTest.store.refundsAllowedBy).toEqual(['back_office till-2', 'back_office']);
  });

  test('that repeats its refund after midnight gets the same answer', async () => {
    underTest.channel.script.refund.push(done(40n));
    const payment = await paid();
    const first = await at(payment, 'R1', { terminalId: 'till-1' });
    laterMs = DAY_MS;
    expect(await at(payment, 'R1', { terminalId: 'till-1' })).toEqual(first);
    expect(await failureOf(at(payment, 'R2', { terminalId: 'till-1' }))).toMatchObject({
      reason: 'REFUND_NOT_ALLOWED',
    });
  });
});

describe('a refund is refused', () => {
  test('of more than is left, and the channel is not asked', async () => {
    underTest.channel.script.refund.push(done(70n));
    const payment = await paid();
    await refund(payment, 'R1', 70n);
    expect(await failureOf(refund(payment, 'R2', 31n))).toMatchObject({ reason: 'REFUND_EXCEEDS_PAID' });
    expect(underTest.channel.asked.filter((what) => what === 'refund')).toHaveLength(1);
  });

  test('of nothing', async () => {
    expect(await failureOf(refund(await paid(), 'R1', 0n))).toMatchObject({
      code: Code.INVALID_ARGUMENT,
      reason: 'AMOUNT_ZERO',
    });
  });

  test('of a payment that is not paid', async () => {
    underTest.channel.script.pay.push({ ...payerTypes, outcome: OutcomeKind.PENDING_PAYER });
    const { payment } = await underTest.cashier.createPayment(codePayment());
    expect(await failureOf(refund(payment as Payment, 'R1', 1n))).toMatchObject({ reason: 'PAYMENT_STATE' });
  });
});

describe('a refund is read', () => {
  test('by its number and by the merchant’s, with the payment in either’s words', async () => {
    underTest.channel.script.refund.push(done(40n));
    const payment = await paid();
    const made = await refund(payment, 'R1', 40n);
    const { cashier } = underTest;
    const byNumber = await cashier.getRefund({ ref: { case: 'refundNo', value: made.refundNo } });
    expect(byNumber.refund).toEqual(made);
    const { merchantId, merchantOrderNo } = payment;
    for (const ref of [
      { case: 'orderNo', value: payment.orderNo } as const,
      { case: 'merchantOrder', value: { merchantId, merchantOrderNo } } as const,
    ]) {
      const merchantRefund = { case: 'merchantRefund', value: { payment: { ref }, merchantRefundNo: 'R1' } } as const;
      expect((await cashier.getRefund({ ref: merchantRefund })).refund).toEqual(made);
    }
  });

  test('and refused where nobody knows it', async () => {
    const { orderNo } = await paid();
    const value = { payment: { ref: { case: 'orderNo', value: orderNo } as const }, merchantRefundNo: 'never' };
    expect(await failureOf(underTest.cashier.getRefund({ ref: { case: 'merchantRefund', value } }))).toMatchObject({
      code: Code.NOT_FOUND,
      reason: 'REFUND_UNKNOWN',
    });
  });
});
