import type { DayUse } from './account-health.ts';
import type { AccountId } from './ids.ts';

/** An account's health at the moment of a choice. */
export type AccountHealth = {
  /** Share of its payments that it may have: 0 while it is sick, 1 while it is well. */
  readonly share: number;
  /** Why it may not have all of them; empty where it may. */
  readonly cause: string;
  /** True where the way to it is known to be closed: a call would be refused before it is sent. */
  readonly refuses: boolean;
  /** What it has taken today; undefined where nobody counts. */
  readonly use: DayUse | undefined;
};

/** Health of all accounts at one moment; who is not in it is well. */
export type RouteHealth = {
  /** Of this process; grows with each change. */
  readonly version: number;
  readonly accounts: ReadonlyMap<AccountId, AccountHealth>;
};

/** Health of an account of which nothing is known. */
export const NOTHING_KNOWN: AccountHealth = { share: 1, cause: '', refuses: false, use: undefined };

/** Nothing is known of anybody. */
export const ALL_WELL: RouteHealth = { version: 0, accounts: new Map() };
