import {
  create,
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  type MessageInitShape,
} from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import {
  FieldRulesSchema,
  field as fieldRules,
  oneof as oneofRules,
} from '@tillmesh/proto/buf/validate/validate_pb.ts';
import {
  CashierService,
  ContinuePaymentRequestSchema,
  CreatePaymentRequestSchema,
  CreateRefundRequestSchema,
  GetPaymentRequestSchema,
  GetRefundRequestSchema,
} from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentKind, type Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { describe, expect, test } from 'vitest';
import { RpcError, validateRequest } from '../src/index.ts';

const NUMBER = '1'.repeat(25);
const ORDER = { ref: { case: 'orderNo', value: NUMBER } } as const;
const merchantOrder = (merchantId: string, merchantOrderNo: string) =>
  ({ ref: { case: 'merchantOrder', value: { merchantId, merchantOrderNo } } }) as const;

const GOOD_PAYMENT = {
  merchantId: 'm-1',
  merchantOrderNo: 'o|1*',
  amount: { currency: 'CNY', minorUnits: 1n },
  kind: PaymentKind.PAYMENT_CODE,
  wallet: 1,
  subject: '茶',
  paymentCode: '130061098828009406',
  payerId: 'o-1',
  clientIp: '2001:db8::1',
  terminalId: 't-1',
  storeId: 's-1',
  expireAfter: { seconds: 300n },
} as const satisfies MessageInitShape<typeof CreatePaymentRequestSchema>;

type Row = readonly [schema: DescMessage, request: MessageInitShape<DescMessage>, violation: `${string} ${string}`];
const payment = (part: object, violation: Row[2]): Row => [
  CreatePaymentRequestSchema,
  { ...GOOD_PAYMENT, ...part },
  violation,
];
const read = (ref: object | undefined, violation: Row[2]): Row => [
  GetPaymentRequestSchema,
  ref === undefined ? {} : { payment: ref },
  violation,
];
const next = (part: object, violation: Row[2]): Row => [
  ContinuePaymentRequestSchema,
  { orderNo: NUMBER, paymentCode: '130061098828009406', ...part },
  violation,
];
const refund = (part: object, violation: Row[2]): Row => [
  CreateRefundRequestSchema,
  { payment: ORDER, merchantRefundNo: 'r-1', amount: { currency: 'CNY', minorUnits: 1n }, reason: 'x', ...part },
  violation,
];
const readRefund = (ref: object | undefined, violation: Row[2]): Row => [
  GetRefundRequestSchema,
  ref === undefined ? {} : { ref },
  violation,
];
const merchantRefund = (value: object) => ({ case: 'merchantRefund', value });

