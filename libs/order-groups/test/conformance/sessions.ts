import { systemClock } from '@tillmesh/clock';
import type { Account, LocalNode } from '@tillmesh/local-stack';
import { createConnection, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise';
import { optionalText } from '../../src/columns.ts';
import { type Answer, type Connection, openConnection } from '../../src/connection.ts';
import { DatabaseError } from '../../src/database-error.ts';

/** A client of a server over TCP, as services are, that shows what the server really answers. */
export type Session = {
  /** The server's number of the session, which KILL takes. */
  readonly id: number;
  /** Rejects with the driver's error. */
  write(sql: string): Promise<ResultSetHeader>;
  /** What became of a write: `OK` with the rows it affected, or the driver's name of the error. */
  outcomeOf(sql: string): Promise<string>;
  rows(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** The first column of the first row, as text; undefined where there is no row. */
  value(sql: string): Promise<string | undefined>;
  /** Cuts the socket at once; the server goes on with whatever it was doing. */
  cut(): void;
};

type Cuttable = { readonly connection: { readonly stream: { destroy(): void } } };

const codeOf = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : String(error);
};

/** The first column of the first row, as text; undefined for NULL and where there is no row. */
export const firstValue = (rows: readonly Readonly<Record<string, unknown>>[]): string | undefined => {
  const [row] = rows;
  const [column = ''] = Object.keys(row ?? {});
  return optionalText(row, column);
};

/** Opens a session in the schema under test. */
export const openSession = async (node: LocalNode, account: Account): Promise<Session> => {
  const connection = await createConnection({
    host: node.host,
    port: node.port,
    user: account.user,
    password: account.password.reveal(),
    database: 'tillmesh',
    connectTimeout: 5_000,
  });
  // What breaks an idle connection is told by its next statement.
  connection.on('error', () => undefined);
  const write = async (sql: string) => (await connection.query<ResultSetHeader>(sql))[0];
  const rows = async (sql: string) => (await connection.query<RowDataPacket[]>(sql))[0];
  return {
    id: connection.threadId,
    write,
    outcomeOf: (sql) => write(sql).then(({ affectedRows }) => `OK ${affectedRows}`, codeOf),
    rows,
    value: async (sql) => firstValue(await rows(sql)),
    cut: () => (connection as unknown as Cuttable).connection.stream.destroy(),
  };
};

/** A moment as far away as a test's patience. */
export const inTenSeconds = () => ({ atMs: systemClock.monotonicMs() + 10_000 });

/** Opens a connection as the order store does. */
export const openOurs = (
  node: { readonly host: string; readonly port: number },
  account: Account,
): Promise<Connection> =>
  openConnection(
    node,
    { user: account.user, password: account.password.reveal(), database: 'tillmesh' },
    inTenSeconds(),
    systemClock,
  );

/** What became of a write of the order store: `OK` with the rows it affected, or the code with its certainty. */
export const outcomeOf = (work: Promise<Answer>): Promise<string> =>
  work.then(
    ({ affectedRows }) => `OK ${affectedRows}`,
    (error: unknown) => {
      if (!(error instanceof DatabaseError)) throw error;
      return `${error.code} ${error.certainty}`;
    },
  );

/** What the order store makes of a failure. */
export type Reading = Pick<DatabaseError, 'code' | 'certainty' | 'duplicateKey'>;

/** Awaits a failure and tells how it is read; throws where nothing failed. */
export const readingOf = async (work: Promise<unknown>): Promise<Reading> => {
  const failure = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof DatabaseError)) throw new Error('it did not fail', { cause: failure });
  const { code, certainty, duplicateKey } = failure;
  return { code, certainty, duplicateKey };
};
