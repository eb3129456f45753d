import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isAtLeast, type MariadbServer, type MissingServer, placesOf, run } from './servers.ts';

/** A database server's program. */
export type DatabaseServer = Pick<MariadbServer, 'path' | 'version'>;

/** Where `npm run mysql:get` puts a MySQL. */
const FETCHED = fileURLToPath(new URL('../../../.tools/mysql/mysqld', import.meta.url));

// The first with long-term support in which the words for source and replica are everywhere.
const MYSQL_OLDEST: readonly [number, number] = [8, 4];

/** Reads `Ver 9.7.4-2 for Linux` (MySQL), or undefined for MariaDB and anything else. */
export const mysqlVersionIn = (text: string): string | undefined =>
  /mariadb/i.test(text) ? undefined : /\bVer (\d+\.\d+\.\d+)/.exec(text)?.[1];

/**
 * Looks for the MySQL that `npm run mysql:get` has fetched and for a `mysqld` of MySQL 8.4 or later in PATH. Starts and
 * changes nothing.
 */
export const findMysql = async (): Promise<DatabaseServer | MissingServer> => {
  const problems: string[] = [];
  for (const path of [...(existsSync(FETCHED) ? [FETCHED] : []), ...(await placesOf(['mysqld']))]) {
    const version = mysqlVersionIn((await run(path, ['--version'])) ?? '');
    if (version === undefined) problems.push(`${path} is not MySQL`);
    else if (!isAtLeast(version, MYSQL_OLDEST)) problems.push(`${path} is ${version}, needed is 8.4 or later`);
    else return { path, version };
  }
  const found = problems.length === 0 ? 'mysqld was not found' : problems.join('; ');
  return { server: 'mysql', problem: `${found} (npm run mysql:get fetches one on Debian)` };
};
