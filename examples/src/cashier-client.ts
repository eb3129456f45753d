// What a till, an app or a back office needs of Tillmesh, from the connection to the refund. Copy it and cut it down.
//
// Three rules carry all of it:
// 1. The merchant's own numbers are the idempotency keys. Make and keep one before the first call; a repeat under the same
//    number finds what the first try did, and takes nothing again. A new number would be a new sale.
// 2. A decline is an answer. An error says only that the call was refused, or that nobody knows yet.
// 3. PAYING means that money may have moved. Watch the payment to its end; never take it again meanwhile.

import type { Clock } from '@tillmesh/clock';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import {
  type Payment,
  PaymentKind,
  type PaymentRef,
  PaymentState,
  type Wallet,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Refund, RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { createClient, type RpcClient, RpcError } from '@tillmesh/rpc';

export type Cashier = RpcClient<typeof CashierService>;

/**
 * Connects to a cashier: one connection for the life of the process, which comes back by itself. The deadline of every call is
 * `capMs` or what the call itself says; the cashier takes at most 40 s, and a payment needs at least 5 s.
 *
 * @param address host:port
 */
export const connect = (address: string): Cashier =>
  createClient(CashierService, { target: address, caller: 'example-till', capMs: 40_000 });

/** What is sold. */
export type Sale = {
  readonly merchantId: string;
  /** The merchant's own number of the sale: kept before the first call, the same in every repeat. */
  readonly merchantOrderNo: string;
  /** Fen, cents: whole numbers, never a float. */
  readonly minorUnits: bigint;
  readonly currency: string;
  /** What the payer reads on the bill. */
  readonly subject: string;
  readonly terminalId: string;
};

/** Takes a payment with the code that the payer's phone shows. */
export const takeByCode = async (cashier: Cashier, sale: Sale, paymentCode: string, clock: Clock): Promise<Payment> => {
  const { minorUnits, currency, ...rest } = sale;
  const kind = PaymentKind.PAYMENT_CODE;
  const request = { ...rest, amount: { currency, minorUnits }, kind, paymentCode };
  return present(await repeating(() => cashier.createPayment(request), clock));
};

/** Asks for a QR code that the payer scans; the payment's action holds its text. */
export const takeByQr = async (cashier: Cashier, sale: Sale, wallet: Wallet, clock: Clock): Promise<Payment> => {
  const { minorUnits, currency, ...rest } = sale;
  const request = { ...rest, amount: { currency, minorUnits }, kind: PaymentKind.MERCHANT_QR, wallet };
  return present(await repeating(() => cashier.createPayment(request), clock));
};

/** Tries a declined payment again with a new code: the same payment, its next attempt. */
export const continueWithCode = async (
  cashier: Cashier,
  payment: Payment,
  paymentCode: string,
  clock: Clock,
): Promise<Payment> => {
  const { orderNo } = payment;
  return present(await repeating(() => cashier.continuePayment({ orderNo, paymentCode }), clock));
};

/** True once nothing happens any more unless somebody acts. A state that this program does not know is not at rest. */
export const rests = ({ state }: Payment): boolean => AT_REST.has(state);
const AT_REST: ReadonlySet<PaymentState> = new Set([
  PaymentState.SUCCEEDED,
  PaymentState.DECLINED,
  PaymentState.FAILED,
  PaymentState.CLOSED,
]);

/**
 * Gives every change of a payment until it rests, or `withinMs` are over. The service ends the stream only at a final state;
 * a declined payment may be continued, so that a till leaves it itself.
 */
export async function* follow(
  cashier: Cashier,
  payment: Payment,
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
): AsyncGenerator<Payment> {
  if (rests(payment)) return;
  const untilMs = clock.monotonicMs() + withinMs;
  for (let seen = payment.version; ; ) {
    const leftMs = untilMs - clock.monotonicMs();
    if (leftMs <= 0) return;
    try {
      for await (const { payment: news } of cashier.watchPayment({ payment: byOrderNo(payment) }, { capMs: leftMs })) {
        if (news === undefined || news.version <= seen) continue;
        seen = news.version;
        yield news;
        if (rests(news)) return;
      }
    } catch (error) {
      // A stream breaks when its server is replaced, and is simply opened again.
      if (!(error instanceof RpcError) || !isPassing(error)) throw error;
    }
    await clock.sleep(FIRST_PAUSE_MS);
  }
}

/** The payment as it stands when it rests, or when `withinMs` are over: then it is PAYING, and goes on by itself. */
export const untilItRests = async (
  cashier: Cashier,
  payment: Payment,
  options: { readonly clock: Clock; readonly withinMs: number },
): Promise<Payment> => {
  let last = payment;
  for await (const news of follow(cashier, payment, options)) last = news;
  return last;
};

/** Closes what is not paid. The answer may be SUCCEEDED: the payer was faster. */
export const close = async (cashier: Cashier, payment: Payment, clock: Clock): Promise<Payment> =>
  present(await repeating(() => cashier.closePayment({ payment: byOrderNo(payment) }), clock));

/** Reads a payment by the merchant's own number: after a crash of the till this finds what became of the sale. */
export const readByMerchantOrderNo = async (
  cashier: Cashier,
  merchantId: string,
  merchantOrderNo: string,
  clock: Clock,
): Promise<Payment> => {
  const payment = { ref: { case: 'merchantOrder', value: { merchantId, merchantOrderNo } } } as const;
  // A read that takes longer than this is better asked again.
  return present(await repeating(() => cashier.getPayment({ payment }, { capMs: 3_000 }), clock));
};

/** What goes back. */
export type RefundWish = {
  /** The merchant's own number of the refund: kept before the first call, the same in every repeat. */
  readonly merchantRefundNo: string;
  /** Without it everything that is left goes back. */
  readonly minorUnits?: bigint;
  readonly reason: string;
};

/** Gives money back, and follows the refund until it rests or `withinMs` are over. */
export const refund = async (
  cashier: Cashier,
  payment: Payment,
  wish: RefundWish,
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
): Promise<Refund> => {
  const { merchantRefundNo, minorUnits, reason } = wish;
  const currency = payment.amount?.currency ?? '';
  const amount = minorUnits === undefined ? {} : { amount: { currency, minorUnits } };
  const request = { payment: byOrderNo(payment), merchantRefundNo, reason, ...amount };
  const untilMs = clock.monotonicMs() + withinMs;
  let { refund: now } = await repeating(() => cashier.createRefund(request), clock);
  while (now !== undefined && UNDER_WAY.has(now.state) && clock.monotonicMs() < untilMs) {
    await clock.sleep(REFUND_PAUSE_MS);
    const { refundNo } = now;
    now = (await repeating(() => cashier.getRefund({ ref: { case: 'refundNo', value: refundNo } }), clock)).refund;
  }
  if (now === undefined) throw new Error('the cashier answered without a refund');
  return now;
};
const REFUND_PAUSE_MS = 1_000;
const UNDER_WAY: ReadonlySet<RefundState> = new Set([
  RefundState.UNSPECIFIED,
  RefundState.REQUESTED,
  RefundState.PROCESSING,
  RefundState.UNKNOWN,
]);

const FIRST_PAUSE_MS = 200;
const PAUSE_MS_MAX = 5_000;
const REPEAT_FOR_MS = 60_000;

/**
 * True where the same call may well be answered in a moment: the service says when to come back (REPEAT_SAME_NUMBER, NOT_READY and
 * others, with RetryInfo), it ran out of time, or the connection broke.
 */
export const isPassing = ({ retryAfterMs, reason, isTransport }: RpcError): boolean =>
  retryAfterMs !== undefined || reason === 'DEADLINE_REACHED' || isTransport;

/**
 * Makes a call, and makes the very same call again while the trouble is passing. Nothing is done twice by it, because every
 * request that changes something carries the merchant's own number or names what it changes.
 */
export const repeating = async <Answer>(call: () => Promise<Answer>, clock: Clock): Promise<Answer> => {
  const untilMs = clock.monotonicMs() + REPEAT_FOR_MS;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof RpcError) || !isPassing(error)) throw error;
      const waitMs = Math.max(pauseMs, error.retryAfterMs ?? 0);
      if (clock.monotonicMs() + waitMs > untilMs) throw error;
      await clock.sleep(waitMs);
    }
  }
};

const byOrderNo = ({ orderNo }: Payment): { readonly ref: PaymentRef['ref'] } => ({
  ref: { case: 'orderNo', value: orderNo },
});

const present = ({ payment }: { readonly payment?: Payment | undefined }): Payment => {
  if (payment === undefined) throw new Error('the cashier answered without a payment');
  return payment;
};
