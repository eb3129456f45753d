import type { AccountHealth } from './route-health.ts';
import type { MerchantRule, RoutedAccount } from './routing-table.ts';

/** An account that can take the payment, with its health. */
export type Fitting = { readonly account: RoutedAccount; readonly health: AccountHealth };

/** An account with the share of such payments that it gets, above 0; all together have 1. */
export type Chance = Fitting & { readonly chance: number };

const byRankAndFee = (a: RoutedAccount, b: RoutedAccount): number =>
  a.rank - b.rank || a.feeBasisPoints - b.feeBasisPoints;

/**
 * Puts accounts in tiers, the one to be tried first in front: accounts in grey release, then each that the merchant prefers, then by rank,
 * then by fee. Accounts of one tier are equals.
 */
export const tiersOf = (
  fitting: readonly Fitting[],
  rules: readonly MerchantRule[],
): readonly (readonly Fitting[])[] => {
  const preferred = rules.find(({ prefer }) => prefer.length > 0)?.prefer ?? [];
  const placeOf = ({ accountId }: RoutedAccount): number =>
    preferred.includes(accountId) ? preferred.indexOf(accountId) : preferred.length;
  const compare = (a: RoutedAccount, b: RoutedAccount): number =>
    Number(a.grey === undefined) - Number(b.grey === undefined) || placeOf(a) - placeOf(b) || byRankAndFee(a, b);
  const sorted = fitting.toSorted(
    (a, b) => compare(a.account, b.account) || (a.account.accountId < b.account.accountId ? -1 : 1),
  );
  const tiers: Fitting[][] = [];
  for (const one of sorted) {
    const tier = tiers.at(-1);
    const equal = tier?.[0];
    if (tier !== undefined && equal !== undefined && compare(equal.account, one.account) === 0) tier.push(one);
    else tiers.push([one]);
  }
  return tiers;
};

const weightOf = ({ account, health }: Fitting): number => account.weight * health.share;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** When all are sick: the best of them by weight, such as are not known to refuse before such as are. */
const leastBad = (tiers: readonly (readonly Fitting[])[]): readonly Chance[] => {
  const open = tiers.map((tier) => tier.filter(({ health }) => !health.refuses)).find((tier) => tier.length > 0);
  const best = open ?? tiers[0] ?? [];
  const weight = sum(best.map(({ account }) => account.weight));
  return best.map((one) => ({ ...one, chance: one.account.weight / weight }));
};

/**
 * Who gets which share of such payments. A tier gets as much as its healthiest account may have, the rest goes down to the next one;
 * within a tier weights count, each cut by its account's health. Where all are sick the best is tried all the same.
 */
export const chancesOf = (tiers: readonly (readonly Fitting[])[]): readonly Chance[] => {
  let left = 1;
  const chances: Chance[] = [];
  for (const tier of tiers) {
    const most = Math.max(...tier.map(({ health }) => health.share));
    const weight = sum(tier.map(weightOf));
    if (weight > 0) {
      chances.push(...tier.map((one) => ({ ...one, chance: left * most * (weightOf(one) / weight) })));
      left *= 1 - most;
    }
  }
  const given = sum(chances.map(({ chance }) => chance));
  if (given === 0) return leastBad(tiers);
  // What nobody below could take stays with those above.
  return chances.flatMap((one) => (one.chance > 0 ? [{ ...one, chance: one.chance / given }] : []));
};

/** Lets chance decide. @param fraction 0 <= x < 1 */
export const pick = (chances: readonly Chance[], fraction: number): Chance | undefined => {
  let left = fraction;
  for (const one of chances) {
    left -= one.chance;
    if (left < 0) return one;
  }
  return chances.at(-1);
};
