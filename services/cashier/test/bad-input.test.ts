import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { CreatePaymentRequest } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentKind, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { Code } from '@tillmesh/rpc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ALIPAY_CODE,
  type CashierUnderTest,
  codePayment,
  failureOf,
  fen,
  qrPayment,
  startCashier,
  WECHAT_CODE,
} from './cashier-under-test.ts';

let underTest: CashierUnderTest;
beforeAll(async () => {
  underTest = await startCashier();
});
afterAll(async () => {
  await underTest.close();
});

type Refusal = {
  readonly code: Code;
  readonly reason: string;
  /** Fields that the answer names. */
  readonly fields?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
};
const invalid = (...fields: readonly string[]): Refusal => ({
  code: Code.INVALID_ARGUMENT,
  reason: 'REQUEST_INVALID',
  fields,
});

const WRONG: readonly (readonly [what: string, request: () => CreatePaymentRequest, refusal: Refusal])[] = [
  ['no merchant', () => codePayment({ merchantId: '' }), invalid('merchant_id', 'merchant_id')],
  ['a merchant id with a blank', () => codePayment({ merchantId: 'a b' }), invalid('merchant_id')],
  [
    'a merchant that nobody knows',
    () => codePayment({ merchantId: 'nobody' }),
    { code: Code.NOT_FOUND, reason: 'MERCHANT_UNKNOWN', metadata: { merchant_id: 'nobody' } },
  ],
  ['no number', () => codePayment({ merchantOrderNo: '' }), invalid('merchant_order_no', 'merchant_order_no')],
  ['a number that is too long', () => codePayment({ merchantOrderNo: 'x'.repeat(65) }), invalid('merchant_order_no')],
  ['no subject', () => codePayment({ subject: '' }), invalid('subject')],
  ['a subject that is too long', () => codePayment({ subject: '茶'.repeat(128) }), invalid('subject')],
  [
    'several wrong fields, each of them',
    () => codePayment({ merchantId: 'a b', terminalId: 'a b', subject: '' }),
    invalid('merchant_id', 'subject', 'terminal_id'),
  ],
  ['no amount', () => Object.assign(codePayment(), { amount: undefined }), invalid('amount')],
  ['amount 0', () => codePayment({ amount: fen(0n) }), { code: Code.INVALID_ARGUMENT, reason: 'AMOUNT_ZERO' }],
  ['an amount below zero', () => codePayment({ amount: fen(-1n) }), invalid('amount.minor_units')],
  [
    'an amount that no currency has',
    () => codePayment({ amount: fen(100_000_000_001n) }),
    invalid('amount.minor_units'),
  ],
  ['a currency that is none', () => codePayment({ amount: fen(1n, 'yuan') }), invalid('amount.currency')],
  [
    'an amount above the limit of every account',
    () => codePayment({ amount: fen(5_000_001n) }),
    {
      code: Code.INVALID_ARGUMENT,
      reason: 'AMOUNT_ABOVE_LIMIT',
      metadata: { limit_minor_units: '5000000' },
    },
  ],
  [
    'a currency that no account takes',
    () => codePayment({ amount: fen(1n, 'USD') }),
    { code: Code.INVALID_ARGUMENT, reason: 'CURRENCY_NOT_SUPPORTED', metadata: { currencies: 'CNY' } },
  ],
  ['no kind', () => codePayment({ kind: PaymentKind.UNSPECIFIED }), invalid('kind')],
  ['a kind of the future', () => codePayment({ kind: 99 as PaymentKind }), invalid('kind')],
  [
    'a payment code that no wallet issues',
    () => codePayment({ paymentCode: '990000000000000000' }),
    { code: Code.INVALID_ARGUMENT, reason: 'PAYMENT_CODE_UNKNOWN' },
  ],
  ['a payment code with letters', () => codePayment({ paymentCode: '13000000000000000x' }), invalid('payment_code')],
  ['no payment code', () => codePayment({ paymentCode: '' }), invalid('payment_code')],
  [
    'a payment code of another wallet than was named',
    () => codePayment({ paymentCode: ALIPAY_CODE, wallet: Wallet.WECHAT }),
    invalid('payment_code'),
  ],
  ['a payment code where the payer scans', () => qrPayment({ paymentCode: WECHAT_CODE }), invalid('payment_code')],
  ['no wallet where the payer scans', () => qrPayment({ wallet: Wallet.UNSPECIFIED }), invalid('wallet')],
  ['no payer inside a wallet', () => qrPayment({ kind: PaymentKind.JSAPI }), invalid('payer_id')],
  ['an address that is none', () => codePayment({ clientIp: 'localhost' }), invalid('client_ip')],
  [
    'an expiry in less than a minute',
    () => codePayment({ expireAfter: durationFromMs(59_000) }),
    invalid('expire_after'),
  ],
  [
    'an expiry in more than a day',
    () => codePayment({ expireAfter: durationFromMs(86_401_000) }),
    invalid('expire_after'),
  ],
  [
    'a kind that no account of the merchant offers',
    () => qrPayment({ kind: PaymentKind.APP }),
    { code: Code.FAILED_PRECONDITION, reason: 'NO_ROUTE' },
  ],
];

