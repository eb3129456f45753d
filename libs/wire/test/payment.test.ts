import { create, fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import {
  type AccountId,
  ATTEMPT_STATES,
  type Attempt,
  type ChannelId,
  type ChannelTransactionId,
  type ClientAction,
  formatOrderNo,
  groupTag,
  isLiveAttempt,
  type MerchantId,
  type MerchantOrderNo,
  type MerchantRefundNo,
  money,
  PAYMENT_STATES,
  type Payment,
  parseAttemptNo,
  type Refund,
} from '@tillmesh/domain';
import { ClientActionSchema, PaymentSchema } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundSchema } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { describe, expect, test } from 'vitest';
import {
  actionFromWire,
  actionToWire,
  attemptStateMap,
  channelOrderOf,
  liveAttemptOf,
  paymentStateMap,
  paymentToWire,
  refundToWire,
} from '../src/index.ts';

const orderNo = formatOrderNo({ day: 10, msOfDay: 1_000, groupTag: groupTag(3), workerId: 2, sequence: 1 });
const first = parseAttemptNo(1) ?? expect.fail('1 is an attempt number');

const attempt: Attempt = {
  attemptNo: first,
  accountId: 'wechat-a' as AccountId,
  channelId: 'wechat' as ChannelId,
  state: 'succeeded',
  channelTransactionId: 'T1' as ChannelTransactionId,
  channelCode: 'SUCCESS',
  ruleId: 'r',
  learnedBy: 'query',
  routeReason: 'rank 0',
  startedAtMs: 1_700_000_000_001,
  settledAtMs: 1_700_000_000_002,
};
const payment: Payment = {
  orderNo,
  merchantId: 'm-1' as MerchantId,
  merchantOrderNo: 'o-1' as MerchantOrderNo,
  amount: money('CNY', 1_234),
  kind: 'payment_code',
  wallet: 'wechat',
  subject: 'Tea',
  state: 'succeeded',
  version: 4,
  attempts: [attempt],
  action: { kind: 'qr_code', qrCode: 'x' },
  learnedBy: 'query',
  declineReason: 'other',
  refundReserved: money('CNY', 3),
  refunded: money('CNY', 2),
  createdAtMs: 1_700_000_000_000,
  expireAtMs: 1_700_000_300_000,
  paidAtMs: 1_700_000_001_000,
  terminalId: 't-1',
  storeId: 's-1',
  traceparent: '',
  needsPerson: 'look at it',
};
const OPTIONS = { traceId: 'f'.repeat(32), fromReplica: true };

const sent = (value: Payment, options = OPTIONS) =>
  fromBinary(PaymentSchema, toBinary(PaymentSchema, create(PaymentSchema, paymentToWire(value, options))));

describe('a payment on the wire', () => {
  test('says everything that its callers may see, and nothing else', () => {
    expect(toJson(PaymentSchema, sent(payment))).toEqual({
      orderNo,
      merchantId: 'm-1',
      merchantOrderNo: 'o-1',
      amount: { currency: 'CNY', minorUnits: '1234' },
      kind: 'PAYMENT_KIND_PAYMENT_CODE',
      wallet: 'WALLET_WECHAT',
      state: 'PAYMENT_STATE_SUCCEEDED',
      subject: 'Tea',
      attempts: [
        {
          attemptNo: 1,
          accountId: 'wechat-a',
          channelId: 'wechat',
          channelOrderNo: `${orderNo}1`,
          channelTransactionId: 'T1',
          state: 'ATTEMPT_STATE_SUCCEEDED',
          channelCode: 'SUCCESS',
          ruleId: 'r',
          learnedBy: 'LEARNED_BY_QUERY',
          startedAt: '2023-11-14T22:13:20.001Z',
          settledAt: '2023-11-14T22:13:20.002Z',
          routeReason: 'rank 0',
        },
      ],
      learnedBy: 'LEARNED_BY_QUERY',
      declineReason: 'DECLINE_REASON_OTHER',
      refunded: { currency: 'CNY', minorUnits: '2' },
      createdAt: '2023-11-14T22:13:20Z',
      expireAt: '2023-11-14T22:18:20Z',
      paidAt: '2023-11-14T22:13:21Z',
      version: 4,
      groupTag: 3,
      traceId: 'f'.repeat(32),
      readFromReplica: true,
      terminalId: 't-1',
      storeId: 's-1',
      needsPerson: 'look at it',
    });
  });

  test('leaves out what is not known yet', () => {
    const fresh = sent(
      {
        ...payment,
        state: 'paying',
        paidAtMs: undefined,
        learnedBy: undefined,
        declineReason: undefined,
        action: undefined,
        attempts: [
          {
            ...attempt,
            state: 'started',
            settledAtMs: undefined,
            learnedBy: undefined,
            channelTransactionId: undefined,
          },
        ],
      },
      { traceId: '', fromReplica: false },
    );
    expect([fresh.paidAt, fresh.action, fresh.attempts[0]?.settledAt]).toEqual([undefined, undefined, undefined]);
    expect(fresh).toMatchObject({ learnedBy: 0, declineReason: 0, traceId: '', readFromReplica: false });
    expect(fresh.attempts[0]).toMatchObject({ learnedBy: 0, channelTransactionId: '' });
  });

  for (const state of PAYMENT_STATES) {
    const shown = state === 'unbound' || state === 'void' ? 'paying' : state;
    test(`that is ${state} is shown as ${shown}`, () => {
      expect(paymentStateMap.fromWire(sent({ ...payment, state }).state)).toBe(shown);
    });

    test(`that is ${state} ${state === 'paying' ? 'tells' : 'does not tell'} the payer's device what to do`, () => {
      expect(sent({ ...payment, state }).action !== undefined).toBe(state === 'paying');
    });
  }
});

