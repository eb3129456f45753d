import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { systemRandom } from '@tillmesh/clock';
import {
  CashierService,
  CreatePaymentRequestSchema,
  GetPaymentRequestSchema,
} from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { type Payment, PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient, RpcError } from '@tillmesh/rpc';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ExampleMesh, MESH_START_MS_MAX, startExampleMesh } from './a-mesh.ts';
import { refusalOnTheWire } from './raw-call.ts';
import { documentedReasons, type Reason, reasonMet } from './reasons.ts';

/** The fields of a payment to take; some of them. */
type PaymentRequest = Extract<MessageInitShape<typeof CreatePaymentRequestSchema>, { readonly $typeName?: never }>;

/** What the routing table of the local mesh allows each account. */
const LIMIT = 5_000_000n;
const KIB = 1_024;

let mesh: ExampleMesh;
let cashier: RpcClient<typeof CashierService>;
/** A payment that was made before, and what may not change of it. */
let paid: Payment;
let paidRequest: PaymentRequest;

const newNumber = (): string => `BAD-${systemRandom.hex(6)}`;

const present = ({ payment }: { readonly payment?: Payment | undefined }): Payment => {
  if (payment === undefined) throw new Error('an answer without a payment');
  return payment;
};

const codePayment = async (): Promise<PaymentRequest> => ({
  merchantId: 'demo-cafe',
  merchantOrderNo: newNumber(),
  amount: { currency: 'CNY', minorUnits: 1_230n },
  kind: PaymentKind.PAYMENT_CODE,
  subject: 'Coffee and cake',
  paymentCode: await mesh.sandbox.paymentCode('wechat'),
  terminalId: 'till-1',
});

beforeAll(async () => {
  mesh = await startExampleMesh();
  cashier = createClient(CashierService, { target: mesh.cashier, caller: 'test', capMs: 40_000 });
  paidRequest = await codePayment();
  paid = present(await cashier.createPayment(paidRequest));
  expect(paid.state).toBe(PaymentState.SUCCEEDED);
  // What is counted below does count.
  expect(await mesh.sandbox.requestsThatMoveMoney()).toBe(1);
  expect(await mesh.sandbox.check(paid.orderNo)).toMatchObject({ charges: 1, netFen: 1_230 });
}, MESH_START_MS_MAX);

afterAll(async () => {
  cashier?.close();
  await mesh?.stop();
});

const byOrderNo = (orderNo: string) => ({ ref: { case: 'orderNo', value: orderNo } }) as const;
const byMerchantOrderNo = (merchantId: string, merchantOrderNo: string) =>
  ({ ref: { case: 'merchantOrder', value: { merchantId, merchantOrderNo } } }) as const;

/** Every reason that was met, as it was met. */
const met = new Map<string, Reason>();

const noted = (error: RpcError): RpcError => {
  if (!error.isTransport) met.set(error.reason, reasonMet(error));
  return error;
};

const refusalOf = async (call: Promise<unknown>): Promise<RpcError> => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof RpcError)) throw new Error('was not refused', { cause: error });
  return noted(error);
};

const fieldsOf = (error: RpcError): string[] => error.violations.map(({ field }) => field);

/** What may not change. */
let before: { readonly requests: number; readonly ledger: unknown; readonly payment: Payment };

const stateNow = async () => ({
  requests: await mesh.sandbox.requestsThatMoveMoney(),
  ledger: await mesh.sandbox.check(''),
  payment: present(await cashier.getPayment({ payment: byOrderNo(paid.orderNo) })),
});

// Whatever a test below does wrong: no channel is asked for money, the ledger stays, and so does the payment that was there.
beforeEach(async () => {
  before = await stateNow();
});
afterEach(async () => {
  expect(await stateNow()).toEqual(before);
});

/** Nothing stands under the merchant's number. */
const expectNoOrder = async ({ merchantId = '', merchantOrderNo = '' }: PaymentRequest): Promise<void> => {
  const refusal = await refusalOf(cashier.getPayment({ payment: byMerchantOrderNo(merchantId, merchantOrderNo) }));
  expect(refusal).toMatchObject({ reason: 'PAYMENT_UNKNOWN' });
};

