import type { Account, AllAccounts } from './accounts.ts';
import { DATABASE, EVENTS_DATABASE, LISTS_DATABASE } from './accounts.ts';
import { LOCAL_HOST } from './ports.ts';

/**
 * Who may do what, as on MariaDB (accounts.ts says why); what is called SLAVE MONITOR there is REPLICATION CLIENT here.
 * No account has CONNECTION_ADMIN or SUPER: super_read_only would hold against them, read_only alone would not.
 */
const GRANTS = {
  app: [`GRANT SELECT, INSERT, UPDATE, DELETE ON ${DATABASE}.* TO`, 'GRANT REPLICATION CLIENT ON *.* TO'],
  migrate: [`GRANT ALL PRIVILEGES ON ${DATABASE}.* TO`],
  read: [
    `GRANT SELECT ON ${DATABASE}.* TO`,
    `GRANT SELECT ON ${LISTS_DATABASE}.* TO`,
    `GRANT SELECT ON ${EVENTS_DATABASE}.* TO`,
    'GRANT REPLICATION CLIENT ON *.* TO',
  ],
  lists: [`GRANT ALL PRIVILEGES ON ${LISTS_DATABASE}.* TO`],
  events: [`GRANT ALL PRIVILEGES ON ${EVENTS_DATABASE}.* TO`],
  replication: ['GRANT REPLICATION SLAVE ON *.* TO'],
} as const satisfies Record<keyof AllAccounts['public'], readonly string[]>;

// The text stands in a file that only this user can read, beside the file that holds the password. MySQL 9 knows no hash that could be
// computed here without its salt.
const identified = ({ password }: Account): string => `IDENTIFIED WITH caching_sha2_password BY '${password.reveal()}'`;

/** SQL that gives a node exactly these accounts, one statement a line as `init_file` wants it; as `accountsSql` on MariaDB. */
export const mysqlAccountsSql = (accounts: AllAccounts): string => {
  const administrator = `'${accounts.administrator.user}'@'localhost'`;
  // The administrator is the account that runs this: changed, not made anew.
  const lines = ['SET SESSION sql_log_bin = 0;', `ALTER USER ${administrator} ${identified(accounts.administrator)};`];
  for (const [name, grants] of Object.entries(GRANTS)) {
    const account = accounts.public[name as keyof typeof GRANTS];
    const user = `'${account.user}'@'${LOCAL_HOST}'`;
    lines.push(`DROP USER IF EXISTS ${user};`, `CREATE USER ${user} ${identified(account)};`);
    lines.push(...grants.map((grant) => `${grant} ${user};`));
  }
  return `${lines.join('\n')}\n`;
};