/** Every rule of the cashier's requests, broken once: the message and what is said of which field. */
const BROKEN: readonly Row[] = [
  payment({ merchantId: '' }, 'merchant_id string.min_len'),
  payment({ merchantId: 'm'.repeat(33) }, 'merchant_id string.max_len'),
  payment({ merchantId: 'm 1' }, 'merchant_id string.pattern'),
  payment({ merchantOrderNo: '' }, 'merchant_order_no string.min_len'),
  payment({ merchantOrderNo: 'o'.repeat(65) }, 'merchant_order_no string.max_len'),
  payment({ merchantOrderNo: 'o/1' }, 'merchant_order_no string.pattern'),
  payment({ amount: undefined }, 'amount required'),
  payment({ amount: { currency: 'cny', minorUnits: 1n } }, 'amount.currency string.pattern'),
  payment({ amount: { currency: 'CNY', minorUnits: -1n } }, 'amount.minor_units int64.gte'),
  payment({ amount: { currency: 'CNY', minorUnits: 100_000_000_001n } }, 'amount.minor_units int64.lte'),
  payment({ kind: 99 as PaymentKind }, 'kind enum.defined_only'),
  payment({ kind: PaymentKind.UNSPECIFIED }, 'kind enum.not_in'),
  payment({ wallet: 99 as Wallet }, 'wallet enum.defined_only'),
  payment({ subject: '' }, 'subject string.min_len'),
  payment({ subject: '茶'.repeat(128) }, 'subject string.max_len'),
  payment({ paymentCode: '1'.repeat(25) }, 'payment_code string.max_len'),
  payment({ paymentCode: '1300610988280094O6' }, 'payment_code string.pattern'),
  payment({ payerId: 'o'.repeat(129) }, 'payer_id string.max_len'),
  payment({ clientIp: '1'.repeat(46) }, 'client_ip string.max_len'),
  payment({ clientIp: 'localhost' }, 'client_ip string.pattern'),
  payment({ terminalId: 't'.repeat(33) }, 'terminal_id string.max_len'),
  payment({ terminalId: 't 1' }, 'terminal_id string.pattern'),
  payment({ storeId: 's'.repeat(33) }, 'store_id string.max_len'),
  payment({ storeId: 's 1' }, 'store_id string.pattern'),
  payment({ expireAfter: { seconds: 59n, nanos: 999_999_999 } }, 'expire_after duration.gte'),
  payment({ expireAfter: { seconds: 86_400n, nanos: 1 } }, 'expire_after duration.lte'),
  read(undefined, 'payment required'),
  read({}, 'payment.ref required'),
  read({ ref: { case: 'orderNo', value: '1'.repeat(24) } }, 'payment.order_no string.pattern'),
  read(merchantOrder('', 'o-1'), 'payment.merchant_order.merchant_id string.min_len'),
  read(merchantOrder('m'.repeat(33), 'o-1'), 'payment.merchant_order.merchant_id string.max_len'),
  read(merchantOrder('m 1', 'o-1'), 'payment.merchant_order.merchant_id string.pattern'),
  read(merchantOrder('m-1', ''), 'payment.merchant_order.merchant_order_no string.min_len'),
  read(merchantOrder('m-1', 'o'.repeat(65)), 'payment.merchant_order.merchant_order_no string.max_len'),
  read(merchantOrder('m-1', 'o/1'), 'payment.merchant_order.merchant_order_no string.pattern'),
  next({ orderNo: 'x' }, 'order_no string.pattern'),
  next({ paymentCode: '1'.repeat(14) }, 'payment_code string.min_len'),
  next({ paymentCode: '1'.repeat(25) }, 'payment_code string.max_len'),
  next({ paymentCode: '1300610988280094O6' }, 'payment_code string.pattern'),
  refund({ payment: undefined }, 'payment required'),
  refund({ merchantRefundNo: '' }, 'merchant_refund_no string.min_len'),
  refund({ merchantRefundNo: 'r'.repeat(65) }, 'merchant_refund_no string.max_len'),
  refund({ merchantRefundNo: 'r/1' }, 'merchant_refund_no string.pattern'),
  refund({ reason: 'x'.repeat(81) }, 'reason string.max_len'),
  readRefund(undefined, 'ref required'),
  readRefund({ case: 'refundNo', value: 'x' }, 'refund_no string.pattern'),
  readRefund(merchantRefund({ merchantRefundNo: 'r-1' }), 'merchant_refund.payment required'),
  readRefund(
    merchantRefund({ payment: ORDER, merchantRefundNo: '' }),
    'merchant_refund.merchant_refund_no string.min_len',
  ),
  readRefund(
    merchantRefund({ payment: ORDER, merchantRefundNo: 'r'.repeat(65) }),
    'merchant_refund.merchant_refund_no string.max_len',
  ),
  readRefund(
    merchantRefund({ payment: ORDER, merchantRefundNo: 'r/1' }),
    'merchant_refund.merchant_refund_no string.pattern',
  ),
];

const violationsOf = (schema: DescMessage, request: MessageInitShape<DescMessage>): readonly string[] => {
  try {
    validateRequest(schema, create(schema, request));
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    expect(error.reason).toBe('REQUEST_INVALID');
    return error.violations.map(({ field, reason }) => `${field} ${reason}`);
  }
  return [];
};