test('a refund on the wire says everything of it', () => {
  const refund: Refund = {
    refundNo: orderNo,
    orderNo,
    merchantId: 'm-1' as MerchantId,
    merchantRefundNo: 'r-1' as MerchantRefundNo,
    amount: money('CNY', 5),
    state: 'abnormal',
    cause: 'surplus',
    reason: 'came twice',
    attemptNo: first,
    channelRefundId: 'R1',
    channelCode: 'ABNORMAL',
    learnedBy: 'notification',
    createdAtMs: 1_700_000_000_000,
    settledAtMs: 1_700_000_000_500,
    version: 2,
  };
  const wire = fromBinary(RefundSchema, toBinary(RefundSchema, create(RefundSchema, refundToWire(refund))));
  expect(toJson(RefundSchema, wire)).toEqual({
    refundNo: orderNo,
    orderNo,
    merchantId: 'm-1',
    merchantRefundNo: 'r-1',
    amount: { currency: 'CNY', minorUnits: '5' },
    state: 'REFUND_STATE_ABNORMAL',
    cause: 'REFUND_CAUSE_SURPLUS',
    reason: 'came twice',
    attemptNo: 1,
    channelRefundId: 'R1',
    channelCode: 'ABNORMAL',
    learnedBy: 'LEARNED_BY_NOTIFICATION',
    createdAt: '2023-11-14T22:13:20Z',
    settledAt: '2023-11-14T22:13:20.500Z',
    version: 2,
  });
  expect(refundToWire({ ...refund, settledAtMs: undefined, learnedBy: undefined })).toMatchObject({
    settledAt: undefined,
    learnedBy: 0,
  });
});

describe("what the payer's device has to do", () => {
  const ACTIONS: readonly ClientAction[] = [
    { kind: 'qr_code', qrCode: 'weixin://wxpay/x' },
    { kind: 'jsapi', parameters: { package: 'prepay_id=1', paySign: 's' } },
    { kind: 'redirect', url: 'https://example.test/' },
  ];
  for (const action of ACTIONS) {
    test(`is the same on both sides: ${action.kind}`, () => {
      const bytes = toBinary(ClientActionSchema, create(ClientActionSchema, actionToWire(action)));
      expect(actionFromWire(fromBinary(ClientActionSchema, bytes))).toEqual(action);
    });
  }

  test('is nothing where nothing was said', () => {
    expect(actionFromWire(undefined)).toBeUndefined();
    expect(actionFromWire(create(ClientActionSchema))).toBeUndefined();
  });
});

describe('an attempt as its channel knows it', () => {
  test('has account, number, transaction, time, kind and amount', () => {
    const wire = sent(payment);
    const [only] = wire.attempts;
    expect(channelOrderOf(wire, only ?? expect.fail('there is one attempt'))).toMatchObject({
      accountId: 'wechat-a',
      channelOrderNo: `${orderNo}1`,
      channelTransactionId: 'T1',
      createdAt: only?.startedAt,
      kind: wire.kind,
      amount: wire.amount,
    });
  });

  for (const state of ATTEMPT_STATES) {
    test(`${isLiveAttempt(state) ? 'is' : 'is not'} live when it is ${state}, here as in the domain`, () => {
      expect(liveAttemptOf(sent({ ...payment, attempts: [{ ...attempt, state }] }))?.state).toBe(
        isLiveAttempt(state) ? attemptStateMap.toWire(state) : undefined,
      );
    });
  }
});