describe('a payment is refused, and no order is written, with', () => {
  const ROWS: readonly {
    readonly what: string;
    readonly wrong: PaymentRequest;
    readonly reason: string;
    readonly metadata?: Readonly<Record<string, string>>;
    readonly fields?: readonly string[];
  }[] = [
    {
      what: 'a merchant that nobody knows',
      wrong: { merchantId: 'nobody' },
      reason: 'MERCHANT_UNKNOWN',
      metadata: { merchant_id: 'nobody' },
    },
    { what: 'the amount 0', wrong: { amount: { currency: 'CNY', minorUnits: 0n } }, reason: 'AMOUNT_ZERO' },
    {
      what: 'an amount below 0',
      wrong: { amount: { currency: 'CNY', minorUnits: -1n } },
      reason: 'REQUEST_INVALID',
      fields: ['amount.minor_units'],
    },
    {
      what: 'one fen more than an account takes at once',
      wrong: { amount: { currency: 'CNY', minorUnits: LIMIT + 1n } },
      reason: 'AMOUNT_ABOVE_LIMIT',
      metadata: { limit_minor_units: String(LIMIT) },
    },
    {
      what: 'a currency that no account takes',
      wrong: { amount: { currency: 'USD', minorUnits: 100n } },
      reason: 'CURRENCY_NOT_SUPPORTED',
      metadata: { currencies: 'CNY' },
    },
    {
      what: 'a currency that is none',
      wrong: { amount: { currency: 'yuan', minorUnits: 100n } },
      reason: 'REQUEST_INVALID',
      fields: ['amount.currency'],
    },
    {
      what: 'a code that no wallet issues',
      wrong: { paymentCode: '999999999999999999' },
      reason: 'PAYMENT_CODE_UNKNOWN',
    },
    { what: 'no code at all', wrong: { paymentCode: '' }, reason: 'REQUEST_INVALID', fields: ['payment_code'] },
    {
      what: 'a kind of payment that no account of the merchant takes',
      wrong: { kind: PaymentKind.H5, wallet: Wallet.UNIONPAY, paymentCode: '' },
      reason: 'NO_ROUTE',
    },
    {
      what: 'several fields that break their rules, each named',
      wrong: { merchantId: 'the café', subject: '', terminalId: 'till no. 1', expireAfter: { seconds: 59n } },
      reason: 'REQUEST_INVALID',
      fields: ['merchant_id', 'subject', 'terminal_id', 'expire_after'],
    },
    {
      what: 'a body over the limit',
      wrong: { subject: 'x'.repeat(256 * KIB) },
      reason: 'MESSAGE_TOO_LARGE',
      metadata: { limit_bytes: String(256 * KIB) },
    },
  ];

  test.each(ROWS)('$what', async ({ wrong, reason, metadata, fields = [] }) => {
    const request = { ...(await codePayment()), ...wrong };
    const refusal = await refusalOf(cashier.createPayment(request));
    expect(refusal).toMatchObject({ reason, ...(metadata === undefined ? {} : { metadata }) });
    expect(fieldsOf(refusal)).toEqual(fields);
    expect(refusal.message).not.toContain(request.paymentCode || 'no code');
    await expectNoOrder({ ...request, ...('merchantId' in wrong ? { merchantId: 'demo-cafe' } : {}) });
  });

  test('a body that the transport refuses: the code is the same, the reason is missing', async () => {
    const request = { ...(await codePayment()), subject: 'x'.repeat(5 * KIB * KIB) };
    const refusal = await refusalOf(cashier.createPayment(request));
    expect(reasonMet(refusal)).toMatchObject({ code: documentedReasons().get('MESSAGE_TOO_LARGE')?.code });
    expect(refusal.isTransport).toBe(true);
    await expectNoOrder(request);
  });

  test('a deadline that leaves no time to ask the channel', async () => {
    const request = await codePayment();
    const refusal = await refusalOf(cashier.createPayment(request, { capMs: 4_000 }));
    expect(refusal).toMatchObject({ reason: 'DEADLINE_TOO_SHORT', metadata: { needed_ms: '5000' } });
    expect(Number(refusal.metadata['remaining_ms'])).toBeLessThanOrEqual(4_000);
    await expectNoOrder(request);
  });

  test.each(['1n', '1u', '3m'])('a deadline that is over when the call arrives (%s)', async (timeout) => {
    const request = await codePayment();
    const message = toBinary(CreatePaymentRequestSchema, create(CreatePaymentRequestSchema, request));
    const path = `/${CashierService.typeName}/CreatePayment`;
    const refusal = noted(await refusalOnTheWire(mesh.cashier, { path, message, timeout }));
    expect(refusal).toMatchObject({ reason: 'DEADLINE_TOO_SHORT', metadata: { needed_ms: '5' } });
    await expectNoOrder(request);
  });

  test('a deadline that our own client sees is over, without a call', async () => {
    const request = await codePayment();
    const refusal = await refusalOf(cashier.createPayment(request, { capMs: -1 }));
    expect(refusal).toMatchObject({ reason: 'DEADLINE_TOO_SHORT' });
    await expectNoOrder(request);
  });
});

