import type { Clock } from '@tillmesh/clock';
import type { Connection } from 'mysql2/promise';
import { rowsOf, run } from './administrator.ts';
import { copyFolder } from './copy-folder.ts';
import { LocalStackError } from './local-stack-error.ts';
import type { MariadbProcess } from './mariadb-node.ts';
import { pollUntil } from './waiting.ts';

/** What belongs to a node and not to its data: where it was as a replica, temporary tables, its process. */
const NOT_COPIED = /^(?:relay[.-].*|master\.info|multi-master\.info|ibtmp\d+|.*\.pid|ib_buffer_pool)$/;

const copyData = (from: string, to: string, signal: AbortSignal): Promise<number> =>
  copyFolder(from, to, { leaveOut: NOT_COPIED, signal });

const QUIET_MS = 30_000;
const POLL_MS = 50;
const ATTEMPTS_MAX = 3;
// A gigabyte takes seconds; only a disk that hangs takes this long.
const COPY_MS_MAX = 10 * 60_000;

/** The place in the redo log when all pages are on the disk; undefined while some are not. */
const quietPlace = async (connection: Connection): Promise<string | undefined> => {
  const rows = await rowsOf(
    connection,
    `SHOW GLOBAL STATUS WHERE Variable_name IN
       ('Innodb_lsn_current', 'Innodb_lsn_flushed', 'Innodb_buffer_pool_pages_dirty')`,
  );
  const values = new Map(rows.map((row) => [String(row['Variable_name']), String(row['Value'])]));
  const current = values.get('Innodb_lsn_current');
  const isQuiet = values.get('Innodb_buffer_pool_pages_dirty') === '0' && values.get('Innodb_lsn_flushed') === current;
  return isQuiet ? current : undefined;
};

const DIRTY_SETTINGS = ['innodb_max_dirty_pages_pct', 'innodb_max_dirty_pages_pct_lwm'] as const;

/** Lets the server write all its pages out while `work` runs. */
const whileClean = async <T>(connection: Connection, work: () => Promise<T>): Promise<T> => {
  const before = (
    await rowsOf(connection, `SELECT @@${DIRTY_SETTINGS[0]} AS upper, @@${DIRTY_SETTINGS[1]} AS lower`)
  )[0];
  for (const name of DIRTY_SETTINGS) await run(connection, `SET GLOBAL ${name} = 0`);
  try {
    return await work();
  } finally {
    await run(connection, `SET GLOBAL ${DIRTY_SETTINGS[0]} = ${Number(before?.['upper'])}`);
    await run(connection, `SET GLOBAL ${DIRTY_SETTINGS[1]} = ${Number(before?.['lower'])}`);
  }
};

type CopyOrder = {
  readonly clock: Clock;
  readonly source: MariadbProcess;
  readonly target: string;
  readonly signal: AbortSignal;
};

/**
 * Copies the data of a replica that goes on receiving and acknowledging meanwhile; only executing rests. Once the server
 * has written all pages and purged old versions it has nothing to write: when its redo log stands at the same place
 * before and after, no data file has changed in between. Takes two to four seconds of rest, and the time of the copy.
 *
 * @returns the bytes that were copied.
 * @throws {LocalStackError} `replication_broken` when the server does not come to rest.
 */
export const copyWhileAcknowledging = async ({ clock, source, target, signal }: CopyOrder): Promise<number> => {
  const copyAtRest = async (connection: Connection): Promise<number> => {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const probe = () => quietPlace(connection);
      const before = await pollUntil({ clock, everyMs: POLL_MS, withinMs: QUIET_MS, signal, probe });
      if (before === 'late') break;
      const bytes = await copyData(source.dataFolder, target, signal);
      if ((await quietPlace(connection)) === before) return bytes;
    }
    throw new LocalStackError('replication_broken', `${source.name} does not come to rest: its data cannot be copied`);
  };
  await source.ask((connection) => run(connection, 'STOP SLAVE SQL_THREAD'), COPY_MS_MAX);
  try {
    return await source.ask((connection) => whileClean(connection, () => copyAtRest(connection)), COPY_MS_MAX);
  } finally {
    await source.ask((connection) => run(connection, 'START SLAVE SQL_THREAD'));
  }
};

// Threads that are inside a system call when the signal comes end that call first.
const FREEZE_MS = 50;

/**
 * Copies the data of a server that stands still meanwhile (SIGSTOP): the copy is what a kill -9 at that moment would have
 * left, and crash recovery makes it whole. For a primary that has no replica, and so could answer no write anyway.
 *
 * @returns the bytes that were copied.
 */
export const copyWhileFrozen = async ({ clock, source, target, signal }: CopyOrder): Promise<number> => {
  await source.kill('SIGSTOP');
  try {
    await clock.sleep(FREEZE_MS, signal);
    return await copyData(source.dataFolder, target, signal);
  } finally {
    await source.kill('SIGCONT');
  }
};
