import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, parseConfig, withFiles } from '@tillmesh/config';
import type { AccountSettings } from '../account-settings.ts';
import type { Channel } from '../channel.ts';
import { openAccount, type SealingKeys } from './sealed-account.ts';

/** What is wrong with an account's file, without anything that is in it. */
export type AccountProblem = { readonly accountId: string; readonly problem: string };

/** What a folder holds. */
export type AccountFolder<Account> = {
  /** The text of every account's file, by account. */
  readonly texts: ReadonlyMap<string, string>;
  readonly accounts: ReadonlyMap<string, Account>;
  readonly problems: readonly AccountProblem[];
};

const FILE = /^([a-z0-9-]{1,32})\.sealed$/;
const FILES_MAX = 500;

const problemText = (error: unknown): string =>
  error instanceof ConfigError
    ? error.problems.map(({ setting, problem }) => `${setting}: ${problem}`).join('; ')
    : 'cannot be read';

/**
 * Reads every `<account>.sealed` of a folder and checks it as a configuration is checked: a key that does not sign is a problem here,
 * and not with the first payment.
 *
 * @throws where the folder cannot be listed.
 */
export const readAccountFolder = <Account extends AccountSettings>(
  channel: Channel<Account>,
  folder: string,
  keys: SealingKeys,
): AccountFolder<Account> => {
  const texts = new Map<string, string>();
  const accounts = new Map<string, Account>();
  const problems: AccountProblem[] = [];
  const ids = readdirSync(folder).flatMap((name) => FILE.exec(name)?.[1] ?? []);
  for (const accountId of ids.toSorted().slice(0, FILES_MAX)) {
    const note = (problem: string) => problems.push({ accountId, problem });
    try {
      const text = readFileSync(join(folder, `${accountId}.sealed`), 'utf8');
      texts.set(accountId, text);
      const bundle = openAccount(channel.id, accountId, text, keys);
      if ('problem' in bundle) {
        note(bundle.problem);
        continue;
      }
      const read = (name: string): string => {
        const file = bundle.files[name];
        if (file === undefined) throw new Error('no such file');
        return file;
      };
      const account = withFiles(read, () => parseConfig(channel.account, bundle.settings, accountId));
      if (account.accountId === accountId) accounts.set(accountId, account);
      else note(`is the file of ${account.accountId}: name it after its account`);
    } catch (error) {
      note(problemText(error));
    }
  }
  if (ids.length > FILES_MAX)
    problems.push({ accountId: '', problem: `more than ${FILES_MAX} accounts: the rest is not read` });
  return { texts, accounts, problems };
};
