import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock, Random } from '@tillmesh/clock';
import { type AccountId, type Outcome, unknownOutcome } from '@tillmesh/domain';
import { LaneRejected } from '@tillmesh/lane';
import {
  type AttemptResult,
  AttemptResultSchema,
  type CreatePaymentRequestSchema,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type {
  ApplyAttemptResultResponse,
  AttemptPlanSchema,
  OrderStoreService,
} from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { Attempt } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { LearnedBy, OutcomeKind, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import {
  DeclineReason,
  type Payment,
  PaymentKind,
  PaymentState,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { certainlyNotDone, persistently, type RpcClient, remainingMs, toRpcError } from '@tillmesh/rpc';
import { annotate, counter, errorTypeOf, type Log } from '@tillmesh/telemetry';
import { kindMap, moneyToWire, outcomeFromWire, walletMap } from '@tillmesh/wire';
import type { AccountHealths } from './account-health.ts';
import type { Channels } from './channels.ts';
import type { CheckLater } from './check-later.ts';
import type { Route, Routes } from './choose-route.ts';
import { type Asked, askedOf, judgingAnswers } from './judge-answer.ts';
import type { OrderRequest } from './order-request.ts';

const outcomes = counter('tillmesh_attempts_total', 'Attempts by channel account and what came of them.', [
  'channel',
  'account',
  'outcome',
]);

/** Kept of the call's budget for writing down what the channel said. */
export const APPLY_RESERVE_MS = 2_500;
/** The channel is not called with less: an irreversible step needs its time. */
export const CHANNEL_MS_MIN = 1_000;
const CHANNEL_MS_MAX = 30_000;
/** From an unfinished answer to the syncer's first look. */
export const FIRST_CHECK_AFTER_MS = 3_000;
/** The same where the channel notifies us: the news comes by itself, mostly. */
const FIRST_CHECK_AFTER_NOTIFIED_MS = 8_000;
/** The channel says that the order was decided before. */
const QUERY_NOW_AFTER_MS = 300;
/** Placing an order to scan or to confirm moves no money: where its answer is lost, it is placed again, so often and after so long. */
const PLACE_AGAIN_MAX = 2;
const PLACE_AGAIN_AFTER_MS = 500;

const checkAfterMs = (payment: Payment, { queryNow, outcome }: AttemptResult): number => {
  if (queryNow) return QUERY_NOW_AFTER_MS;
  // No channel notifies of payment codes as it does of orders to scan.
  const notified = payment.kind !== PaymentKind.PAYMENT_CODE && outcome === OutcomeKind.PENDING_PAYER;
  return notified ? FIRST_CHECK_AFTER_NOTIFIED_MS : FIRST_CHECK_AFTER_MS;
};

/** One call tries at most so many further accounts: each costs a commit, and the payer waits. */
const REROUTES_MAX = 3;

/** What came of an attempt, and whether its channel was asked at all. */
type Called = { readonly result: AttemptResult; readonly asked: Asked };

export type Carrier = {
  /**
   * Calls the channel for the payment's latest attempt and goes on until it is paid, unfinished or has nowhere to go.
   *
   * @param traceparent the one that is stored with the payment: a repeat has to send the same address for notifications.
   * @param again true where the channel may have been called for this attempt before: what is said of this call alone then proves nothing.
   */
  carry(payment: Payment, order: OrderRequest, traceparent: string, again?: boolean): Promise<Payment>;
  plan(route: Route, token?: string): MessageInitShape<typeof AttemptPlanSchema>;
};

/** An attempt's plan for the order store. The token lets this caller recognise its own attempt after a lost answer. */
const planOf = (route: Route, token: string): MessageInitShape<typeof AttemptPlanSchema> => ({
  accountId: route.account.accountId,
  channelId: route.account.channelId,
  routeReason: route.reason,
  token,
});

const notSent = (code: string): AttemptResult =>
  create(AttemptResultSchema, {
    outcome: OutcomeKind.FAILED_DEFINITE,
    transport: Transport.NOT_SENT,
    declineReason: DeclineReason.CHANNEL_UNREACHABLE,
    channelCode: code.slice(0, 64),
  });

const maybeSent = (code: string): AttemptResult =>
  create(AttemptResultSchema, {
    outcome: OutcomeKind.UNKNOWN,
    transport: Transport.MAYBE_SENT,
    channelCode: code.slice(0, 64),
  });

const asRepeated = (result: AttemptResult): AttemptResult =>
  result.outcome === OutcomeKind.FAILED_DEFINITE
    ? maybeSent(result.channelSubCode || result.channelCode || 'REFUSED_AGAIN')
    : result;

/** Carries a payment from account to account, as long as each failure is definite. */
export const createCarrier = (deps: {
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly channels: Channels;
  readonly routes: Routes;
  readonly health: Pick<AccountHealths, 'began'>;
  readonly checkLater: CheckLater;
  readonly notifyBaseUrl: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): Carrier => {
  const { orderStore, channels, routes, health, checkLater, notifyBaseUrl, clock, random, log } = deps;

  const notifyUrlOf = (attempt: Attempt, traceparent: string): string => {
    if (notifyBaseUrl === undefined) return '';
    // The trace of the payment travels in the path (WeChat allows no query), so that the notification joins it.
    const url = `${notifyBaseUrl}/notify/${attempt.channelId}/${attempt.accountId}`;
    return traceparent === '' ? url : `${url}/${traceparent}`;
  };

  const channelRequest = (
    payment: Payment,
    attempt: Attempt,
    order: OrderRequest,
    traceparent: string,
  ): MessageInitShape<typeof CreatePaymentRequestSchema> => ({
    order: {
      accountId: attempt.accountId,
      channelOrderNo: attempt.channelOrderNo,
      createdAt: attempt.startedAt ?? timestampFromMs(clock.nowMs()),
      kind: kindMap.toWire(order.kind),
      wallet: walletMap.toWire(order.wallet),
      amount: moneyToWire(order.amount),
    },
    subject: order.subject,
    expireAt: payment.expireAt ?? timestampFromMs(order.expireAtMs),
    paymentCode: order.paymentCode,
    payerId: order.payerId,
    clientIp: order.clientIp,
    notifyUrl: notifyUrlOf(attempt, traceparent),
    terminalId: order.terminalId,
    storeId: order.storeId,
  });

  /** One call to the channel; whatever happens is a result. */
  const callChannel = async (
    payment: Payment,
    attempt: Attempt,
    order: OrderRequest,
    traceparent: string,
  ): Promise<Called> => {
    const capMs = Math.min(CHANNEL_MS_MAX, remainingMs(clock) - APPLY_RESERVE_MS);
    if (capMs < CHANNEL_MS_MIN) return { result: notSent('NO_TIME_LEFT'), asked: 'held_back' };
    try {
      const channel = channels.of(attempt.channelId);
      const request = channelRequest(payment, attempt, order, traceparent);
      if (request.order !== undefined) channel.noteOrder(request.order);
      const { result } = await channel.client.createPayment(request, {
        capMs,
        passage: judgingAnswers(channel.lanes.pay),
        merchant: order.merchantId,
      });
      return result === undefined
        ? { result: maybeSent('NO_RESULT'), asked: 'asked' }
        : { result, asked: askedOf(result) };
    } catch (error) {
      const code = errorTypeOf(error);
      if (error instanceof LaneRejected) return { result: notSent(code), asked: 'held_back' };
      return { result: certainlyNotDone(error) ? notSent(code) : maybeSent(code), asked: 'asked' };
    }
  };

  /**
   * Calls the channel, and again where an answer without which nobody could pay was lost: the channel answers the same request
   * under the same number with the same code.
   *
   * @param calledBefore what the channel refuses now, it may have taken then: only an answer with a code counts.
   */
  const callUntilAnswered = async (
    payment: Payment,
    attempt: Attempt,
    order: OrderRequest,
    traceparent: string,
    calledBefore: boolean,
  ): Promise<Called> => {
    const first = await callChannel(payment, attempt, order, traceparent);
    let result = calledBefore ? asRepeated(first.result) : first.result;
    if (order.kind === 'payment_code') return { ...first, result };
    for (let repeats = 0; repeats < PLACE_AGAIN_MAX && result.transport === Transport.MAYBE_SENT; repeats += 1) {
      if (remainingMs(clock) < PLACE_AGAIN_AFTER_MS + CHANNEL_MS_MIN + APPLY_RESERVE_MS) break;
      await clock.sleep(PLACE_AGAIN_AFTER_MS);
      result = asRepeated((await callChannel(payment, attempt, order, traceparent)).result);
    }
    return { ...first, result };
  };

  const nextRoute = (outcome: Outcome, payment: Payment, order: OrderRequest): Route | undefined => {
    // Only a definite failure has a token; nothing else can be handed to the router.
    if (outcome.kind !== 'failed_definite' || outcome.closed) return undefined;
    // No other account knows the payer by this id.
    if (order.onlyAccountId !== undefined) return undefined;
    // An attempt that there is no time to make would only be one more that failed.
    if (remainingMs(clock) < CHANNEL_MS_MIN + APPLY_RESERVE_MS) return undefined;
    return routes.next(outcome.token, {
      merchantId: order.merchantId,
      merchantOrderNo: order.merchantOrderNo,
      amount: order.amount,
      wallet: order.wallet,
      kind: order.kind,
      excluded: payment.attempts.map(({ accountId }) => accountId as AccountId),
    });
  };

  const apply = (
    payment: Payment,
    attempt: Attempt,
    result: AttemptResult,
    next: Route | undefined,
  ): Promise<ApplyAttemptResultResponse> => {
    const token = random.hex(8);
    return persistently(
      () =>
        orderStore.applyAttemptResult({
          orderNo: payment.orderNo,
          attemptNo: attempt.attemptNo,
          result,
          learnedBy: LearnedBy.ANSWER,
          ...(next === undefined ? {} : { nextAttempt: planOf(next, token) }),
          nextCheckAfter: durationFromMs(checkAfterMs(payment, result)),
        }),
      clock,
    );
  };

  const carry: Carrier['carry'] = async (first, order, traceparent, again = false) => {
    let payment = first;
    let calledBefore = again;
    for (let reroutes = 0; ; reroutes += 1) {
      const attempt = payment.attempts.at(-1);
      if (attempt === undefined) return payment;
      // Whoever called before has counted it.
      const inHealth = calledBefore ? undefined : health.began(attempt.accountId as AccountId, order.amount.minorUnits);
      const { result, asked } = await callUntilAnswered(payment, attempt, order, traceparent, calledBefore);
      calledBefore = false;
      const outcome =
        result.outcome === OutcomeKind.UNSPECIFIED ? unknownOutcome('no outcome') : outcomeFromWire(result);
      inHealth?.ended(outcome, asked);
      outcomes.add({ channel: attempt.channelId, account: attempt.accountId, outcome: outcome.kind });
      annotate({
        'tillmesh.channel_id': attempt.channelId,
        'tillmesh.account_id': attempt.accountId,
        'tillmesh.attempt_no': attempt.attemptNo,
        'tillmesh.outcome': outcome.kind,
        'tillmesh.channel_code': result.channelSubCode || result.channelCode || result.channelState,
      });
      if (result.configAlarm) {
        log.error(
          { account: attempt.accountId, code: result.channelCode },
          'the channel refuses the account itself; mend its configuration',
        );
      }
      try {
        const next = reroutes < REROUTES_MAX ? nextRoute(outcome, payment, order) : undefined;
        const applied = await apply(payment, attempt, result, next);
        payment = applied.payment ?? payment;
        if (applied.nextAttemptStarted) continue;
      } catch (error) {
        // The channel was called: whatever it said is found again by a query. The caller gets the number, never an error.
        log.error(
          { err: toRpcError(error), orderNo: payment.orderNo, outcome: outcome.kind },
          'an answer could not be written down; the syncer will ask again',
        );
      }
      if (payment.state === PaymentState.PAYING) checkLater.payment(payment.orderNo, checkAfterMs(payment, result));
      return payment;
    }
  };

  return { carry, plan: (route, token) => planOf(route, token ?? random.hex(8)) };
};