describe('a request of the cashier is refused, by field and rule', () => {
  for (const [schema, request, violation] of BROKEN) {
    test(`${schema.name}: ${violation}`, () => {
      // Two bounds of one field are one rule to protovalidate: int64.gte_lte.
      const [field, rule = ''] = violation.split(' ');
      const forms = [violation, `${field} ${rule.replace(/\.(?:gte|lte)$/, '.gte_lte')}`];
      expect(violationsOf(schema, request).some((each) => forms.includes(each))).toBe(true);
    });
  }

  test('and every rule that its proto has is broken above', () => {
    const setFields = (message: ReflectMessage) => message.fields.filter((field) => message.isSet(field));
    const ofField = (field: DescField): string[] => {
      const rules = reflect(FieldRulesSchema, getOption(field, fieldRules));
      return setFields(rules).flatMap((rule) => {
        if (rule.fieldKind !== 'message') return [`${field.name} ${rule.name}`];
        return setFields(rules.get(rule)).map((bound) => `${field.name} ${rule.name}.${bound.name}`);
      });
    };
    const ofOneof = (oneof: DescOneof): string[] =>
      getOption(oneof, oneofRules).required ? [`${oneof.name} required`] : [];
    const seen = new Set<string>();
    const ofMessage = (message: DescMessage): string[] => {
      if (seen.has(message.typeName) || message.typeName.startsWith('google.')) return [];
      seen.add(message.typeName);
      return [
        ...message.oneofs.flatMap(ofOneof),
        ...message.fields.flatMap(ofField),
        ...message.fields.flatMap((field) => (field.message === undefined ? [] : ofMessage(field.message))),
      ];
    };
    const all = new Set(CashierService.methods.flatMap(({ input }) => ofMessage(input)));
    // A field of a message inside a message stands in the table with its path.
    const broken = new Set(BROKEN.map(([, , violation]) => violation.replace(/^\S*\./, '')));
    expect(all.size).toBeGreaterThan(30);
    expect([...all].filter((rule) => !broken.has(rule))).toEqual([]);
    expect([...broken].filter((rule) => !all.has(rule))).toEqual([]);
  });
});

describe('a request of the cashier is taken', () => {
  for (const [what, schema, request] of [
    ['with everything', CreatePaymentRequestSchema, GOOD_PAYMENT],
    [
      'with what is needed alone',
      CreatePaymentRequestSchema,
      { merchantId: 'm', merchantOrderNo: 'o', amount: { currency: 'CNY', minorUnits: 0n }, kind: 2, subject: 'x' },
    ],
    [
      'at every limit',
      CreatePaymentRequestSchema,
      {
        ...GOOD_PAYMENT,
        merchantId: 'm'.repeat(32),
        merchantOrderNo: 'o'.repeat(64),
        amount: { currency: 'CNY', minorUnits: 100_000_000_000n },
        subject: '😀'.repeat(127),
        paymentCode: '1'.repeat(24),
        payerId: 'o'.repeat(128),
        expireAfter: { seconds: 86_400n },
      },
    ],
    ['by order number', GetPaymentRequestSchema, { payment: ORDER }],
    ["by the merchant's number", GetPaymentRequestSchema, { payment: merchantOrder('m-1', 'o|1*_-') }],
    ['for a refund of all that is left', CreateRefundRequestSchema, { payment: ORDER, merchantRefundNo: 'r-1' }],
    ['for a refund by its number', GetRefundRequestSchema, { ref: { case: 'refundNo', value: NUMBER } }],
    [
      'for a refund in the words of the merchant',
      GetRefundRequestSchema,
      { ref: merchantRefund({ payment: ORDER, merchantRefundNo: 'r-1' }) },
    ],
  ] as const) {
    test(`${what} (${schema.name})`, () => {
      expect(violationsOf(schema, request)).toEqual([]);
    });
  }
});

describe('a refusal', () => {
  test('names every wrong field at once, and never what stands in it', () => {
    const secrets = { paymentCode: 'secret-code', payerId: 'secret-payer'.repeat(20), clientIp: 'secret address' };
    let caught: unknown;
    try {
      validateRequest(
        CreatePaymentRequestSchema,
        create(CreatePaymentRequestSchema, { ...GOOD_PAYMENT, ...secrets, merchantId: 'a b' }),
      );
    } catch (error) {
      caught = error;
    }
    if (!(caught instanceof RpcError)) throw new TypeError('it was taken', { cause: caught });
    expect(caught.violations.map(({ field }) => field)).toEqual([
      'merchant_id',
      'payment_code',
      'payer_id',
      'client_ip',
    ]);
    expect(JSON.stringify([caught.message, caught.violations, caught.metadata])).not.toContain('secret');
  });
});

describe('what validation costs', () => {
  test('is printed for a full CreatePaymentRequest', () => {
    const request = create(CreatePaymentRequestSchema, GOOD_PAYMENT);
    const checks = 3_000;
    let bestUs = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 8; round += 1) {
      const beganMs = performance.now();
      for (let check = 0; check < checks; check += 1) validateRequest(CreatePaymentRequestSchema, request);
      bestUs = Math.min(bestUs, ((performance.now() - beganMs) * 1e3) / checks);
    }
    console.log(`validation of a full CreatePaymentRequest: ${bestUs.toFixed(1)} µs (20 wanted)`);
    // Five times what was measured: it finds rules that are compiled anew each time, not a slow machine.
    expect(bestUs).toBeLessThan(100);
  });
});
