import { durationMs } from '@bufbuild/protobuf/wkt';
import {
  type AccountId,
  type MerchantId,
  type Money,
  type PaymentKind,
  type Wallet,
  walletOfPaymentCode,
} from '@tillmesh/domain';
import type { CreatePaymentRequest } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { rpcErrors } from '@tillmesh/rpc';
import { kindMap, moneyFromWire, walletMap } from '@tillmesh/wire';

/** What a caller wants to be paid, checked. */
export type OrderRequest = {
  readonly merchantId: MerchantId;
  readonly merchantOrderNo: string;
  readonly amount: Money;
  readonly kind: PaymentKind;
  readonly wallet: Wallet;
  readonly subject: string;
  /** Lives only as long as the call: never stored, never logged. */
  readonly paymentCode: string;
  readonly payerId: string;
  /** The only account that knows the payer by this id; undefined where the caller named the payer. */
  readonly onlyAccountId?: AccountId;
  readonly clientIp: string;
  readonly terminalId: string;
  readonly storeId: string;
  readonly expireAtMs: number;
};

const EXPIRE_AFTER_MS = { payment_code: 300_000, other: 7_200_000 } as const;
const LOOPBACK = '127.0.0.1';

const invalid = (field: string, description: string) =>
  rpcErrors.requestInvalid(`${field}: ${description}`, {
    violations: [{ field, description, reason: 'tillmesh.cashier' }],
  });

/** The wallet of a payment code. @throws {RpcError} PAYMENT_CODE_UNKNOWN, REQUEST_INVALID */
export const walletOfCode = (paymentCode: string, expected: Wallet | undefined): Wallet => {
  const wallet = walletOfPaymentCode(paymentCode);
  if (wallet === undefined) {
    throw rpcErrors.paymentCodeUnknown(
      'no wallet issues payment codes of this form; ask the payer to show the code again',
    );
  }
  if (expected !== undefined && expected !== wallet) {
    throw invalid('payment_code', `is a code of ${wallet}, but the payment is of ${expected}`);
  }
  return wallet;
};

/** The relations among fields that a proto cannot say. @throws {RpcError} */
export const readOrderRequest = (request: CreatePaymentRequest, nowMs: number): OrderRequest => {
  const amount = moneyFromWire(request.amount);
  const kind = kindMap.fromWire(request.kind);
  if (amount === undefined || kind === undefined) throw invalid('amount', 'is out of range');
  if (amount.minorUnits === 0n) throw rpcErrors.amountZero('a payment needs at least one minor unit');
  const named = walletMap.fromWire(request.wallet);
  if (kind !== 'payment_code' && request.paymentCode !== '') {
    throw invalid('payment_code', 'belongs to kind PAYMENT_CODE alone');
  }
  if (kind === 'payment_code' && request.paymentCode === '') {
    throw invalid('payment_code', 'has to be set for kind PAYMENT_CODE');
  }
  const wallet = kind === 'payment_code' ? walletOfCode(request.paymentCode, named) : named;
  if (wallet === undefined) throw invalid('wallet', `has to be set for kind ${kind.toUpperCase()}`);
  if ((kind === 'jsapi' || kind === 'mini_program' || kind === 'card') && request.payerId === '') {
    throw invalid('payer_id', `has to be set for kind ${kind.toUpperCase()}`);
  }
  const expireAfterMs =
    request.expireAfter === undefined
      ? EXPIRE_AFTER_MS[kind === 'payment_code' ? kind : 'other']
      : durationMs(request.expireAfter);
  return {
    merchantId: request.merchantId as MerchantId,
    merchantOrderNo: request.merchantOrderNo,
    amount,
    kind,
    wallet,
    subject: request.subject,
    paymentCode: request.paymentCode,
    payerId: request.payerId,
    clientIp: request.clientIp || LOOPBACK,
    terminalId: request.terminalId,
    storeId: request.storeId,
    expireAtMs: nowMs + expireAfterMs,
  };
};
