import type { LocalNode } from '@tillmesh/local-stack';
import type { RowDataPacket } from 'mysql2/promise';
import { vi } from 'vitest';
import { onThisServer } from '../server-under-test.ts';
import { firstValue } from './sessions.ts';

/** The primary's side of semi-sync. */
export type SemiSync = {
  readonly on: boolean;
  readonly clients: number;
  /** Commits that were answered without an acknowledgement. */
  readonly unacknowledged: number;
  /** Sessions that wait for an acknowledgement now. */
  readonly waiting: number;
};

/** What MariaDB and MySQL call the same thing. */
export const serverWords = onThisServer({
  mariadb: {
    ackTimeout: 'rpl_semi_sync_master_timeout',
    status: 'rpl_semi_sync_master',
    position: '@@GLOBAL.gtid_binlog_pos',
  },
  mysql: {
    ackTimeout: 'rpl_semi_sync_source_timeout',
    status: 'rpl_semi_sync_source',
    position: '@@GLOBAL.gtid_executed',
  },
});

/** Tries again and again until what it expects is so; 15 s at most. */
export const eventually = (expectation: () => Promise<unknown>): Promise<void> =>
  vi.waitFor(
    async () => {
      await expectation();
    },
    { timeout: 15_000, interval: 20 },
  );

/** Runs statements as administrator, in order, in the schema under test. */
export const administer = (node: LocalNode, ...statements: readonly string[]): Promise<void> =>
  node.administer(async (connection) => {
    for (const statement of ['USE tillmesh', ...statements]) await connection.query(statement);
  });

/** The first column of the first row, as the administrator sees it. */
export const see = (node: LocalNode, sql: string): Promise<string | undefined> =>
  node.administer(async (connection) => {
    await connection.query('USE tillmesh');
    return firstValue((await connection.query<RowDataPacket[]>(sql))[0]);
  });

/** Reads the primary's side of semi-sync. */
export const readSemiSync = (primary: LocalNode): Promise<SemiSync> =>
  primary.administer(async (connection) => {
    const [rows] = await connection.query<RowDataPacket[]>(`SHOW GLOBAL STATUS LIKE '${serverWords.status}_%'`);
    const values = new Map(rows.map((row) => [String(row['Variable_name']).toLowerCase(), String(row['Value'])]));
    const value = (name: string) => values.get(`${serverWords.status}_${name}`) ?? '';
    return {
      on: value('status') === 'ON',
      clients: Number(value('clients')),
      unacknowledged: Number(value('no_tx')),
      waiting: Number(value('wait_sessions')),
    };
  });

/** Whether a replica is connected to its primary. */
export const isReceiving = (replica: LocalNode): Promise<boolean> =>
  replica.administer(async (connection) => {
    const [[status]] = await connection.query<RowDataPacket[]>('SHOW REPLICA STATUS');
    return [status?.['Slave_IO_Running'], status?.['Replica_IO_Running']].includes('Yes');
  });
