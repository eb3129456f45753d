import type { Clock, Random } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import type { BillBook } from '../bills/bill-book.ts';
import { exchangeWithFaults } from '../exchange.ts';
import type { HttpReply, HttpRequest } from '../http-server.ts';
import type { Ledger } from '../ledger.ts';
import type { Limits } from '../limits.ts';
import type { Notifier } from '../notifier.ts';
import type { Payers } from '../payers.ts';
import { type SignatureMode, wireFaultsOf } from '../script.ts';
import type { Scripts } from '../scripts.ts';
import type { State } from '../state.ts';
import type { Stats } from '../stats.ts';
import type { StripeAccount } from './account.ts';
import { alterStripe, failure, refusal, renderStripe, type StripeAnswer } from './answer.ts';
import { createBalanceTransactions } from './balance-transactions.ts';
import { isCall, type StripeRoute } from './call.ts';
import { canonical } from './form.ts';
import { createStripeGate } from './gate.ts';
import { createIdempotencyKeys } from './idempotency.ts';
import { createStripeIntents, type StripeIntents } from './intents.ts';
import { API_VERSION, createStripeNews, stripeNotifying } from './notifications.ts';
import { createPaymentIntentRoutes } from './payment-intents.ts';
import { createStripeRefunds } from './refunds.ts';

export type StripeSettings = {
  readonly accounts: readonly StripeAccount[];
  readonly searchLagMs: number;
  readonly refundTakesMs: number;
  readonly idempotencyKeptMs: number;
  readonly ordersMax: number;
};

/** Stripe's API, as far as payments need it: /v1/payment_intents and /v1/refunds on a port of its own. */
export interface StripeSimulator {
  readonly intents: StripeIntents;
  handle(request: HttpRequest): Promise<HttpReply>;
  resume(): void;
}

/** `/v1/payment_intents/pi_3/cancel` → `/v1/payment_intents/{id}/cancel` and `pi_3`. */
const templateOf = (path: string): { readonly template: string; readonly id: string } => {
  const [, before, id, after = ''] = /^(\/v1\/[a-z_]+)\/((?:pi|re)_[0-9A-Za-z_]{1,64})(\/[a-z_]+)?$/.exec(path) ?? [];
  return before === undefined || id === undefined
    ? { template: path, id: '' }
    : { template: `${before}/{id}${after}`, id };
};

export const createStripeSimulator = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly state: State;
  readonly payers: Payers;
  readonly ledger: Ledger;
  readonly scripts: Scripts;
  readonly stats: Stats;
  readonly limits: Limits;
  readonly log: Log;
  readonly notifier: Notifier;
  readonly book: BillBook;
  readonly settings: StripeSettings;
}): StripeSimulator => {
  const { clock, random, scripts, stats, settings, notifier, log } = deps;
  const { accounts } = settings;
  notifier.register('stripe', stripeNotifying({ clock, accounts }));
  const news = createStripeNews({ ...deps, accounts });
  const intents = createStripeIntents({
    ...deps,
    ordersMax: settings.ordersMax,
    news: {
      paid: (intent) => news.intent('payment_intent.succeeded', intent),
      failed: (intent) => news.intent('payment_intent.payment_failed', intent),
      canceled: (intent) => news.intent('payment_intent.canceled', intent),
    },
  });
  const refunds = createStripeRefunds({ ...deps, ...settings, intents, news: news.refund });
  const routes = new Map<string, StripeRoute>(
    [
      ...createPaymentIntentRoutes({ ...deps, ...settings, intents }),
      ...refunds.routes,
      createBalanceTransactions({ ...deps, intents }),
    ].map((route) => [route.name, route]),
  );
  const keys = createIdempotencyKeys({ ...deps, keptMs: settings.idempotencyKeptMs });
  const gate = createStripeGate(accounts);

  const handle = async (httpRequest: HttpRequest): Promise<HttpReply> => {
    const { method, path, headers } = httpRequest;
    const asked = headers['stripe-version'];
    const passed = gate(httpRequest);
    const idempotencyKey = passed.kind === 'passed' ? passed.request.idempotencyKey : undefined;
    const render = (answer: StripeAnswer, mode: SignatureMode = 'right') =>
      renderStripe(answer, mode, { random, version: API_VERSION, idempotencyKey });
    if (asked !== undefined && asked !== API_VERSION) {
      return render(refusal(400, 'invalid_request_error', `Invalid Stripe API version: ${String(asked)}`));
    }
    if (passed.kind === 'refused') {
      log.warn({ path, reason: passed.reason }, 'a request was refused');
      if (passed.isAboutKey) stats.refusedSignature('stripe', passed.reason);
      return render(passed.answer);
    }
    const { request } = passed;
    const { template, id } = templateOf(path);
    const route = routes.get(`${method} ${template}`);
    if (route === undefined) {
      return render(refusal(404, 'invalid_request_error', `Unrecognized request URL (${method}: ${path}).`));
    }
    stats.request('stripe', route.name);
    const call = route.read(request, id);
    if (!isCall(call)) {
      log.warn({ route: route.name }, 'a request has wrong parameters');
      return render(call);
    }

    const { account, params } = request;
    const keyId = idempotencyKey === undefined ? undefined : `${account.accountId}/${idempotencyKey}`;
    if (keyId !== undefined && !keys.begin(keyId)) return render(failure('idempotency_key_in_use'));
    const context = {
      channel: 'stripe',
      operation: call.operation,
      accountId: account.accountId,
      merchantId: account.stripeAccountId,
      outTradeNo: call.outTradeNo,
      description: call.description,
      paymentCode: call.paymentCode,
      host: httpRequest.host,
    } as const;
    const acts = [...scripts.take(context), ...call.codeActs];
    const once = (work: () => StripeAnswer): StripeAnswer =>
      keyId === undefined ? work() : keys.once(keyId, `${method} ${path} ${canonical(params)}`, work);
    const over = stats.exchange(account.accountId, call.operation);
    return exchangeWithFaults<StripeAnswer>({
      faults: wireFaultsOf(acts),
      clock,
      random: deps.random,
      signal: httpRequest.signal,
      durable: deps.state.durable,
      limited: deps.limits.begin(context),
      // One address, and its search has a lag of its own.
      seen: undefined,
      isFailure: ({ status }) => status >= 400,
      perform: () => once(() => call.perform(acts)),
      decline: (code) => once(() => call.decline(code, acts)),
      errorAnswer: failure,
      alter: alterStripe,
      render,
    }).finally(() => {
      over();
      if (keyId !== undefined) keys.end(keyId);
    });
  };

  return {
    intents,
    handle,
    resume: () => {
      intents.resume();
      refunds.resume();
    },
  };
};
