import type { Clock } from '@tillmesh/clock';
import { type Claims, createClaimReader } from './claim-reader.ts';
import { optionalText, optionalWhole } from './columns.ts';
import { type Confirmations, createConfirmations } from './confirmations.ts';
import type { Account, Connection, Deadline } from './connection.ts';
import { type ConnectionPool, createConnectionPool, type PoolLimits } from './connection-pool.ts';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import { anyDialect, type NodeFacts } from './dialect.ts';
import type { Endpoint } from './group-map.ts';
import { HEARTBEAT, SELECT_EPOCH, SELECT_LATEST_HEARTBEAT } from './group-statements.ts';
import { unsafeReason } from './node-safety.ts';

/** What a node said when it was looked at last. */
export type NodeView = {
  readonly facts: NodeFacts;
  /** The map whose writers it lets write new orders. */
  readonly mapVersion: number;
  /** False where nothing changes here any more. */
  readonly takesChanges: boolean;
  /** Why an acknowledged write could be lost here; empty when it is safe. */
  readonly unsafe: string;
  /** How old the latest heartbeat is that it shows, ms; undefined where there is none. */
  readonly staleMs: number | undefined;
};

/** One server of a group. */
export type GroupNode = {
  readonly name: string;
  readonly pool: ConnectionPool;
  readonly confirmations: Confirmations;
  readonly claims: Claims;
  /** Undefined while it does not answer. */
  view(): NodeView | undefined;
  /** Writes a heartbeat, by which everybody sees how far replicas are behind. */
  beat(): Promise<void>;
  /** Looks at it, and keeps connections warm. */
  look(deadline: Deadline): Promise<void>;
  close(): void;
};

const NO_SCHEMA = 'the group has no schema; bring it there with npm run groups -- schema --migrate';

/** Creates a node; nothing is asked yet. */
export const createGroupNode = (options: {
  readonly endpoint: Endpoint;
  readonly account: Account;
  readonly limits: PoolLimits;
  readonly statementMsMax: number;
  /** Names this instance's heartbeat row; undefined for readers, which write none. */
  readonly instanceId: number | undefined;
  readonly clock: Clock;
}): GroupNode => {
  const { endpoint, account, limits, statementMsMax, instanceId, clock } = options;
  const pool = createConnectionPool({ endpoint, account, limits, clock });
  const within = (): Deadline => ({ atMs: clock.monotonicMs() + statementMsMax });
  let view: NodeView | undefined;
  // Kept while the node does not answer: what grew meanwhile has grown.
  let lastFacts: NodeFacts | undefined;

  const beat = async (): Promise<void> => {
    const deadline = within();
    const { affectedRows } = await pool.use(deadline, (connection) =>
      connection.run(HEARTBEAT, [instanceId ?? null, clock.nowMs()], deadline),
    );
    if (affectedRows === 0) throw new DatabaseError(OWN_CODES.fenced, 'not_written');
  };

  /** Undefined where the schema is not there yet. */
  const readState = async (connection: Connection, deadline: Deadline) => {
    try {
      const { rows: epochs } = await connection.run(SELECT_EPOCH, [], deadline);
      const { rows: beats } = await connection.run(SELECT_LATEST_HEARTBEAT, [], deadline);
      return { epochs, beats };
    } catch (error) {
      if (error instanceof DatabaseError && error.code === 'ER_NO_SUCH_TABLE') return undefined;
      throw error;
    }
  };

  const look = async (deadline: Deadline): Promise<void> => {
    try {
      await pool.use(deadline, async (connection) => {
        const facts = await anyDialect.factsOf(connection, deadline);
        const state = await readState(connection, deadline);
        if (state === undefined) {
          view = { facts, mapVersion: 0, takesChanges: false, unsafe: NO_SCHEMA, staleMs: undefined };
          return;
        }
        const { epochs, beats } = state;
        const beatAtMs = optionalWhole(beats[0], 'beat_at');
        view = {
          facts,
          mapVersion: optionalWhole(epochs[0], 'map_version') ?? 0,
          takesChanges: optionalText(epochs[0], 'mode') === 'RW',
          unsafe: facts.readOnly ? '' : unsafeReason(lastFacts, facts),
          staleMs: beatAtMs === undefined ? undefined : Math.max(0, clock.nowMs() - beatAtMs),
        };
        lastFacts = facts;
      });
      await pool.warm(deadline);
    } catch {
      view = undefined;
    }
  };

  return {
    name: `${endpoint.host}:${endpoint.port}`,
    pool,
    confirmations: createConfirmations(beat, clock),
    claims: createClaimReader(pool, statementMsMax, clock),
    view: () => view,
    beat,
    look,
    close: () => pool.close(),
  };
};
