import type { AccountId } from './ids.ts';
import type { Currency } from './money.ts';
import type { RerouteToken } from './outcome.ts';
import { type Chance, chancesOf, pick, tiersOf } from './route-chances.ts';
import { type AccountHealth, NOTHING_KNOWN, type RouteHealth } from './route-health.ts';
import { type RouteQuestion, rulesFor, type Unfit, whyUnfit } from './route-question.ts';
import type { RoutedAccount, RoutingTable } from './routing-table.ts';

/** What was thought of one account. */
export type Candidate = {
  readonly accountId: AccountId;
  readonly chosen: boolean;
  /** Share of such payments that it gets now, 0 to 1. */
  readonly chance: number;
  readonly reason: string;
};

export type RouteDecision =
  | {
      readonly kind: 'chosen';
      readonly account: RoutedAccount;
      readonly reason: string;
      readonly candidates: readonly Candidate[];
    }
  | { readonly kind: 'no_route'; readonly why: NoRoute; readonly candidates: readonly Candidate[] };

export type NoRoute =
  | { readonly kind: 'merchant_unknown' }
  | { readonly kind: 'amount_above_limit'; readonly limit: bigint }
  | { readonly kind: 'currency_not_supported'; readonly currencies: readonly Currency[] }
  | { readonly kind: 'none_left' };

type Judged = {
  readonly account: RoutedAccount;
  readonly health: AccountHealth;
  readonly unfit: Unfit | undefined;
};

const explainNone = (judged: readonly Judged[]): NoRoute => {
  const unfitBy = (by: Unfit['by']) => judged.filter(({ unfit }) => unfit?.by === by);
  const offering = judged.filter(({ unfit }) => unfit?.by !== 'offer');
  const forAmount = unfitBy('amount');
  if (offering.length > 0 && forAmount.length + unfitBy('currency').length === offering.length) {
    if (forAmount.length === 0) {
      return {
        kind: 'currency_not_supported',
        currencies: [...new Set(offering.flatMap(({ account }) => account.currencies))],
      };
    }
    const limits = forAmount.map(({ account }) => account.amountMax);
    return { kind: 'amount_above_limit', limit: limits.reduce((a, b) => (a > b ? a : b)) };
  }
  return { kind: 'none_left' };
};

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;

const healthNote = ({ share, cause, refuses }: AccountHealth): string => {
  if (share >= 1) return '';
  const because = cause === '' ? '' : ` (${cause})`;
  if (share > 0) return `at ${percent(share)} of its payments${because}`;
  return `sick${because}${refuses ? ', refuses calls' : ''}`;
};

const placeNote = ({ account, chance, health }: Chance): string => {
  const grey = account.grey === undefined ? '' : 'grey release, ';
  const fee = account.feeBasisPoints === 0 ? '' : `, fee ${account.feeBasisPoints} bp`;
  const ill = healthNote(health);
  const note = `${grey}rank ${account.rank}${fee}, weight ${account.weight}, gets ${percent(chance)}`;
  return ill === '' ? note : `${note}; ${ill}`;
};

const reasonOf = (one: Judged, chances: readonly Chance[], chosen: Chance | undefined): string => {
  if (one.unfit !== undefined) return `skipped: ${one.unfit.reason}`;
  const own = chances.find(({ account }) => account === one.account);
  if (own !== undefined) return `${own === chosen ? 'chosen' : 'fits, chance chose another'}: ${placeNote(own)}`;
  const ill = healthNote(one.health);
  return ill === '' ? `fits, others come first: rank ${one.account.rank}` : `skipped: ${ill}`;
};

/**
 * Chooses the account for a payment's first attempt. Pure: the same table, health, question and fraction choose the same account.
 * The whole rule, in its order, is told in docs/routing.md.
 *
 * @param fraction chance, 0 <= x < 1.
 */
export const chooseAccount = (
  table: RoutingTable,
  health: RouteHealth,
  question: RouteQuestion,
  fraction: number,
): RouteDecision => {
  const merchant = table.merchants.get(question.merchantId);
  if (merchant === undefined) return { kind: 'no_route', why: { kind: 'merchant_unknown' }, candidates: [] };
  const rules = rulesFor(merchant, question);
  const judged = merchant.accountIds
    .flatMap((accountId) => table.accounts.get(accountId) ?? [])
    .sort((a, b) => a.rank - b.rank || (a.accountId < b.accountId ? -1 : 1))
    .map((account): Judged => {
      const own = health.accounts.get(account.accountId) ?? NOTHING_KNOWN;
      return { account, health: own, unfit: whyUnfit(account, question, rules, own) };
    });
  const fitting = judged.filter(({ unfit }) => unfit === undefined);
  const chances = chancesOf(tiersOf(fitting, rules));
  const chosen = pick(chances, fraction);
  const candidates = judged.map((one): Candidate => {
    const own = chances.find(({ account }) => account === one.account);
    return {
      accountId: one.account.accountId,
      chosen: own !== undefined && own === chosen,
      chance: own?.chance ?? 0,
      reason: reasonOf(one, chances, chosen),
    };
  });
  if (chosen === undefined) return { kind: 'no_route', why: explainNone(judged), candidates };
  const allSick = fitting.every((one) => one.health.share === 0);
  const reason = [
    allSick ? `all are sick, the best is tried: ${placeNote(chosen)}` : placeNote(chosen),
    // Everybody who is out or not quite well: with table and chance it is all that the choice depended on.
    ...judged.flatMap((one) => {
      const { accountId } = one.account;
      if (one.unfit !== undefined) return [`${accountId} skipped: ${one.unfit.reason}`];
      const ill = one.account === chosen.account ? '' : healthNote(one.health);
      return ill === '' ? [] : [`${accountId} ${one.health.share === 0 ? 'skipped: ' : ''}${ill}`];
    }),
  ].join('; ');
  return { kind: 'chosen', account: chosen.account, reason, candidates };
};

/**
 * Chooses the account for a further attempt. Demands the token that only a definite failure carries: handing it anything that
 * may have moved money does not compile.
 */
export const rerouteAfter = (
  token: RerouteToken,
  table: RoutingTable,
  health: RouteHealth,
  question: RouteQuestion,
  fraction: number,
): RouteDecision => {
  // One payment code can be bound to only one order at the wallet: once the channel has seen it, the payer has to
  // show a new one (channels research, section 6).
  if (question.kind === 'payment_code' && !token.notSent) {
    return {
      kind: 'no_route',
      why: { kind: 'none_left' },
      candidates: [],
    };
  }
  return chooseAccount(table, health, question, fraction);
};
