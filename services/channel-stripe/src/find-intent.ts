import {
  type AttemptReport,
  attemptReport,
  type CallFacts,
  isJsonObject,
  type JsonObject,
  type OrderRef,
  unanswered,
  wholeNumberAt,
} from '@tillmesh/channel-kit';
import { unknownOutcome } from '@tillmesh/domain';
import { type Answer, type Answered, callStripe, isVouchedSuccess, type StripeCall } from './client.ts';
import type { StripeAccount } from './config.ts';
import { isIntentId, isOfOrder, ORDER_NO, refusalReport, type ToldIntent, toldIntent } from './intent.ts';

/** What a look for an order's intent came to. */
export type Found =
  | { readonly kind: 'found'; readonly told: ToldIntent; readonly facts: CallFacts }
  /** Stripe has none, proved by a list that is complete, by a search that cannot lag behind any more, or by both for their times. */
  | { readonly kind: 'none'; readonly facts: CallFacts }
  | { readonly kind: 'unclear'; readonly report: AttemptReport };

const MINUTE_MS = 60_000;

/** A search may be an hour behind (docs.stripe.com/api/payment_intents/search); nothing is created after an order's expiry. */
const SEARCH_LAG_MS_MAX = 90 * MINUTE_MS;
/** Where nobody said when the order expires. */
const EXPIRY_MS_MAX = 24 * 60 * MINUTE_MS;
/** Their clock may be behind ours. */
const BEFORE_MS = 2 * MINUTE_MS;
/** A page of the list holds at most 50 intents of about 2,500 bytes, within what an answer may have. */
const PAGE_SIZE = 50;
const PAGES_MAX = 20;
/** A search is behind by less in most cases; whether it is, is looked at before that is believed. */
const SEARCH_LAG_MS_USUAL = 30_000;
/** So many intents of the end of a list have to be found by the search before it counts as up to date up to there. */
const WITNESSES = 3;
/** Intents of one order are one; more come from a key that had expired, and each of them has to be looked at. */
const SAME_ORDER_MAX = 5;

// Stripe's ids of orders that this process has placed or found: a query by id is exact at once and spares the search. It is only
// a short cut; whatever is not in it is searched for.
const REMEMBERED_MAX = 20_000;
const rememberedBy = new WeakMap<StripeAccount, Map<string, string>>();

/** Keeps the id of an order's intent. */
export const rememberIntent = (account: StripeAccount, { channelOrderNo, id }: ToldIntent): void => {
  if (channelOrderNo === undefined) return;
  const known = rememberedBy.get(account) ?? new Map<string, string>();
  rememberedBy.set(account, known);
  known.set(channelOrderNo, id);
  const [oldest] = known.keys();
  if (known.size > REMEMBERED_MAX && oldest !== undefined) known.delete(oldest);
};

const unclear = (report: AttemptReport): Found => ({ kind: 'unclear', report });

const notRead = (answered: Answered): Found =>
  unclear(
    answered.kind === 'unanswered' ? unanswered(answered.facts, answered.cause) : refusalReport(answered, 'query'),
  );

// What is settled stands in the balance transaction. A restricted key may not be allowed to read it, and would be refused the whole answer.
const expandedOf = ({ secretKeyFile }: StripeAccount): readonly string[] =>
  secretKeyFile.reveal().startsWith('sk_') ? ['latest_charge.balance_transaction'] : ['latest_charge'];

const retrieve = (id: string, call: StripeCall): Promise<Answered> =>
  callStripe(call, {
    method: 'GET',
    path: `/v1/payment_intents/${id}`,
    pathTemplate: '/v1/payment_intents/{id}',
    params: { expand: expandedOf(call.account) },
  });

/** Looks at one intent by its id. */
const lookAt = async (id: string, order: OrderRef, call: StripeCall): Promise<Found> => {
  const answered = await retrieve(id, call);
  if (answered.kind === 'unanswered' || !isVouchedSuccess(answered)) return notRead(answered);
  const told = toldIntent(answered.content, call.account);
  if (told === undefined || told.id !== id || !isOfOrder(told, order)) {
    return unclear(attemptReport(answered.facts, unknownOutcome('an answer that cannot be read or of another order')));
  }
  rememberIntent(call.account, told);
  return { kind: 'found', told, facts: answered.facts };
};

