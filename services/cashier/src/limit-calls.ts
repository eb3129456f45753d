import type { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import type { OneCodeService } from '@tillmesh/proto/tillmesh/onecode/v1/one_code_service_pb.ts';
import type { PaymentRef } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { Bucket, RateLimiter } from '@tillmesh/rate-limits';
import { type CallContext, type Implementation, rpcErrors } from '@tillmesh/rpc';
import type { RateLimits } from './rate-limits-config.ts';

type Cashier = Implementation<typeof CashierService>;

/** Callers that do not say who they are share one bucket. */
const UNNAMED = 'unnamed';

type Whose = { readonly merchantId: string; readonly terminalId: string };

const NOBODYS: Whose = { merchantId: '', terminalId: '' };

/** Only what the request itself says: a label that anybody can write decides nothing here. */
const ofRef = (ref: PaymentRef | undefined): Whose =>
  ref?.ref.case === 'merchantOrder' ? { merchantId: ref.ref.value.merchantId, terminalId: '' } : NOBODYS;

const bucketsOf = (limits: RateLimits, { caller }: CallContext, { merchantId, terminalId }: Whose): Bucket[] => {
  const { source, terminal } = limits;
  // A merchant may be called `constructor`.
  const own = Object.hasOwn(limits.merchants, merchantId) ? limits.merchants[merchantId] : undefined;
  const merchant = merchantId === '' ? undefined : (own ?? limits.merchant);
  return [
    ...(source === undefined ? [] : [{ kind: 'source', key: caller || UNNAMED, limit: source }]),
    ...(merchant === undefined ? [] : [{ kind: 'merchant', key: merchantId, limit: merchant }]),
    ...(terminal === undefined || terminalId === ''
      ? []
      : [{ kind: 'terminal', key: `${merchantId}/${terminalId}`, limit: terminal }]),
  ];
};

const readBucketsOf = ({ reads }: RateLimits, { caller }: CallContext): Bucket[] =>
  reads === undefined ? [] : [{ kind: 'reads', key: caller || UNNAMED, limit: reads }];

/** @throws {RpcError} RATE_LIMITED */
const demand = async (limiter: RateLimiter, buckets: readonly Bucket[]): Promise<void> => {
  const verdict = await limiter.take(buckets);
  if (verdict.allowed) return;
  const { bucket, retryAfterMs } = verdict;
  const { perSecond, burst } = bucket.limit;
  throw rpcErrors.rateLimited(
    `the limit of this ${bucket.kind} is ${perSecond} calls a second and ${burst} at once; nothing was done, call again in ${retryAfterMs} ms`,
    { retryAfterMs, metadata: { limited: bucket.kind, per_second: String(perSecond), burst: String(burst) } },
  );
};

/** Codes of one address are made within the same limits as payments: each takes room in Redis. What browsers ask is the edge's to limit. */
export const limitOneCodes = (
  oneCodes: Implementation<typeof OneCodeService>,
  limiter: RateLimiter,
  limits: () => RateLimits,
): Implementation<typeof OneCodeService> => ({
  ...oneCodes,
  createOneCode: async (request, call) => {
    await demand(limiter, bucketsOf(limits(), call, request));
    return oneCodes.createOneCode(request, call);
  },
});

/**
 * The cashier's calls behind the limits of who makes them. A refused call has done nothing and is told when to come again; so a till
 * that repeats its payment with the same number gets through as soon as its bucket has a token.
 *
 * @param limits read at each call: they change while the cashier works.
 */
export const limitCalls = (cashier: Cashier, limiter: RateLimiter, limits: () => RateLimits): Cashier => {
  const moving = (call: CallContext, whose: Whose) => demand(limiter, bucketsOf(limits(), call, whose));
  const reading = (call: CallContext) => demand(limiter, readBucketsOf(limits(), call));
  return {
    createPayment: async (request, call) => {
      await moving(call, request);
      return cashier.createPayment(request, call);
    },
    continuePayment: async (request, call) => {
      await moving(call, NOBODYS);
      return cashier.continuePayment(request, call);
    },
    closePayment: async (request, call) => {
      await moving(call, ofRef(request.payment));
      return cashier.closePayment(request, call);
    },
    createRefund: async (request, call) => {
      await moving(call, ofRef(request.payment));
      return cashier.createRefund(request, call);
    },
    getPayment: async (request, call) => {
      await reading(call);
      return cashier.getPayment(request, call);
    },
    getRefund: async (request, call) => {
      await reading(call);
      return cashier.getRefund(request, call);
    },
    watchPayment: cashier.watchPayment,
  };
};
