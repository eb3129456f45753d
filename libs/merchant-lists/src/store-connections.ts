import type { Clock } from '@tillmesh/clock';
import {
  type Connection,
  type ConnectionPool,
  connectToPrimary,
  createConnectionPool,
  DatabaseError,
  type Deadline,
  isWritable,
  OWN_CODES,
  type Statement,
} from '@tillmesh/order-groups';
import type { ListStoreConfig } from './store-config.ts';
import { createDatabase } from './store-schema.ts';

/** Connections to the one server of the store that can be written: it shows what was written last as well. */
export type StoreConnections = {
  /** Lends a connection to `work`. The work must end by the deadline that it gets. @throws {DatabaseError} */
  use<T>(work: (connection: Connection, deadline: Deadline) => Promise<T>): Promise<T>;
  /** A connection of its own for work that takes long; its user cuts it. */
  open(deadline: Deadline): Promise<Connection>;
  /** Makes schema and tables where they are missing. */
  prepare(): Promise<void>;
  close(): void;
};

const BUSY: ReadonlySet<string> = new Set([OWN_CODES.poolFull, 'ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT']);
const IDLE_MIN = 1;
const PREPARE_MS_MAX = 20_000;

/**
 * Creates the connections; nothing is opened yet.
 *
 * @param tables what `prepare` makes; each statement changes nothing where its table is there.
 */
export const createStoreConnections = (
  config: ListStoreConfig,
  tables: readonly Statement[],
  clock: Clock,
): StoreConnections => {
  const { endpoints, connectionsMax, waitersMax, statementMsMax, user, database } = config;
  const account = { user, password: config.password.reveal(), database };
  const limits = { connectionsMax, waitersMax, waitMsMax: statementMsMax, idleMin: IDLE_MIN };
  const pools = endpoints.map((endpoint) => createConnectionPool({ endpoint, account, limits, clock }));
  let primary: ConnectionPool | undefined;
  const within = (ms: number): Deadline => ({ atMs: clock.monotonicMs() + ms });

  /** Asks all at once: a server that does not answer must not use up the time of the others. */
  const findPrimary = async (deadline: Deadline): Promise<ConnectionPool> => {
    const found = await Promise.any(
      pools.map(async (pool) => {
        if (await pool.use(deadline, (connection) => isWritable(connection, deadline))) return pool;
        throw new DatabaseError(OWN_CODES.noPrimary, 'not_written');
      }),
    ).catch((error: unknown) => {
      throw error instanceof AggregateError ? (error.errors.at(-1) as unknown) : error;
    });
    primary = found;
    return found;
  };

  const openWritable = (deadline: Deadline, schema: string): Promise<Connection> =>
    connectToPrimary(endpoints, { ...account, database: schema }, clock, deadline);

  return {
    use: async (work) => {
      const deadline = within(statementMsMax);
      const pool = primary ?? (await findPrimary(deadline));
      try {
        return await pool.use(deadline, (connection) => work(connection, deadline));
      } catch (error) {
        // It may have been a change of the primary, unless the server was only busy.
        if (error instanceof DatabaseError && !BUSY.has(error.code)) {
          primary = undefined;
          pool.recycle();
        }
        throw error;
      }
    },
    open: (deadline) => openWritable(deadline, database),
    prepare: async () => {
      const deadline = within(PREPARE_MS_MAX);
      // Without a schema: it may not be there yet.
      const connection = await openWritable(deadline, '');
      try {
        await connection.run(createDatabase(database), [], deadline);
      } finally {
        connection.cut();
      }
      const inside = await openWritable(deadline, database);
      try {
        for (const table of tables) await inside.run(table, [], deadline);
      } finally {
        inside.cut();
      }
    },
    close: () => {
      for (const pool of pools) pool.close();
    },
  };
};
