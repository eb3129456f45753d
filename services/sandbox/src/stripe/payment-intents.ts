import type { Clock } from '@tillmesh/clock';
import { parseMoney } from '@tillmesh/domain';
import type { Fen } from '../fen.ts';
import type { CodeTaken, Payers } from '../payers.ts';
import { type Act, payerPlanOf, secondsToScan } from '../script.ts';
import { badParameter, cardDeclined, failure, isDecline, noSuch, ok, refusal, type StripeAnswer } from './answer.ts';
import type { StripeCall, StripeRoute } from './call.ts';
import { listIn, type Params, pairsIn } from './form.ts';
import type { StripeRequest } from './gate.ts';
import {
  type Intent,
  isMethod,
  isOpen,
  type Method,
  type Terms,
  termsOf,
  unconfirmed,
  withoutMethod,
} from './intent.ts';
import { intentView } from './intent-view.ts';
import type { StripeIntents } from './intents.ts';

const LIST_MAX = 100;
const LIST_DEFAULT = 10;

/** docs.stripe.com/testing: payment methods that everybody may use in test mode, and how they go. */
const TEST_METHODS: Readonly<Record<string, Act>> = {
  pm_card_visa: { do: 'succeed' },
  pm_card_chargeDeclined: { do: 'decline', code: 'generic_decline' },
  pm_card_chargeDeclinedInsufficientFunds: { do: 'decline', code: 'insufficient_funds' },
  pm_card_chargeDeclinedExpiredCard: { do: 'decline', code: 'expired_card' },
  pm_card_threeDSecure2Required: { do: 'payer_types_password', seconds: 3_600, then: 'gives_up' },
};

const ORDER_CLAUSE = /^metadata\[(?:'order_no'|"order_no")\]:(?:'([^'\\]{1,500})'|"([^"\\]{1,500})")$/;

type Wish = {
  readonly amount: Fen;
  readonly currency: string;
  readonly methods: readonly Method[];
  readonly paymentMethod: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly description: string | undefined;
  readonly confirm: boolean;
  readonly expand: readonly string[];
};

/** What is needed to confirm with a method; undefined where nothing is missing. */
const missingToConfirm = (method: Method, params: Params): string | undefined => {
  if (method === 'card') return params.has('payment_method') ? undefined : 'payment_method';
  if (params.get('payment_method_data[type]') !== method && !params.has('payment_method'))
    return 'payment_method_data[type]';
  if (method === 'alipay') return params.has('return_url') ? undefined : 'return_url';
  const client = params.get('payment_method_options[wechat_pay][client]');
  return client === 'web' || client === 'mobile' ? undefined : 'payment_method_options[wechat_pay][client]';
};

const wishOf = (params: Params): Wish | StripeAnswer => {
  const amountText = params.get('amount');
  if (amountText === undefined) return badParameter('parameter_missing', 'amount');
  if (!/^[0-9]{1,12}$/.test(amountText)) return badParameter('parameter_invalid_integer', 'amount');
  const currency = params.get('currency') ?? '';
  const amount = parseMoney(currency.toUpperCase(), BigInt(amountText))?.minorUnits;
  if (currency === '') return badParameter('parameter_missing', 'currency');
  if (amount === undefined) return badParameter('invalid_currency', 'currency');
  if (amount === 0n) return badParameter('amount_too_small', 'amount');
  // Since 2026-10-28 a request names what is allowed; payment_method_types stands in answers alone.
  if (listIn(params, 'payment_method_types').length > 0)
    return badParameter('parameter_unknown', 'payment_method_types');
  const named = listIn(params, 'allowed_payment_method_types');
  const methods = named.length === 0 ? (['card'] as const) : named.filter(isMethod);
  if (methods.length !== Math.max(1, named.length))
    return badParameter('payment_intent_invalid_parameter', 'allowed_payment_method_types');
  const confirm = params.get('confirm') === 'true';
  const [first = 'card'] = methods;
  const missing = confirm ? missingToConfirm(first, params) : undefined;
  if (missing !== undefined) return badParameter('parameter_missing', missing);
  return {
    amount,
    currency: currency.toLowerCase(),
    methods,
    paymentMethod: params.get('payment_method'),
    metadata: pairsIn(params, 'metadata'),
    description: params.get('description'),
    confirm,
    expand: listIn(params, 'expand'),
  };
};

const isAnswer = (wish: Wish | StripeAnswer): wish is StripeAnswer => 'status' in wish;

