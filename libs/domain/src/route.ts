import type { AccountId, ChannelId, MerchantId } from './ids.ts';
import type { Currency, Money } from './money.ts';
import type { RerouteToken } from './outcome.ts';
import type { PaymentKind, Wallet } from './wallet.ts';

/** An account at a channel, as routing sees it. */
export type RoutedAccount = {
  readonly accountId: AccountId;
  readonly channelId: ChannelId;
  readonly wallets: readonly Wallet[];
  readonly kinds: readonly PaymentKind[];
  readonly currencies: readonly Currency[];
  /** The most one payment may be, in minor units. */
  readonly amountMax: bigint;
  /** Lower is tried first. */
  readonly rank: number;
  /** Share among accounts of equal rank. */
  readonly weight: number;
  readonly enabled: boolean;
  readonly stateNote: string;
};

/** Everything that a choice depends on; a value, so that a choice can be repeated. */
export type RoutingTable = {
  readonly version: bigint;
  readonly merchants: ReadonlyMap<
    MerchantId,
    { readonly displayName: string; readonly accountIds: readonly AccountId[] }
  >;
  readonly accounts: ReadonlyMap<AccountId, RoutedAccount>;
};

/** Which payment needs an account. */
export type RouteQuestion = {
  readonly merchantId: MerchantId;
  readonly amount: Money;
  readonly wallet: Wallet;
  readonly kind: PaymentKind;
  /** Accounts that were tried before. */
  readonly excluded: readonly AccountId[];
};

export type Candidate = { readonly accountId: AccountId; readonly chosen: boolean; readonly reason: string };

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

type Verdict =
  | { readonly kind: 'fits' }
  | {
      readonly kind: 'skipped';
      readonly by: 'offer' | 'currency' | 'amount' | 'tried' | 'switch';
      readonly reason: string;
    };

const judge = (account: RoutedAccount, question: RouteQuestion): Verdict => {
  const skipped = (by: Extract<Verdict, { kind: 'skipped' }>['by'], reason: string): Verdict => ({
    kind: 'skipped',
    by,
    reason: `skipped: ${reason}`,
  });
  const { wallet, kind, amount } = question;
  if (!account.wallets.includes(wallet)) return skipped('offer', `does not take ${wallet}`);
  if (!account.kinds.includes(kind)) return skipped('offer', `does not offer ${kind}`);
  if (!account.currencies.includes(amount.currency)) return skipped('currency', `does not take ${amount.currency}`);
  if (amount.minorUnits > account.amountMax) return skipped('amount', `takes at most ${account.amountMax} minor units`);
  if (question.excluded.includes(account.accountId)) return skipped('tried', 'failed for this payment before');
  if (!account.enabled) return skipped('switch', `switched off: ${account.stateNote || 'no note'}`);
  return { kind: 'fits' };
};

const pickByWeight = (accounts: readonly RoutedAccount[], fraction: number): RoutedAccount | undefined => {
  const total = accounts.reduce((sum, account) => sum + account.weight, 0);
  let left = fraction * total;
  for (const account of accounts) {
    left -= account.weight;
    if (left < 0) return account;
  }
  return accounts.at(-1);
};

const explainNone = (judged: readonly (readonly [RoutedAccount, Verdict])[]): NoRoute => {
  const skippedBy = (by: string) => judged.filter(([, verdict]) => verdict.kind === 'skipped' && verdict.by === by);
  const offering = judged.filter(([, verdict]) => verdict.kind !== 'skipped' || verdict.by !== 'offer');
  const forAmount = skippedBy('amount');
  if (offering.length > 0 && forAmount.length + skippedBy('currency').length === offering.length) {
    if (forAmount.length === 0) {
      return {
        kind: 'currency_not_supported',
        currencies: [...new Set(offering.flatMap(([account]) => account.currencies))],
      };
    }
    const limits = forAmount.map(([account]) => account.amountMax);
    return { kind: 'amount_above_limit', limit: limits.reduce((a, b) => (a > b ? a : b)) };
  }
  return { kind: 'none_left' };
};

/**
 * Chooses the account for a payment's first attempt. Pure: the same table, question and fraction choose the same account.
 *
 * @param fraction chance, 0 <= x < 1, for the choice by weight among accounts of equal rank.
 */
export const chooseAccount = (table: RoutingTable, question: RouteQuestion, fraction: number): RouteDecision => {
  const merchant = table.merchants.get(question.merchantId);
  if (merchant === undefined) return { kind: 'no_route', why: { kind: 'merchant_unknown' }, candidates: [] };
  const judged = merchant.accountIds
    .flatMap((accountId) => table.accounts.get(accountId) ?? [])
    .sort((a, b) => a.rank - b.rank || (a.accountId < b.accountId ? -1 : 1))
    .map((account) => [account, judge(account, question)] as const);
  const fitting = judged.flatMap(([account, verdict]) => (verdict.kind === 'fits' ? [account] : []));
  const best = fitting.filter((account) => account.rank === fitting[0]?.rank);
  const chosen = pickByWeight(best, fraction);
  const candidates = judged.map(([account, verdict]) => ({
    accountId: account.accountId,
    chosen: account === chosen,
    reason: reasonOf(account, verdict, chosen),
  }));
  if (chosen === undefined) return { kind: 'no_route', why: explainNone(judged), candidates };
  const skipped = candidates.filter((candidate) => candidate.reason.startsWith('skipped'));
  const reason = [
    `rank ${chosen.rank}, weight ${chosen.weight} of ${best.reduce((sum, account) => sum + account.weight, 0)}`,
    ...skipped.map((candidate) => `${candidate.accountId} ${candidate.reason}`),
  ].join('; ');
  return { kind: 'chosen', account: chosen, reason, candidates };
};

const reasonOf = (account: RoutedAccount, verdict: Verdict, chosen: RoutedAccount | undefined): string => {
  if (verdict.kind === 'skipped') return verdict.reason;
  if (account === chosen) return `chosen: rank ${account.rank}, weight ${account.weight}`;
  return account.rank === chosen?.rank
    ? `fits: chance chose another of rank ${account.rank}`
    : `fits: rank ${account.rank}`;
};

/**
 * Chooses the account for a further attempt. Demands the token that only a definite failure carries: handing it anything that
 * may have moved money does not compile.
 */
export const rerouteAfter = (
  token: RerouteToken,
  table: RoutingTable,
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
  return chooseAccount(table, question, fraction);
};
