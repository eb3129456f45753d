import { type Clock, repeat } from '@tillmesh/clock';
import { counter, errorTypeOf, type Log } from '@tillmesh/telemetry';
import type { AccountSettings } from '../account-settings.ts';
import type { AccountFolder, AccountProblem } from './account-folder.ts';

const refreshes = counter(
  'tillmesh_account_refreshes_total',
  'Readings of the folder of accounts, by what came of them.',
  ['channel', 'end'],
);

/** The accounts of a process, which change while it works. */
export type AccountBook<Account> = {
  readonly accounts: () => ReadonlyMap<string, Account>;
  /** Reads the folder again, whatever its age. */
  readonly refresh: () => readonly AccountProblem[];
  /** Reads it again and again until the signal is aborted. */
  readonly follow: (signal: AbortSignal) => Promise<void>;
};

/** Accounts that stand in the configuration alone: they do not change. */
export const fixedAccounts = <Account extends AccountSettings>(accounts: readonly Account[]): AccountBook<Account> => {
  const byId = new Map(accounts.map((account) => [account.accountId, account]));
  return { accounts: () => byId, refresh: () => [], follow: async () => undefined };
};

/**
 * Accounts of a configuration and of a folder. A file that has become unreadable leaves the account as it was, and is told again with
 * every reading; a file that is gone takes its account with it.
 *
 * @param options.read the folder as it is now.
 * @throws what the first reading throws, and a RangeError that names every problem of it: nothing is served on half of the accounts.
 */
export const createAccountBook = <Account extends AccountSettings>(options: {
  readonly channelId: string;
  readonly fixed: readonly Account[];
  readonly read: () => AccountFolder<Account>;
  readonly lifetimeMs: number;
  readonly clock: Clock;
  readonly log: Log;
}): AccountBook<Account> => {
  const { channelId, fixed, read, lifetimeMs, clock, log } = options;
  const fixedById = new Map(fixed.map((account) => [account.accountId, account]));
  const first = read();
  const doubled = [...first.accounts.keys()].filter((accountId) => fixedById.has(accountId));
  const wrong = [
    ...first.problems,
    ...doubled.map((accountId) => ({ accountId, problem: 'stands in the configuration as well' })),
  ];
  if (wrong.length > 0) {
    throw new RangeError(
      `accounts cannot be used: ${wrong.map(({ accountId, problem }) => `${accountId}: ${problem}`).join('; ')}`,
    );
  }
  let { texts } = first;
  let current: ReadonlyMap<string, Account> = new Map([...first.accounts, ...fixedById]);

  const refresh = (): readonly AccountProblem[] => {
    let now: AccountFolder<Account>;
    try {
      now = read();
    } catch (error) {
      refreshes.add({ channel: channelId, end: 'failed' });
      log.error({ err: error }, 'the folder of accounts cannot be read; the accounts stay as they are');
      return [{ accountId: '', problem: `the folder cannot be read: ${errorTypeOf(error)}` }];
    }
    const kept = now.problems.flatMap(({ accountId }): [string, Account][] => {
      const before = current.get(accountId);
      return before === undefined ? [] : [[accountId, before]];
    });
    for (const { accountId, problem } of now.problems)
      log.error({ accountId, problem }, 'an account cannot be used as its file says');
    const isSame = texts.size === now.texts.size && [...now.texts].every(([id, text]) => texts.get(id) === text);
    refreshes.add({ channel: channelId, end: now.problems.length > 0 ? 'problems' : isSame ? 'same' : 'changed' });
    if (!isSame) {
      texts = now.texts;
      current = new Map([...now.accounts, ...kept, ...fixedById]);
      log.info({ accounts: [...current.keys()] }, 'accounts read again');
    }
    return now.problems;
  };

  return {
    accounts: () => current,
    refresh,
    follow: (signal) =>
      repeat({
        clock,
        everyMs: lifetimeMs,
        signal,
        task: async () => void refresh(),
        onError: (error) => log.error({ err: error }, 'accounts could not be read again'),
      }),
  };
};