/** The objects of a list or of a search; undefined where the answer is no such thing. */
const dataIn = ({
  content,
}: Answer): { readonly data: readonly JsonObject[]; readonly hasMore: boolean } | undefined => {
  const data = content?.['data'];
  const hasMore = content?.['has_more'];
  if (!Array.isArray(data) || typeof hasMore !== 'boolean' || !data.every(isJsonObject)) return undefined;
  return { data, hasMore };
};

const idsOfOrder = (
  data: readonly JsonObject[],
  order: Pick<OrderRef, 'channelOrderNo'>,
  account: StripeAccount,
): readonly string[] =>
  data.flatMap((content) => {
    const told = toldIntent(content, account);
    return told !== undefined && isOfOrder(told, order) ? [told.id] : [];
  });

type Looked = { readonly ids: readonly string[]; readonly facts: CallFacts; readonly complete: boolean };
/** A list, and intents of others at its end: what was created before them is for the search to show. */
type Walked = Looked & { readonly witnesses: readonly ToldIntent[] };

const search = async (order: Pick<OrderRef, 'channelOrderNo'>, call: StripeCall): Promise<Looked | Found> => {
  const answered = await callStripe(call, {
    method: 'GET',
    path: '/v1/payment_intents/search',
    pathTemplate: '/v1/payment_intents/search',
    // The number has letters and digits alone, so nothing in it can end the clause.
    params: { query: `metadata['${ORDER_NO}']:'${order.channelOrderNo}'`, limit: BigInt(SAME_ORDER_MAX) },
  });
  if (answered.kind === 'unanswered' || !isVouchedSuccess(answered)) return notRead(answered);
  const found = dataIn(answered);
  if (found === undefined)
    return unclear(attemptReport(answered.facts, unknownOutcome('a search that cannot be read')));
  const { facts } = answered;
  return { ids: idsOfOrder(found.data, order, call.account), facts, complete: !found.hasMore };
};

/** When an object of a list was created, ms since 1970; undefined where it does not say. */
const createdAtMsOf = (content: JsonObject | undefined): number | undefined => {
  const seconds = wholeNumberAt(content, 'created');
  return seconds === undefined ? undefined : seconds * 1_000;
};

const CHANNEL_ORDER_NO = /^[0-9A-Za-z]{8,32}$/;

/** Intents of ours at the end of a list, which a search that is up to date up to there finds by their numbers. */
const witnessesIn = (data: readonly JsonObject[], account: StripeAccount): readonly ToldIntent[] =>
  data
    .flatMap((content) => toldIntent(content, account) ?? [])
    .filter(({ isOurs, channelOrderNo }) => isOurs && CHANNEL_ORDER_NO.test(channelOrderNo ?? ''))
    .slice(-WITNESSES);

/** Walks the list of what was created since the order began, newest first, as far back as a search may not reach yet. */
const walk = async (order: OrderRef, call: StripeCall): Promise<Walked | Found> => {
  const sinceS = Math.floor((order.createdAtMs - BEFORE_MS) / 1_000);
  const searchedBeforeMs = call.clock.nowMs() - SEARCH_LAG_MS_USUAL;
  const ids: string[] = [];
  let after: string | undefined;
  for (let pages = 1; ; pages += 1) {
    const answered = await callStripe(call, {
      method: 'GET',
      path: '/v1/payment_intents',
      pathTemplate: '/v1/payment_intents',
      params: { created: { gte: BigInt(Math.max(0, sinceS)) }, limit: BigInt(PAGE_SIZE), starting_after: after },
    });
    if (answered.kind === 'unanswered' || !isVouchedSuccess(answered)) return notRead(answered);
    const page = dataIn(answered);
    if (page === undefined) return unclear(attemptReport(answered.facts, unknownOutcome('a list that cannot be read')));
    ids.push(...idsOfOrder(page.data, order, call.account));
    const { facts } = answered;
    if (ids.length > 0 || !page.hasMore) return { ids, facts, complete: true, witnesses: [] };
    const last = page.data.at(-1);
    const lastId = last?.['id'];
    const reachesMs = createdAtMsOf(last) ?? Number.POSITIVE_INFINITY;
    const isEnd = typeof lastId !== 'string' || !isIntentId(lastId) || lastId === after || pages >= PAGES_MAX;
    if (isEnd || reachesMs < searchedBeforeMs) {
      return { ids, facts, complete: false, witnesses: witnessesIn(page.data, call.account) };
    }
    after = lastId;
  }
};

