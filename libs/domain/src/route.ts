import type { AccountId, ChannelId, MerchantId } from './ids.ts';
import type { Currency, Money } from './money.ts';
import type { RerouteToken } from './outcome.ts';
import { ALL_WELL, healthOf, percentileOf, type RouteHealth, weightOf } from './route-health.ts';
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
  /** What the account costs, hundredths of a per cent; of equal rank the cheaper ones are tried first. */
  readonly feeBasisPoints: number;
  /** Share among accounts of equal rank and fee. */
  readonly weight: number;
  /** Grey release: only so many of 100 payments may come here, always the same ones. */
  readonly releasedPercent: number;
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
  /** Decides whether an account under grey release may take it. */
  readonly merchantOrderNo: string;
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
      readonly by: 'offer' | 'currency' | 'amount' | 'tried' | 'switch' | 'grey';
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
  if (percentileOf(account.accountId, question.merchantId, question.merchantOrderNo) >= account.releasedPercent) {
    return skipped('grey', `released for ${account.releasedPercent} % of payments`);
  }
  return { kind: 'fits' };
};

type Weighed = readonly (readonly [RoutedAccount, number])[];

const pickByWeight = (accounts: Weighed, fraction: number): RoutedAccount | undefined => {
  const total = accounts.reduce((sum, [, weight]) => sum + weight, 0);
  let left = fraction * total;
  for (const [account, weight] of accounts) {
    left -= weight;
    if (left < 0) return account;
  }
  return accounts.at(-1)?.[0];
};

/** Accounts that are tried at the same time: of equal rank and fee. In the order of trial. */
const levelsOf = (accounts: readonly RoutedAccount[]): RoutedAccount[][] => {
  const levels: RoutedAccount[][] = [];
  for (const account of accounts) {
    const last = levels.at(-1);
    const [like] = last ?? [];
    if (last === undefined || like?.rank !== account.rank || like.feeBasisPoints !== account.feeBasisPoints) {
      levels.push([account]);
    } else last.push(account);
  }
  return levels;
};

type Pick = { readonly account: RoutedAccount; readonly among: number };

/**
 * Chooses by health and weight, level by level: a level of which all accounts are well takes all payments, one that recovers takes
 * its share and leaves the others to the next. Where nobody is well the first one is tried all the same: a payment that may fail is
 * better than one that surely does.
 */
const pick = (fitting: readonly RoutedAccount[], health: RouteHealth, fraction: number): Pick | undefined => {
  let left = fraction;
  for (const level of levelsOf(fitting)) {
    const well = level.filter(({ accountId }) => healthOf(health, accountId).share > 0);
    const share = Math.max(0, ...well.map(({ accountId }) => healthOf(health, accountId).share));
    if (left >= share) {
      left = share >= 1 ? left : (left - share) / (1 - share);
      continue;
    }
    const weighed = well.map((account) => {
      const own = healthOf(health, account.accountId);
      return [account, own.share * weightOf(account.weight, own)] as const;
    });
    const account = pickByWeight(weighed, left / share);
    if (account !== undefined) return { account, among: weighed.length };
  }
  // The last resort: who gets at least some, else whoever comes first.
  const account = fitting.find(({ accountId }) => healthOf(health, accountId).share > 0) ?? fitting[0];
  return account === undefined ? undefined : { account, among: 1 };
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
 * Chooses the account for a payment's first attempt. Pure: the same table, question, health and fraction choose the same account.
 *
 * @param fraction chance, 0 <= x < 1, for the choice by weight among equals and for the share of those that recover.
 */
export const chooseAccount = (
  table: RoutingTable,
  question: RouteQuestion,
  fraction: number,
  health: RouteHealth = ALL_WELL,
): RouteDecision => {
  const merchant = table.merchants.get(question.merchantId);
  if (merchant === undefined) return { kind: 'no_route', why: { kind: 'merchant_unknown' }, candidates: [] };
  const judged = merchant.accountIds
    .flatMap((accountId) => table.accounts.get(accountId) ?? [])
    .sort((a, b) => a.rank - b.rank || a.feeBasisPoints - b.feeBasisPoints || (a.accountId < b.accountId ? -1 : 1))
    .map((account) => [account, judge(account, question)] as const);
  const fitting = judged.flatMap(([account, verdict]) => (verdict.kind === 'fits' ? [account] : []));
  const picked = pick(fitting, health, fraction);
  const chosen = picked?.account;
  const candidates = judged.map(([account, verdict]) => ({
    accountId: account.accountId,
    chosen: account === chosen,
    reason: reasonOf(account, verdict, chosen, health),
  }));
  if (picked === undefined || chosen === undefined) return { kind: 'no_route', why: explainNone(judged), candidates };
  const { rank, feeBasisPoints, weight } = chosen;
  const reason = [
    `rank ${rank}, fee ${feeBasisPoints}, weight ${weight}, one of ${picked.among}${healthWords(chosen, health)}`,
    ...candidates
      .filter((candidate) => !candidate.chosen && !candidate.reason.startsWith('fits'))
      .map((candidate) => `${candidate.accountId} ${candidate.reason}`),
  ].join('; ');
  return { kind: 'chosen', account: chosen, reason, candidates };
};

/** What is to be said of an account's health; nothing while all is well. */
const healthWords = ({ accountId }: RoutedAccount, health: RouteHealth): string => {
  const { share, successShare, reason } = healthOf(health, accountId);
  const words = [
    ...(share < 1 ? [`gets ${Math.round(share * 100)} %${reason === '' ? '' : ` (${reason})`}`] : []),
    ...(successShare !== undefined && successShare < 1 ? [`${Math.round(successShare * 100)} % handled lately`] : []),
  ];
  return words.length === 0 ? '' : `, ${words.join(', ')}`;
};

const reasonOf = (
  account: RoutedAccount,
  verdict: Verdict,
  chosen: RoutedAccount | undefined,
  health: RouteHealth,
): string => {
  if (verdict.kind === 'skipped') return verdict.reason;
  const words = healthWords(account, health);
  const { rank, feeBasisPoints, weight } = account;
  if (account === chosen) return `chosen: rank ${rank}, fee ${feeBasisPoints}, weight ${weight}${words}`;
  if (healthOf(health, account.accountId).share === 0) return `passed over${words}`;
  const isEqual = rank === chosen?.rank && feeBasisPoints === chosen.feeBasisPoints;
  return isEqual
    ? `fits: chance chose another of rank ${rank}${words}`
    : `fits: rank ${rank}, fee ${feeBasisPoints}${words}`;
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
  health: RouteHealth = ALL_WELL,
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
  return chooseAccount(table, question, fraction, health);
};