describe('a payment with', () => {
  for (const [what, request, refusal] of WRONG) {
    test(`${what} is refused as ${refusal.reason}, and nothing is written`, async () => {
      const { code, reason, fields = [], metadata = {} } = refusal;
      const failure = await failureOf(underTest.cashier.createPayment(request()));
      expect(failure).toMatchObject({ code, reason, metadata });
      expect(failure.violations.map(({ field }) => field).toSorted()).toEqual([...fields]);
      expect(failure.violations.every(({ description }) => description !== '')).toBe(true);
      expect(underTest.store.payments()).toEqual([]);
      expect(underTest.channel.paid).toEqual([]);
    });
  }

  test('a payment code is never told in the refusal', async () => {
    const code = '990000000000000000';
    for (const request of [codePayment({ paymentCode: code }), qrPayment({ paymentCode: code })]) {
      const failure = await failureOf(underTest.cashier.createPayment(request));
      expect(JSON.stringify([failure.message, failure.metadata, failure.violations])).not.toContain(code);
    }
    expect(underTest.logLines.filter((line) => line.includes(code))).toEqual([]);
  });

  test('too little time to reach a channel is refused with what it needs, and nothing is written', async () => {
    const failure = await failureOf(underTest.cashier.createPayment(codePayment(), { capMs: 4_000 }));
    expect(failure).toMatchObject({ code: Code.DEADLINE_EXCEEDED, reason: 'DEADLINE_TOO_SHORT' });
    expect(failure.metadata).toMatchObject({ needed_ms: '5000' });
    expect(underTest.store.payments()).toEqual([]);
  });
});

// The last digit is a check digit.
const MISTYPED = '1260101000000010010010002';
const BY_NUMBER = { ref: { case: 'orderNo', value: MISTYPED } } as const;

const MISTYPED_CALLS: readonly (readonly [what: string, call: () => Promise<unknown>])[] = [
  ['a payment to read', () => underTest.cashier.getPayment({ payment: BY_NUMBER })],
  [
    'a payment to follow',
    async () => {
      for await (const news of underTest.cashier.watchPayment({ payment: BY_NUMBER })) return news;
      return undefined;
    },
  ],
  ['a payment to continue', () => underTest.cashier.continuePayment({ orderNo: MISTYPED, paymentCode: WECHAT_CODE })],
  ['a payment to close', () => underTest.cashier.closePayment({ payment: BY_NUMBER })],
  ['a payment to refund', () => underTest.cashier.createRefund({ payment: BY_NUMBER, merchantRefundNo: 'R1' })],
  ['a refund to read', () => underTest.cashier.getRefund({ ref: { case: 'refundNo', value: MISTYPED } })],
  [
    'the payment of a refund to read',
    () =>
      underTest.cashier.getRefund({
        ref: { case: 'merchantRefund', value: { payment: BY_NUMBER, merchantRefundNo: 'R1' } },
      }),
  ],
];

describe('a mistyped number of', () => {
  for (const [what, call] of MISTYPED_CALLS) {
    test(`${what} is refused before anybody is asked`, async () => {
      const before = underTest.store.calls.length;
      expect(await failureOf(call())).toMatchObject({ code: Code.INVALID_ARGUMENT, reason: 'ORDER_NO_MALFORMED' });
      expect(underTest.store.calls).toHaveLength(before);
    });
  }
});
