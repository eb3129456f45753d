import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandom } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { LOCAL_HOST } from './ports.ts';

/** A user of the databases. The password is made at the first start of a data folder and lies in a file of its own. */
export type Account = {
  readonly user: string;
  readonly password: Secret;
  /** Absolute path of a file (mode 600) that holds the password and nothing else. */
  readonly passwordFile: string;
};

/** The schema that the accounts may use; every group has one of this name. */
export const DATABASE = 'tillmesh';

/** The schema of the lists by merchant; on this machine it lies on the servers of one group. */
export const LISTS_DATABASE = 'tillmesh_lists';

/** The schema of the events that merchants are told of; on this machine it lies beside the lists. */
export const EVENTS_DATABASE = 'tillmesh_events';

/**
 * Who may do what. None of these accounts has READ ONLY ADMIN, SUPER or ALL on everything: with one of them a client
 * that still talks to an old primary would write to it in spite of read_only, and the errant write would stop
 * replication there (which semi-sync does not notice).
 */
const GRANTS = {
  /** The services. SLAVE MONITOR reads how far a replica has received and executed: quorum reads need it. */
  app: [`GRANT SELECT, INSERT, UPDATE, DELETE ON ${DATABASE}.* TO`, 'GRANT SLAVE MONITOR ON *.* TO'],
  /** Schema changes: everything inside the one schema. */
  migrate: [`GRANT ALL PRIVILEGES ON ${DATABASE}.* TO`],
  /** People and reports. */
  read: [
    `GRANT SELECT ON ${DATABASE}.* TO`,
    `GRANT SELECT ON ${LISTS_DATABASE}.* TO`,
    `GRANT SELECT ON ${EVENTS_DATABASE}.* TO`,
    'GRANT SLAVE MONITOR ON *.* TO',
  ],
  /** Whoever keeps the lists: they are made from the groups, and can be made anew, tables included. */
  lists: [`GRANT ALL PRIVILEGES ON ${LISTS_DATABASE}.* TO`],
  /** Whoever tells merchants. */
  events: [`GRANT ALL PRIVILEGES ON ${EVENTS_DATABASE}.* TO`],
  /** The replicas of a group at its primary. Exists on every node, so that any of them can become the primary. */
  replication: ['GRANT REPLICATION SLAVE ON *.* TO'],
} as const;

/** The database users of a local stack. */
export type Accounts = Readonly<Record<keyof typeof GRANTS, Account>>;

/** The accounts and the one that only the local stack itself uses, over the nodes' unix sockets. */
export type AllAccounts = { readonly public: Accounts; readonly administrator: Account };

const ADMINISTRATOR = 'root';

const openAccount = (folder: string, name: string, user: string): Account => {
  const passwordFile = join(folder, `${name}.password`);
  if (!existsSync(passwordFile)) {
    // Renamed into place, so that a crash leaves either no file or a whole one.
    // MySQL takes at most 32 characters from a replica.
    writeFileSync(`${passwordFile}.new`, `${systemRandom.hex(16)}\n`, { mode: 0o600 });
    renameSync(`${passwordFile}.new`, passwordFile);
  }
  return { user, password: new Secret(readFileSync(passwordFile, 'utf8').trimEnd()), passwordFile };
};

/** Reads the accounts' passwords; those that are not there yet are made (128 random bits). */
export const openAccounts = (folder: string): AllAccounts => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const account = (name: keyof typeof GRANTS) => openAccount(folder, name, name);
  return {
    public: {
      app: account('app'),
      migrate: account('migrate'),
      read: account('read'),
      lists: account('lists'),
      events: account('events'),
      replication: account('replication'),
    },
    administrator: openAccount(folder, 'administrator', ADMINISTRATOR),
  };
};

/** What mysql_native_password stores: SHA1(SHA1(password)). */
const nativePasswordHash = (password: string): string => {
  const once = createHash('sha1').update(password).digest();
  return `*${createHash('sha1').update(once).digest('hex').toUpperCase()}`;
};

const identified = (account: Account): string =>
  `IDENTIFIED VIA mysql_native_password USING '${nativePasswordHash(account.password.reveal())}'`;

/**
 * SQL that gives a node exactly these accounts, one statement a line as `init_file` wants it. Runs at every start,
 * before the first connection, on each node for itself: nothing of it goes through the binlog, so accounts exist
 * before replication does, and a grant that somebody widened by hand is gone after a restart.
 */
export const accountsSql = (accounts: AllAccounts): string => {
  const lines = ['SET SESSION sql_log_bin = 0;'];
  lines.push(`CREATE OR REPLACE USER '${ADMINISTRATOR}'@'localhost' ${identified(accounts.administrator)};`);
  lines.push(`GRANT ALL PRIVILEGES ON *.* TO '${ADMINISTRATOR}'@'localhost' WITH GRANT OPTION;`);
  for (const [name, grants] of Object.entries(GRANTS)) {
    const account = accounts.public[name as keyof typeof GRANTS];
    const user = `'${account.user}'@'${LOCAL_HOST}'`;
    lines.push(`CREATE OR REPLACE USER ${user} ${identified(account)};`);
    lines.push(...grants.map((grant) => `${grant} ${user};`));
  }
  return `${lines.join('\n')}\n`;
};