test('exactly what an account takes at once is not refused for its amount', async () => {
  // The same merchant number as a payment that is there: the amount passes, and the number is refused.
  const request = { ...paidRequest, amount: { currency: 'CNY', minorUnits: LIMIT } };
  expect(await refusalOf(cashier.createPayment(request))).toMatchObject({ reason: 'MERCHANT_ORDER_NO_REUSED' });
});

describe('a merchant order number that was used is refused for another', () => {
  test.each<[string, PaymentRequest]>([
    ['amount', { amount: { currency: 'CNY', minorUnits: 1_231n } }],
    ['subject', { subject: 'Coffee alone' }],
    ['terminal_id', { terminalId: 'till-2' }],
    ['kind', { kind: PaymentKind.MERCHANT_QR, wallet: Wallet.WECHAT, paymentCode: '' }],
  ])('%s, which is named', async (field, other) => {
    const refusal = await refusalOf(cashier.createPayment({ ...paidRequest, ...other }));
    expect(refusal).toMatchObject({
      reason: 'MERCHANT_ORDER_NO_REUSED',
      metadata: { field, order_no: paid.orderNo },
    });
  });

  test('nothing: the same request is answered with the payment, another code or not', async () => {
    const paymentCode = await mesh.sandbox.paymentCode('wechat');
    expect(present(await cashier.createPayment({ ...paidRequest, paymentCode }))).toEqual(paid);
  });
});

/** The same number with another last digit. */
const mistyped = (orderNo: string, by: number): string =>
  `${orderNo.slice(0, -1)}${(Number(orderNo.at(-1)) + by) % 10}`;

describe('an order number with a wrong check digit is refused by', () => {
  const firstOf = async (stream: AsyncIterable<unknown>): Promise<void> => {
    for await (const message of stream) throw new Error('was answered', { cause: message });
  };
  test.each<[string, (orderNo: string) => Promise<unknown>]>([
    ['GetPayment', (orderNo) => cashier.getPayment({ payment: byOrderNo(orderNo) })],
    ['WatchPayment', (orderNo) => firstOf(cashier.watchPayment({ payment: byOrderNo(orderNo) }))],
    ['ContinuePayment', (orderNo) => cashier.continuePayment({ orderNo, paymentCode: '130000000000000000' })],
    ['ClosePayment', (orderNo) => cashier.closePayment({ payment: byOrderNo(orderNo) })],
    ['CreateRefund', (orderNo) => cashier.createRefund({ payment: byOrderNo(orderNo), merchantRefundNo: 'R1' })],
    ['GetRefund', (orderNo) => cashier.getRefund({ ref: { case: 'refundNo', value: orderNo } })],
  ])('%s', async (_method, call) => {
    expect(await refusalOf(call(mistyped(paid.orderNo, 1)))).toMatchObject({ reason: 'ORDER_NO_MALFORMED' });
  });

  test('a number of the right form that was never given to anybody is unknown, not malformed', async () => {
    // The last sequence number of a moment in which one order came; one of the ten last digits fits.
    const strange = `${paid.orderNo.slice(0, 21)}1260`;
    const refusals = await Promise.all(
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((by) =>
        refusalOf(cashier.getPayment({ payment: byOrderNo(mistyped(strange, by)) })),
      ),
    );
    const reasons = refusals.map(({ reason }) => reason);
    expect(reasons.filter((reason) => reason === 'ORDER_NO_MALFORMED')).toHaveLength(9);
    expect(reasons.filter((reason) => reason === 'PAYMENT_UNKNOWN')).toHaveLength(1);
  });

  test('a number of the wrong length breaks the rule of its field', async () => {
    const refusal = await refusalOf(cashier.getPayment({ payment: byOrderNo('123') }));
    expect(refusal).toMatchObject({ reason: 'REQUEST_INVALID' });
    expect(fieldsOf(refusal)).toEqual(['payment.order_no']);
  });
});