/** Whether a search finds what stands at the end of a list: then it shows what was created before that as well. */
const isSearchUpTo = async (witnesses: readonly ToldIntent[], call: StripeCall): Promise<boolean> => {
  for (const { id, channelOrderNo = '' } of witnesses) {
    const searched = await search({ channelOrderNo }, call);
    if (isFound(searched) || !searched.ids.includes(id)) return false;
  }
  return witnesses.length === WITNESSES;
};

// A success says the most, an open one can still become one, and only where all are canceled the order is.
const RANK: readonly string[] = ['succeeded', 'processing', 'requires_capture', 'requires_action'];
const rankOf = ({ status }: ToldIntent): number => {
  if (status === 'canceled') return RANK.length + 1;
  const place = RANK.indexOf(status);
  return place < 0 ? RANK.length : place;
};

/** Looks at every intent of the order and speaks of the one that says the most; of two that were paid nobody may speak. */
const lookAtAll = async (ids: readonly string[], order: OrderRef, call: StripeCall): Promise<Found> => {
  const found: Extract<Found, { kind: 'found' }>[] = [];
  for (const id of new Set(ids)) {
    const one = await lookAt(id, order, call);
    if (one.kind !== 'found') return one;
    found.push(one);
  }
  const [first, second] = found.toSorted((a, b) => rankOf(a.told) - rankOf(b.told));
  if (first === undefined) return unclear(attemptReport(MISSING_FACTS, unknownOutcome('no intent was looked at')));
  if (first.told.status === 'succeeded' && second?.told.status === 'succeeded') {
    const why = `two intents of one order are paid: ${first.told.id} and ${second.told.id}`;
    return unclear(attemptReport(first.facts, unknownOutcome(why), { channelMessage: why }));
  }
  return first;
};

const MISSING_FACTS: CallFacts = { transport: 'not_sent', signature: undefined, host: '', sends: 0, httpStatus: 0 };

/** From then on a search shows everything that was ever created for the order; ms since 1970. */
const searchIsCompleteAtMs = ({ createdAtMs, expireAtMs }: OrderRef): number =>
  (expireAtMs ?? createdAtMs + EXPIRY_MS_MAX) + SEARCH_LAG_MS_MAX;

const isFound = (looked: Looked | Found): looked is Found => 'kind' in looked;

/**
 * Finds the intent of an order: by its id where we know it, otherwise by a search over metadata, and because a search may be
 * behind, by the list of what was created since, as far as it takes. Stripe has no look-up by the merchant's own number.
 */
export const findIntent = async (order: OrderRef, call: StripeCall): Promise<Found> => {
  const { account, clock } = call;
  const known = isIntentId(order.channelTransactionId)
    ? order.channelTransactionId
    : rememberedBy.get(account)?.get(order.channelOrderNo);
  if (known !== undefined) return lookAt(known, order, call);

  const searched = await search(order, call);
  if (isFound(searched)) return searched;
  if (!searched.complete) {
    return unclear(attemptReport(searched.facts, unknownOutcome(`more than ${SAME_ORDER_MAX} intents of one order`)));
  }
  if (searched.ids.length > 0) return lookAtAll(searched.ids, order, call);
  if (clock.nowMs() >= searchIsCompleteAtMs(order)) return { kind: 'none', facts: searched.facts };

  const listed = await walk(order, call);
  if (isFound(listed)) return listed;
  if (listed.ids.length > 0) return lookAtAll(listed.ids, order, call);
  if (listed.complete) return { kind: 'none', facts: listed.facts };
  // More was created since than is listed. A search that finds what stands at the end of the list shows what was created before that
  // as well; it is asked again, because the first one may have been behind.
  const again = (await isSearchUpTo(listed.witnesses, call)) ? await search(order, call) : undefined;
  if (again === undefined) {
    const why = `not among the ${PAGES_MAX * PAGE_SIZE} newest intents, nor found by a search that is up to date`;
    return unclear(attemptReport(listed.facts, unknownOutcome(why)));
  }
  if (isFound(again)) return again;
  if (again.ids.length > 0) return lookAtAll(again.ids, order, call);
  return { kind: 'none', facts: again.facts };
};
