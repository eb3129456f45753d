import { execFile } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A MariaDB server and what is needed to make an empty data folder for it. */
export type MariadbServer = {
  readonly path: string;
  /** Such as `10.11.19`. */
  readonly version: string;
  /** The SQL files that make the system tables, in the order in which they are run. */
  readonly systemTableFiles: readonly string[];
};

/** A Redis or Valkey server. */
export type RedisServer = { readonly path: string; readonly version: string };

export type ServerName = 'mariadb' | 'mysql' | 'redis';

/** A server that was not found or cannot be used. */
export type MissingServer = { readonly server: ServerName; readonly problem: string };

/** What this machine has of what the local stack needs. */
export type FoundServers =
  | { readonly kind: 'found'; readonly mariadb: MariadbServer; readonly redis: RedisServer | undefined }
  | { readonly kind: 'missing'; readonly missing: readonly MissingServer[] };

// Debian keeps servers out of an ordinary user's PATH.
const FOLDERS_BESIDE_PATH = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

// READ ONLY ADMIN is a privilege of its own only since 10.11: before it, read_only does not hold against SUPER.
const MARIADB_OLDEST: readonly [number, number] = [10, 11];
// Multi-part append-only files came with 7.0; the 6.2 of older distributions writes one that 7 has to convert.
const REDIS_OLDEST: readonly [number, number] = [6, 2];

const ANSWER_WITHIN_MS = 10_000;

/** What a program prints; undefined where it cannot be run. */
export const run = (command: string, args: readonly string[]): Promise<string | undefined> =>
  new Promise((resolve) => {
    execFile(command, [...args], { timeout: ANSWER_WITHIN_MS, encoding: 'utf8' }, (error, output) =>
      resolve(error === null ? output : undefined),
    );
  });

/** Where the programs are, in PATH first. */
export const placesOf = async (names: readonly string[]): Promise<readonly string[]> => {
  const places: string[] = [];
  for (const name of names) {
    // The shell knows PATH; nothing here has to read the environment.
    const inPath = (await run('sh', ['-c', 'command -v "$0"', name]))?.trim();
    const candidates = [inPath, ...FOLDERS_BESIDE_PATH.map((folder) => join(folder, name))];
    places.push(...(candidates.filter((path) => path !== undefined && path !== '' && existsSync(path)) as string[]));
  }
  return [...new Set(places)];
};

/** Reads `Ver 10.11.19-MariaDB` (MariaDB), or undefined for MySQL and anything else. */
export const mariadbVersionIn = (text: string): string | undefined => /(\d+\.\d+\.\d+)-MariaDB/.exec(text)?.[1];

/** Reads `v=7.0.15`, as Redis and Valkey print it. */
export const redisVersionIn = (text: string): string | undefined => /\bv=(\d+\.\d+\.\d+)/.exec(text)?.[1];

/** Whether `10.11.19` is at least `[10, 11]`. */
export const isAtLeast = (version: string, [major, minor]: readonly [number, number]): boolean => {
  const [foundMajor = 0, foundMinor = 0] = version.split('.').map(Number);
  return foundMajor > major || (foundMajor === major && foundMinor >= minor);
};

/** MariaDB 11 and later name the files after themselves, 10.11 after MySQL. */
const SYSTEM_TABLE_FILES = [
  /^(mysql|mariadb)_system_tables\.sql$/,
  /^(mysql|mariadb)_performance_tables\.sql$/,
  /^(mysql|mariadb)_system_tables_data\.sql$/,
];

const systemTableFilesOf = (mariadbPath: string): readonly string[] | undefined => {
  // `<base>/sbin/mariadbd` or `<base>/bin/mariadbd`; a link (Homebrew) leads to the real base.
  const bases = [dirname(dirname(realpathSync(mariadbPath))), '/usr'];
  const folders = bases.flatMap((base) => ['share/mysql', 'share/mariadb', 'share'].map((share) => join(base, share)));
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    const present = readdirSync(folder);
    const files = SYSTEM_TABLE_FILES.map((pattern) => present.find((file) => pattern.test(file)));
    if (files.every((file) => file !== undefined)) return files.map((file) => join(folder, file));
  }
  return undefined;
};

const findMariadb = async (): Promise<MariadbServer | MissingServer> => {
  const problems: string[] = [];
  for (const path of await placesOf(['mariadbd', 'mysqld'])) {
    const version = mariadbVersionIn((await run(path, ['--version'])) ?? '');
    const systemTableFiles = systemTableFilesOf(path);
    if (version === undefined) problems.push(`${path} is not MariaDB`);
    else if (!isAtLeast(version, MARIADB_OLDEST)) problems.push(`${path} is ${version}, needed is 10.11 or later`);
    else if (systemTableFiles === undefined)
      problems.push(`mysql_system_tables.sql is not in the share folder of ${path}`);
    else return { path, version, systemTableFiles };
  }
  return { server: 'mariadb', problem: problems.length === 0 ? 'mariadbd was not found' : problems.join('; ') };
};

/** Looks for `redis-server` or `valkey-server`. */
export const findRedis = async (): Promise<RedisServer | MissingServer> => {
  const problems: string[] = [];
  for (const path of await placesOf(['redis-server', 'valkey-server'])) {
    const version = redisVersionIn((await run(path, ['--version'])) ?? '');
    if (version === undefined) problems.push(`${path} does not say its version`);
    else if (!isAtLeast(version, REDIS_OLDEST)) problems.push(`${path} is ${version}, needed is 6.2 or later`);
    else return { path, version };
  }
  return {
    server: 'redis',
    problem: problems.length === 0 ? 'neither redis-server nor valkey-server was found' : problems.join('; '),
  };
};

/**
 * Looks for `mariadbd` (or a `mysqld` that says it is MariaDB) and for `redis-server` or `valkey-server` in PATH and
 * the usual folders beside it. Starts and changes nothing.
 *
 * mariadb-install-db is not needed: the local stack runs the SQL files that belong to the server itself, because on
 * Debian that script lacks a program which comes with the clients' package.
 *
 * @param needed.redis false when no Redis is wanted; it is then not looked for.
 */
export const findServers = async (needed: { readonly redis: boolean } = { redis: true }): Promise<FoundServers> => {
  const [mariadb, redis] = await Promise.all([findMariadb(), needed.redis ? findRedis() : undefined]);
  const missing = [mariadb, redis].filter((server) => server !== undefined && 'problem' in server);
  if (missing.length > 0 || 'problem' in mariadb || (redis !== undefined && 'problem' in redis)) {
    return { kind: 'missing', missing };
  }
  return { kind: 'found', mariadb, redis };
};