describe('money does not go back', () => {
  const refundOf = (wish: object) =>
    refusalOf(cashier.createRefund({ payment: byOrderNo(paid.orderNo), merchantRefundNo: newNumber(), ...wish }));

  test('beyond what was paid', async () => {
    expect(await refundOf({ amount: { currency: 'CNY', minorUnits: 1_231n } })).toMatchObject({
      reason: 'REFUND_EXCEEDS_PAID',
      metadata: { refundable_minor_units: '1230' },
    });
  });

  test('in another currency', async () => {
    expect(await refundOf({ amount: { currency: 'USD', minorUnits: 1n } })).toMatchObject({
      reason: 'REFUND_CURRENCY',
      metadata: { currency: 'CNY' },
    });
  });

  test('as nothing', async () => {
    expect(await refundOf({ amount: { currency: 'CNY', minorUnits: 0n } })).toMatchObject({ reason: 'AMOUNT_ZERO' });
  });

  test('for a payment that nobody knows', async () => {
    expect(await refundOf({ payment: byMerchantOrderNo('demo-cafe', 'nothing') })).toMatchObject({
      reason: 'PAYMENT_UNKNOWN',
    });
  });

  test('and a refund that was never asked for is unknown', async () => {
    const value = { payment: byOrderNo(paid.orderNo), merchantRefundNo: 'nothing' };
    expect(await refusalOf(cashier.getRefund({ ref: { case: 'merchantRefund', value } }))).toMatchObject({
      reason: 'REFUND_UNKNOWN',
    });
  });
});

describe('what a state does not allow is refused, with the state', () => {
  test('a QR payment that nobody has paid is neither continued with a code nor refunded', async () => {
    const qr = present(
      await cashier.createPayment({
        ...(await codePayment()),
        kind: PaymentKind.MERCHANT_QR,
        wallet: Wallet.WECHAT,
        paymentCode: '',
      }),
    );
    before = await stateNow();
    const paymentCode = await mesh.sandbox.paymentCode('wechat');
    expect(await refusalOf(cashier.continuePayment({ orderNo: qr.orderNo, paymentCode }))).toMatchObject({
      reason: 'PAYMENT_STATE',
      metadata: { state: 'paying' },
    });
    const refund = { payment: byOrderNo(qr.orderNo), merchantRefundNo: newNumber() };
    expect(await refusalOf(cashier.createRefund(refund))).toMatchObject({
      reason: 'PAYMENT_STATE',
      metadata: { state: 'paying' },
    });
    expect(present(await cashier.getPayment({ payment: byOrderNo(qr.orderNo) })).state).toBe(PaymentState.PAYING);
  });
});

test('a call with 3 ms to live is refused on arrival, a read too', async () => {
  const message = toBinary(
    GetPaymentRequestSchema,
    create(GetPaymentRequestSchema, { payment: byOrderNo(paid.orderNo) }),
  );
  const path = `/${CashierService.typeName}/GetPayment`;
  const refusal = noted(await refusalOnTheWire(mesh.cashier, { path, message, timeout: '3m' }));
  expect(refusal).toMatchObject({ reason: 'DEADLINE_TOO_SHORT' });
});

test('every reason above is documented, with the code and the facts that it really has', () => {
  const documented = documentedReasons();
  expect([...met.values()]).toEqual([...met.keys()].map((reason) => documented.get(reason)));
  // So that a renamed reason or a test that no longer runs is noticed.
  expect(met.size).toBeGreaterThanOrEqual(15);
});
