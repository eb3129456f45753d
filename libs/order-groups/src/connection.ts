import type { Clock } from '@tillmesh/clock';
import { SpanKind, withSpan } from '@tillmesh/telemetry';
import mysql, { type ResultSetHeader, type RowDataPacket, type TypedParameterValue } from 'mysql2';
import { DatabaseError, OWN_CODES, toDatabaseError } from './database-error.ts';
import type { Endpoint } from './group-map.ts';

/** A constant statement. `summary` is its name in traces, such as `INSERT payment`. */
export type Statement = {
  readonly summary: string;
  readonly sql: string;
  /** Sent as text: DDL and transaction control cannot be prepared everywhere. */
  readonly text?: true;
};

export type Parameter = string | number | null | Buffer | TypedParameterValue;
export type Row = Readonly<Record<string, unknown>>;
export type Answer = { readonly rows: readonly Row[]; readonly affectedRows: number };

export type Account = { readonly user: string; readonly password: string; readonly database: string };

/** A moment on Clock.monotonicMs by which something has to be done. */
export type Deadline = { readonly atMs: number };

/** A 64-bit number as a parameter; a JavaScript number would travel as a double. */
export const bigintParameter = (value: bigint): TypedParameterValue => mysql.TypedParameter.LONGLONG.unsigned(value);

/** One connection to one server; one statement at a time. */
export type Connection = {
  readonly endpoint: Endpoint;
  /** False once it was cut or broke; it must not be used again. */
  usable(): boolean;
  /**
   * Runs a statement. At the deadline the socket is cut: the server may still finish the statement.
   *
   * @throws {DatabaseError}
   */
  run(statement: Statement, parameters: readonly Parameter[], deadline: Deadline): Promise<Answer>;
  /** Cuts the socket at once; mysql2's own destroy() would let a running statement end. */
  cut(): void;
};

const CONNECT_MS_MAX = 300;

/**
 * Opens a connection within the deadline, 300 ms at most.
 *
 * @throws {DatabaseError} certainly not written.
 */
export const openConnection = async (
  endpoint: Endpoint,
  account: Account,
  deadline: Deadline,
  clock: Clock,
): Promise<Connection> => {
  const leftMs = deadline.atMs - clock.monotonicMs();
  if (leftMs <= 0) throw new DatabaseError(OWN_CODES.noTimeLeft, 'not_written');
  const raw = mysql.createConnection({
    host: endpoint.host,
    port: endpoint.port,
    user: account.user,
    password: account.password,
    database: account.database,
    connectTimeout: Math.max(1, Math.floor(Math.min(leftMs, CONNECT_MS_MAX))),
    // LOAD DATA LOCAL would let a server read our files.
    flags: ['-LOCAL_FILES'],
    supportBigNumbers: true,
    bigNumberStrings: true,
    timezone: 'Z',
    charset: 'utf8mb4',
    // The server's limit on prepared statements is shared by all connections; ours are a few dozen constants.
    maxPreparedStatements: 64,
    multipleStatements: false,
    enableKeepAlive: true,
  });
  let usable = true;
  const cut = () => {
    usable = false;
    const { stream } = raw as unknown as { stream: { destroy(): void } };
    stream.destroy();
  };
  // Without a listener a broken idle connection would end the process.
  raw.on('error', () => {
    usable = false;
  });
  raw.on('end', () => {
    usable = false;
  });
  await new Promise<void>((resolve, reject) => {
    const cancel = clock.after(Math.min(leftMs, CONNECT_MS_MAX) + 20, () => {
      cut();
      reject(new DatabaseError(OWN_CODES.timeUp, 'not_written'));
    });
    raw.connect((error) => {
      cancel();
      if (error === null) resolve();
      else {
        cut();
        reject(toDatabaseError(error, false));
      }
    });
  });

  const attributes = {
    'db.system.name': isMariadb(raw) ? 'mariadb' : 'mysql',
    'db.namespace': account.database,
    'server.address': endpoint.host,
    'server.port': endpoint.port,
  };
  const execute = (statement: Statement, parameters: readonly Parameter[], deadlineMs: number): Promise<Answer> =>
    new Promise((resolve, reject) => {
      if (!usable) {
        reject(new DatabaseError(OWN_CODES.closed, 'not_written'));
        return;
      }
      const statementLeftMs = deadlineMs - clock.monotonicMs();
      if (statementLeftMs <= 0) {
        reject(new DatabaseError(OWN_CODES.noTimeLeft, 'not_written'));
        return;
      }
      const cancel = clock.after(statementLeftMs, () => {
        cut();
        reject(new DatabaseError(OWN_CODES.timeUp, 'ambiguous'));
      });
      const done = (error: unknown, result: unknown) => {
        cancel();
        if (error === null || error === undefined) resolve(toAnswer(result));
        else {
          const failure = toDatabaseError(error, true);
          if (!failure.isRefusal && failure.certainty === 'ambiguous') cut();
          reject(failure);
        }
      };
      if (statement.text === true) raw.query(statement.sql, [...parameters], done);
      else raw.execute(statement.sql, [...parameters], done);
    });

  return {
    endpoint,
    usable: () => usable,
    cut,
    run: (statement, parameters, statementDeadline) =>
      withSpan(
        statement.summary,
        {
          kind: SpanKind.CLIENT,
          attributes: {
            ...attributes,
            'db.query.summary': statement.summary,
            // Statements are constants with placeholders: no value ever stands in the text.
            'db.query.text': statement.sql,
          },
        },
        () => execute(statement, parameters, statementDeadline.atMs),
      ),
  };
};

/** What the server's greeting says; only traces show it. */
const isMariadb = (raw: mysql.Connection): boolean =>
  (raw as unknown as { readonly _isMariaDB?: boolean })._isMariaDB === true;

const toAnswer = (result: unknown): Answer => {
  if (Array.isArray(result)) {
    return { rows: result as RowDataPacket[], affectedRows: 0 };
  }
  return { rows: [], affectedRows: (result as ResultSetHeader).affectedRows };
};
