import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { DeclineReason, type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { rpcErrors } from '@tillmesh/rpc';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CashierUnderTest, codePayment, fen, qrPayment, startCashier, WECHAT_CODE } from './cashier-under-test.ts';
import { closedThere, notSent, payerTypes, refused, showsCode, succeeded, unclear } from './scripted-channel.ts';

let underTest: CashierUnderTest;
beforeEach(async () => {
  underTest = await startCashier();
});
afterEach(async () => {
  // Whatever happened to the payment: its code stands in no line.
  expect(underTest.logLines.filter((line) => line.includes(WECHAT_CODE))).toEqual([]);
  await underTest.close();
});

const pay = async (request = codePayment()): Promise<Payment> => {
  const { payment } = await underTest.cashier.createPayment(request);
  if (payment === undefined) throw new Error('an answer without a payment');
  return payment;
};
/** Every account that was called, each once. */
const accountsAsked = () => [...new Set(underTest.channel.paid.map(({ order }) => order?.accountId))];
const attemptsOf = (payment: Payment) => payment.attempts.map(({ accountId, state }) => [accountId, state]);

describe('a payment whose channel says that', () => {
  test('the money moved is SUCCEEDED, and nobody has to look at it again', async () => {
    underTest.channel.script.pay.push(succeeded());
    const payment = await pay();
    expect(payment).toMatchObject({
      state: PaymentState.SUCCEEDED,
      learnedBy: LearnedBy.ANSWER,
      attempts: [{ accountId: 'wechat-a', channelTransactionId: 'tx-1', state: AttemptState.SUCCEEDED }],
    });
    expect(underTest.checkedLater).toEqual([]);
  });

  test('the payer has to type a password stays PAYING, and the syncer is told', async () => {
    underTest.channel.script.pay.push(payerTypes);
    const payment = await pay();
    expect(payment).toMatchObject({ state: PaymentState.PAYING, attempts: [{ state: AttemptState.PENDING_PAYER }] });
    expect(underTest.checkedLater).toEqual([`payment ${payment.orderNo}`]);
  });

  test('the payer has to scan a code carries that code to the caller', async () => {
    underTest.channel.script.pay.push(showsCode('weixin://a'));
    expect(await pay(qrPayment())).toMatchObject({
      state: PaymentState.PAYING,
      action: { action: { case: 'qrCode', value: 'weixin://a' } },
    });
  });

  test('nothing that could be read is asked for the code once more', async () => {
    underTest.channel.script.pay.push(unclear, showsCode('weixin://b'));
    expect(await pay(qrPayment())).toMatchObject({ action: { action: { case: 'qrCode', value: 'weixin://b' } } });
    const [first, second] = underTest.channel.paid;
    expect(second).toEqual(first);
  });

  test('nothing that could be read is never asked to take the money of a payment code once more', async () => {
    underTest.channel.script.pay.push(unclear, succeeded());
    expect(await pay()).toMatchObject({ state: PaymentState.PAYING, attempts: [{ state: AttemptState.UNKNOWN }] });
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('it was refused is DECLINED where the payer may show another code', async () => {
    underTest.channel.script.pay.push(refused());
    const payment = await pay();
    expect(payment).toMatchObject({ state: PaymentState.DECLINED, declineReason: DeclineReason.INSUFFICIENT_FUNDS });
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('it was refused goes on at the next account where the payer has shown no code, and fails when none is left', async () => {
    underTest.channel.script.pay.push(refused(DeclineReason.ACCOUNT_REFUSED), refused(DeclineReason.ACCOUNT_REFUSED));
    const payment = await pay(qrPayment());
    expect(payment.state).toBe(PaymentState.FAILED);
    expect(attemptsOf(payment)).toEqual([
      ['wechat-a', AttemptState.FAILED],
      ['wechat-b', AttemptState.FAILED],
    ]);
  });

  test('it was refused, then paid through the next account, under another number of the same order', async () => {
    underTest.channel.script.pay.push(refused(DeclineReason.ACCOUNT_REFUSED), showsCode());
    const payment = await pay(qrPayment());
    expect(payment.state).toBe(PaymentState.PAYING);
    const numbers = underTest.channel.paid.map(({ order }) => order?.channelOrderNo);
    expect(numbers).toEqual([`${payment.orderNo}1`, `${payment.orderNo}2`]);
    expect(payment.attempts[1]?.routeReason).toContain('rerouted after wechat-a');
  });

  test('it closed the order is CLOSED and goes to no other account', async () => {
    underTest.channel.script.pay.push(closedThere);
    expect((await pay(qrPayment())).state).toBe(PaymentState.CLOSED);
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('nothing was sent goes on at the next account, also with a payment code: it is unused', async () => {
    underTest.channel.script.pay.push(notSent, succeeded());
    const payment = await pay();
    expect(payment.state).toBe(PaymentState.SUCCEEDED);
    expect(attemptsOf(payment)).toEqual([
      ['wechat-a', AttemptState.FAILED],
      ['wechat-b', AttemptState.SUCCEEDED],
    ]);
    expect(underTest.channel.paid.map(({ paymentCode }) => paymentCode)).toEqual([WECHAT_CODE, WECHAT_CODE]);
  });

  test('nobody knows goes to no other account, and the syncer is told', async () => {
    underTest.channel.script.pay.push(unclear, unclear, unclear);
    const payment = await pay(qrPayment());
    expect(payment).toMatchObject({ state: PaymentState.PAYING, attempts: [{ state: AttemptState.UNKNOWN }] });
    expect(accountsAsked()).toEqual(['wechat-a']);
    expect(underTest.checkedLater).toEqual([`payment ${payment.orderNo}`]);
  });

  test('another amount moved is held for a person rather than believed', async () => {
    underTest.channel.script.pay.push(succeeded(99n));
    expect((await pay()).state).toBe(PaymentState.PAYING);
  });
});

// What claims more than it proves is unknown: a definite failure of it would be paid twice.
const HALF_PROVED = [
  ['a success without a verified signature', { ...succeeded(), signature: 0 }],
  ['a success without an amount', { ...succeeded(), paid: undefined }],
  ['a refusal without a rule', { ...refused(), ruleId: '' }],
  ['a refusal whose signature is wrong', { ...refused(), signature: 3 }],
  ['a refusal that may not have been read to its end', { ...refused(), transport: 2 }],
  ['an outcome that this version does not know', { ...succeeded(), outcome: 77 }],
  ['an empty result', {}],
  ['no result at all', 'no_result'],
] as const;

describe('an answer that proves nothing leaves the payment PAYING and is taken to no other account:', () => {
  for (const [what, line] of HALF_PROVED) {
    test(what, async () => {
      const said = line as typeof unclear;
      underTest.channel.script.pay.push(said, said, said);
      expect(await pay(qrPayment())).toMatchObject({ state: PaymentState.PAYING });
      expect(accountsAsked()).toEqual(['wechat-a']);
    });
  }
});

describe('a channel’s adapter', () => {
  test('that dies while it is called leaves the payment unknown, never failed', async () => {
    underTest.channel.script.pay.push(async () => {
      await underTest.killChannel();
      return succeeded();
    });
    const payment = await pay(qrPayment());
    expect(payment).toMatchObject({ state: PaymentState.PAYING, attempts: [{ state: AttemptState.UNKNOWN }] });
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('that fails on its own leaves the payment unknown', async () => {
    underTest.channel.script.pay.push(async () => {
      throw new Error('a bug of the adapter');
    });
    expect(await pay(qrPayment())).toMatchObject({ attempts: [{ state: AttemptState.UNKNOWN }] });
  });

  test('that refuses the call before it asks the channel has sent nothing: the next account is asked', async () => {
    underTest.channel.script.pay.push(async () => {
      throw rpcErrors.accountUnknown('its configuration lacks the account');
    }, succeeded());
    const payment = await pay(qrPayment());
    expect(attemptsOf(payment)).toEqual([
      ['wechat-a', AttemptState.FAILED],
      ['wechat-b', AttemptState.SUCCEEDED],
    ]);
  });

  test('whose lane is full is not asked: nothing was sent, and the payment can be tried again', async () => {
    const held = Promise.withResolvers<void>();
    const hold = async () => {
      await held.promise;
      return payerTypes;
    };
    // 64 under way and 16 waiting are the limits in lanes.ts.
    underTest.channel.script.pay.push(...Array.from({ length: 64 }, () => hold));
    const underWay = Array.from({ length: 64 }, () => pay());
    await expect.poll(() => underTest.channel.paid.length, { timeout: 10_000 }).toBe(64);
    const waiting = await Promise.all(Array.from({ length: 3 }, () => pay()));
    for (const payment of waiting) {
      expect(payment).toMatchObject({ state: PaymentState.DECLINED, declineReason: DeclineReason.CHANNEL_UNREACHABLE });
      expect(attemptsOf(payment)).toEqual([
        ['wechat-a', AttemptState.FAILED],
        ['wechat-b', AttemptState.FAILED],
      ]);
    }
    expect(underTest.channel.paid).toHaveLength(64);
    held.resolve();
    await Promise.all(underWay);
  });

  test('that nobody has configured is not asked', async () => {
    const payment = await pay(codePayment({ paymentCode: '280000000000000001' }));
    expect(payment).toMatchObject({
      state: PaymentState.DECLINED,
      declineReason: DeclineReason.CHANNEL_UNREACHABLE,
      attempts: [{ channelCode: 'OPERATION_NOT_SUPPORTED' }],
    });
  });
});

describe('after the channel was called, the caller gets the order number and never an error:', () => {
  test('when it cannot be written down', async () => {
    underTest.channel.script.pay.push(succeeded());
    underTest.store.fail('applyAttemptResult', 'broken');
    const payment = await pay();
    expect(payment).toMatchObject({ state: PaymentState.PAYING, orderNo: underTest.store.onlyPayment().orderNo });
    expect(underTest.checkedLater).toEqual([`payment ${payment.orderNo}`]);
    expect(underTest.logLines.some((line) => line.includes('could not be written down'))).toBe(true);
  });

  test('when the group comes back in time, the answer is written down after all', async () => {
    underTest.channel.script.pay.push(succeeded());
    underTest.store.fail('applyAttemptResult', 'away', 'away');
    expect((await pay()).state).toBe(PaymentState.SUCCEEDED);
  });

  test('when the order store’s answer is lost, the news is applied once', async () => {
    underTest.channel.script.pay.push(succeeded());
    underTest.store.fail('applyAttemptResult', 'answer_lost');
    expect((await pay()).state).toBe(PaymentState.SUCCEEDED);
    expect(underTest.store.onlyPayment().version).toBe(2);
  });
});

describe('a lost answer of the order store', () => {
  test('to a new order: the caller’s token tells that it is its own, and the channel is called once', async () => {
    underTest.channel.script.pay.push(succeeded());
    underTest.store.fail('createOrder', 'answer_lost');
    expect((await pay()).state).toBe(PaymentState.SUCCEEDED);
    expect(underTest.store.payments()).toHaveLength(1);
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('to a further attempt: the attempt is found again, not made twice', async () => {
    underTest.channel.script.pay.push(refused(DeclineReason.ACCOUNT_REFUSED), showsCode());
    underTest.store.fail('applyAttemptResult', 'answer_lost');
    const payment = await pay(qrPayment());
    expect(attemptsOf(payment)).toEqual([
      ['wechat-a', AttemptState.FAILED],
      ['wechat-b', AttemptState.PENDING_PAYER],
    ]);
    expect(underTest.channel.paid).toHaveLength(2);
  });
});

describe('the same request again', () => {
  test('is answered with the payment as it stands, and the channel is not called', async () => {
    underTest.channel.script.pay.push(succeeded());
    const request = codePayment();
    const first = await pay(request);
    const second = await pay(request);
    expect(second).toMatchObject({ orderNo: first.orderNo, state: PaymentState.SUCCEEDED });
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('while the first is still at the channel, is answered PAYING, and the channel is not called', async () => {
    const held = Promise.withResolvers<void>();
    underTest.channel.script.pay.push(async () => {
      await held.promise;
      return succeeded();
    });
    const request = codePayment();
    const first = pay(request);
    await expect.poll(() => underTest.channel.paid.length).toBe(1);
    const second = await pay(request);
    expect(second).toMatchObject({ state: PaymentState.PAYING });
    held.resolve();
    expect(await first).toMatchObject({ orderNo: second.orderNo, state: PaymentState.SUCCEEDED });
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('of a QR code whose answers were lost places the same order again, for the code', async () => {
    underTest.channel.script.pay.push(unclear, unclear, unclear, showsCode('weixin://again'));
    const request = qrPayment();
    expect((await pay(request)).action).toBeUndefined();
    const again = await pay(request);
    expect(again.action).toMatchObject({ action: { case: 'qrCode', value: 'weixin://again' } });
    const [first, ...others] = underTest.channel.paid;
    expect(others).toEqual([first, first, first]);
  });

  test.each([
    ['refuses', refused()],
    ['is not reached', notSent],
  ])(
    'of a QR code whose answers were lost goes to no other account when the channel %s now: it may have taken it then',
    async (_, answer) => {
      underTest.channel.script.pay.push(unclear, unclear, unclear, answer);
      const request = qrPayment();
      await pay(request);
      const again = await pay(request);
      expect(again).toMatchObject({ state: PaymentState.PAYING, attempts: [{ state: AttemptState.UNKNOWN }] });
      expect(again.attempts).toHaveLength(1);
    },
  );

  test('of a QR code that is there is answered with it, and the channel is not called', async () => {
    underTest.channel.script.pay.push(showsCode('weixin://once'));
    const request = qrPayment();
    await pay(request);
    expect((await pay(request)).action).toMatchObject({ action: { value: 'weixin://once' } });
    expect(underTest.channel.paid).toHaveLength(1);
  });

  test('with another amount is refused, and nothing changes', async () => {
    underTest.channel.script.pay.push(succeeded());
    const request = codePayment();
    await pay(request);
    await expect(
      pay(codePayment({ merchantOrderNo: request.merchantOrderNo, amount: fen(101n) })),
    ).rejects.toMatchObject({ reason: 'MERCHANT_ORDER_NO_REUSED', metadata: { field: 'amount' } });
    expect(underTest.store.onlyPayment()).toMatchObject({ state: 'succeeded', amount: { minorUnits: 100n } });
    expect(underTest.channel.paid).toHaveLength(1);
  });
});

test('the channel is told what the caller wants, and where to notify', async () => {
  await underTest.close();
  underTest = await startCashier({ notifyBaseUrl: 'https://pay.example' });
  underTest.channel.script.pay.push(succeeded());
  const payment = await pay(codePayment({ subject: 'Kaffee & 茶', clientIp: '203.0.113.7', storeId: 'store-9' }));
  expect(underTest.channel.paid[0]).toMatchObject({
    order: {
      accountId: 'wechat-a',
      channelOrderNo: `${payment.orderNo}1`,
      amount: { currency: 'CNY', minorUnits: 100n },
    },
    subject: 'Kaffee & 茶',
    paymentCode: WECHAT_CODE,
    clientIp: '203.0.113.7',
    terminalId: 'till-1',
    storeId: 'store-9',
    notifyUrl: 'https://pay.example/notify/wechat/wechat-a',
    expireAt: payment.expireAt,
  });
});

test('a channel that refuses the account itself raises an alarm in the log', async () => {
  underTest.channel.script.pay.push({ ...refused(DeclineReason.ACCOUNT_REFUSED, 'NO_AUTH'), configAlarm: true });
  await pay();
  expect(underTest.logLines.filter((line) => line.startsWith('error') && line.includes('NO_AUTH'))).toHaveLength(1);
});
