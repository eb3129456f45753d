import type { AccountId } from './ids.ts';

/** What is known of an account's health at one moment; a value, so that a choice can be repeated. */
export type AccountHealth = {
  /** How much of the payments that would come to it it gets now: 0 none, 1 all. */
  readonly share: number;
  /** Share of its attempts of the last minutes that its channel handled; undefined where too few are known. */
  readonly successShare: number | undefined;
  /** For people, such as "lane open" or "recovering". Empty while all is well. */
  readonly reason: string;
};

/** Accounts without an entry are well. Asked only about accounts that may take the payment. */
export type RouteHealth = Pick<ReadonlyMap<AccountId, AccountHealth>, 'get'>;

export const ALL_WELL: RouteHealth = new Map<AccountId, AccountHealth>();

const WELL: AccountHealth = { share: 1, successShare: undefined, reason: '' };

/** An account's health; one of which nothing is known is well. */
export const healthOf = (health: RouteHealth, accountId: AccountId): AccountHealth => health.get(accountId) ?? WELL;

/** Below this share of handled attempts an account still gets this part of its weight: enough to see it become better. */
const WEIGHT_SHARE_MIN = 0.05;

/** An account's weight among equals: what fails more gets less, with the square, so that a tenth of failures costs a fifth. */
export const weightOf = (weight: number, { successShare = 1 }: AccountHealth): number =>
  weight * Math.max(WEIGHT_SHARE_MIN, successShare * successShare);

const HASH_START = 2_166_136_261;
const HASH_PRIME = 16_777_619;

/** 0 to 99, always the same for the same texts: a payment that is repeated is released or not as it was before. */
export const percentileOf = (...texts: readonly string[]): number => {
  let hash = HASH_START;
  for (const character of texts.join('\n')) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), HASH_PRIME);
  }
  return (hash >>> 0) % 100;
};
