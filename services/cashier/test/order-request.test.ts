import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { CreatePaymentRequestSchema } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentKind, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RpcError } from '@tillmesh/rpc';
import { expect, test } from 'vitest';
import { readOrderRequest } from '../src/order-request.ts';

const NOW_MS = 1_700_000_000_000;
const WECHAT_CODE = '130000000000000000';
const ALIPAY_CODE = '280000000000000000';

const CODE_PAYMENT: MessageInitShape<typeof CreatePaymentRequestSchema> = {
  merchantId: 'demo-cafe',
  merchantOrderNo: 'A1',
  amount: { currency: 'CNY', minorUnits: 1n },
  kind: PaymentKind.PAYMENT_CODE,
  subject: 'Tea',
  paymentCode: WECHAT_CODE,
};
const QR_PAYMENT = { ...CODE_PAYMENT, kind: PaymentKind.MERCHANT_QR, paymentCode: '', wallet: Wallet.ALIPAY };

const read = (request: MessageInitShape<typeof CreatePaymentRequestSchema>) =>
  readOrderRequest(create(CreatePaymentRequestSchema, request), NOW_MS);

/** Reason and wrong fields of the refusal. */
const refusalOf = (request: MessageInitShape<typeof CreatePaymentRequestSchema>): string[] => {
  try {
    read(request);
  } catch (error) {
    if (error instanceof RpcError) return [error.reason, ...error.violations.map(({ field }) => field)];
    throw error;
  }
  return [];
};

test('the wallet of a payment code is known by the code', () => {
  expect(read(CODE_PAYMENT)).toMatchObject({ wallet: 'wechat', expireAtMs: NOW_MS + 300_000 });
  expect(read({ ...CODE_PAYMENT, paymentCode: ALIPAY_CODE })).toMatchObject({ wallet: 'alipay' });
});

test('what is shown to the payer lasts for two hours, or as long as the caller says', () => {
  expect(read(QR_PAYMENT).expireAtMs).toBe(NOW_MS + 7_200_000);
  expect(read({ ...QR_PAYMENT, expireAfter: { seconds: 90n } }).expireAtMs).toBe(NOW_MS + 90_000);
});

test.each([
  ['nothing to be paid', { ...CODE_PAYMENT, amount: { currency: 'CNY' } }, ['AMOUNT_ZERO']],
  ['a code that no wallet issues', { ...CODE_PAYMENT, paymentCode: '999999999999999999' }, ['PAYMENT_CODE_UNKNOWN']],
  ['a code payment without a code', { ...CODE_PAYMENT, paymentCode: '' }, ['REQUEST_INVALID', 'payment_code']],
  ['a code of another wallet', { ...CODE_PAYMENT, wallet: Wallet.ALIPAY }, ['REQUEST_INVALID', 'payment_code']],
  ['a code for a QR payment', { ...QR_PAYMENT, paymentCode: ALIPAY_CODE }, ['REQUEST_INVALID', 'payment_code']],
  ['a QR without a wallet', { ...QR_PAYMENT, wallet: Wallet.UNSPECIFIED }, ['REQUEST_INVALID', 'wallet']],
  ['a page without a payer', { ...QR_PAYMENT, kind: PaymentKind.JSAPI }, ['REQUEST_INVALID', 'payer_id']],
])('%s is refused by name', (_what, request, refusal) => {
  expect(refusalOf(request)).toEqual(refusal);
});