/** The paths under /v1/payment_intents. */
export const createPaymentIntentRoutes = (deps: {
  readonly clock: Clock;
  readonly payers: Payers;
  readonly intents: StripeIntents;
  readonly searchLagMs: number;
}): readonly StripeRoute[] => {
  const { clock, payers, intents, searchLagMs } = deps;

  const lookAtCard = (paymentMethod: string | undefined, orderKey: string): CodeTaken | undefined => {
    if (paymentMethod === undefined || TEST_METHODS[paymentMethod] !== undefined) return undefined;
    return payers.lookAtCode('stripe', paymentMethod, orderKey);
  };
  const actsOfCard = (paymentMethod: string | undefined, orderKey: string): readonly Act[] => {
    const test = paymentMethod === undefined ? undefined : TEST_METHODS[paymentMethod];
    if (test !== undefined) return [test];
    const taken = lookAtCard(paymentMethod, orderKey);
    return taken?.kind === 'taken' ? taken.acts : [];
  };

  const confirm = (terms: Terms, method: Method, acts: readonly Act[], expand: readonly string[]): StripeAnswer => {
    if (method !== 'card') {
      const waiting = intents.offer(terms, method);
      const seconds = secondsToScan(acts);
      if (seconds !== undefined) {
        const plan = payerPlanOf(acts);
        const then = plan.act === 'types_password' ? plan.then : 'pays';
        return ok(
          intentView(
            intents.payerActs(waiting, payers.meet('stripe').payerId, { act: 'types_password', seconds, then }),
            expand,
          ),
        );
      }
      return ok(intentView(waiting, expand));
    }
    const taken = lookAtCard(terms.paymentMethod, terms.id);
    if (taken !== undefined && taken.kind !== 'taken') return noSuch('PaymentMethod', terms.paymentMethod ?? '');
    const payer = taken?.kind === 'taken' ? taken.payer : payers.meet('stripe');
    if (taken?.kind === 'taken') payers.useCode(terms.paymentMethod ?? '', terms.id);
    const after = intents.chargeCard(terms, payer.payerId, payerPlanOf(acts));
    return after.status === 'requires_payment_method'
      ? cardDeclined(after.lastError?.declineCode ?? 'generic_decline', intentView(after))
      : ok(intentView(after, expand));
  };

  const create = ({ account }: StripeRequest, wish: Wish, acts: readonly Act[]): StripeAnswer => {
    if (!intents.hasRoom()) return failure('rate_limit');
    const id = intents.newId();
    const { amount, currency, methods, paymentMethod, metadata, description, expand } = wish;
    const terms: Terms = {
      id,
      accountId: account.accountId,
      stripeAccountId: account.stripeAccountId,
      outTradeNo: metadata['order_no'] ?? id,
      amount,
      currency,
      methods,
      paymentMethod,
      metadata,
      description,
      acts,
      createdAtMs: clock.nowMs(),
    };
    if (wish.confirm) return confirm(terms, methods[0] ?? 'card', acts, expand);
    const created = paymentMethod === undefined ? withoutMethod(terms) : unconfirmed(terms, paymentMethod);
    intents.put(created);
    return ok(intentView(created, expand));
  };

  const createRoute: StripeRoute = {
    name: 'POST /v1/payment_intents',
    read: (request) => {
      const wish = wishOf(request.params);
      if (isAnswer(wish)) return wish;
      const orderKey = `${request.account.accountId}/${wish.metadata['order_no'] ?? ''}`;
      return {
        operation: 'pay',
        outTradeNo: wish.metadata['order_no'],
        description: wish.description,
        paymentCode: wish.paymentMethod,
        codeActs: actsOfCard(wish.paymentMethod, orderKey),
        perform: (acts) => create(request, wish, acts),
        // A bank that says no leaves the intent behind; any other code means that nothing was done.
        decline: (code, acts) =>
          isDecline(code) && wish.confirm && wish.methods[0] === 'card' ? create(request, wish, acts) : failure(code),
      };
    },
  };

  /** A call about one intent. */
  const about = (
    request: StripeRequest,
    id: string,
    operation: StripeCall['operation'],
    perform: (intent: Intent, acts: readonly Act[]) => StripeAnswer,
  ): StripeCall => {
    const find = () => intents.find(request.account.accountId, id);
    return {
      operation,
      outTradeNo: find()?.outTradeNo,
      description: find()?.description,
      paymentCode: find()?.paymentMethod,
      codeActs: [],
      perform: (acts) => {
        const intent = find();
        return intent === undefined ? noSuch('payment_intent', id) : perform(intent, acts);
      },
      decline: (code) => failure(code),
    };
  };

  const unexpected = (intent: Intent): StripeAnswer =>
    refusal(400, 'invalid_request_error', `The status of this PaymentIntent is ${intent.status}.`, {
      code: 'payment_intent_unexpected_state',
      payment_intent: intentView(intent),
    });

  const retrieveRoute: StripeRoute = {
    name: 'GET /v1/payment_intents/{id}',
    read: (request, id) =>
      about(request, id, 'query', (intent) => ok(intentView(intent, listIn(request.params, 'expand')))),
  };

  const confirmRoute: StripeRoute = {
    name: 'POST /v1/payment_intents/{id}/confirm',
    read: (request, id) =>
      about(request, id, 'pay', (intent, acts) => {
        if (intent.status !== 'requires_confirmation' && intent.status !== 'requires_payment_method') {
          return unexpected(intent);
        }
        const method = intent.methods[0] ?? 'card';
        const paymentMethod = request.params.get('payment_method') ?? intent.paymentMethod;
        const isReady = method === 'card' && paymentMethod !== undefined;
        const missing = isReady ? undefined : missingToConfirm(method, request.params);
        if (missing !== undefined) return badParameter('parameter_missing', missing);
        const own = [...acts, ...actsOfCard(paymentMethod, intent.id)];
        return confirm({ ...termsOf(intent), paymentMethod }, method, own, listIn(request.params, 'expand'));
      }),
  };

  const cancelRoute: StripeRoute = {
    name: 'POST /v1/payment_intents/{id}/cancel',
    read: (request, id) =>
      about(request, id, 'close', (intent) =>
        isOpen(intent)
          ? ok(intentView(intents.cancel(intent, request.params.get('cancellation_reason'))))
          : unexpected(intent),
      ),
  };

  const limitOf = (params: Params): number => {
    const limit = Number(params.get('limit') ?? LIST_DEFAULT);
    return Number.isInteger(limit) && limit >= 1 ? Math.min(limit, LIST_MAX) : LIST_DEFAULT;
  };
  const page = (object: string, url: string, found: readonly Intent[], params: Params): StripeAnswer => {
    const limit = limitOf(params);
    const data = found.slice(0, limit).map((intent) => intentView(intent, listedExpand(params)));
    return ok({ object, url, has_more: found.length > limit, data });
  };

  const listRoute: StripeRoute = {
    name: 'GET /v1/payment_intents',
    read: (request) => {
      const { params, account } = request;
      const bound = (name: string, otherwise: number) => Number(params.get(`created[${name}]`) ?? otherwise) * 1_000;
      return {
        operation: 'query',
        outTradeNo: undefined,
        description: undefined,
        paymentCode: undefined,
        codeActs: [],
        perform: () => {
          const all = intents
            .newestFirst(account.accountId)
            .filter(
              ({ createdAtMs }) =>
                createdAtMs >= bound('gte', 0) && Math.floor(createdAtMs / 1_000) * 1_000 <= bound('lte', 1e12),
            );
          const after = params.get('starting_after');
          const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
          return page('list', '/v1/payment_intents', all.slice(from), params);
        },
        decline: (code) => failure(code),
      };
    },
  };

  const searchRoute: StripeRoute = {
    name: 'GET /v1/payment_intents/search',
    read: (request) => {
      const { params, account } = request;
      // Of Stripe's query language the one clause that a merchant's own number needs.
      const [, single, double] = ORDER_CLAUSE.exec(params.get('query') ?? '') ?? [];
      const wanted = single ?? double;
      if (wanted === undefined) return badParameter('parameter_invalid_string_empty', 'query');
      return {
        operation: 'query',
        outTradeNo: wanted,
        description: undefined,
        paymentCode: undefined,
        codeActs: [],
        perform: () => {
          const indexedBeforeMs = clock.nowMs() - searchLagMs;
          const found = intents
            .findByOrder(account.accountId, wanted)
            .filter(({ createdAtMs, metadata }) => createdAtMs <= indexedBeforeMs && metadata['order_no'] === wanted);
          return page('search_result', '/v1/payment_intents/search', found, params);
        },
        decline: (code) => failure(code),
      };
    },
  };

  return [createRoute, listRoute, searchRoute, retrieveRoute, confirmRoute, cancelRoute];
};

const listedExpand = (params: Params): readonly string[] =>
  listIn(params, 'expand').map((name) => name.replace(/^data\./, ''));
