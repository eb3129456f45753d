import type { Cancel, Clock } from '@tillmesh/clock';
import { type Account, type Connection, type Deadline, openConnection } from './connection.ts';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import type { Endpoint } from './group-map.ts';

export type PoolLimits = {
  /** Connections to one server at once. */
  readonly connectionsMax: number;
  /** Callers that wait for a connection; more are refused at once. */
  readonly waitersMax: number;
  /** The longest wait for a connection, ms. */
  readonly waitMsMax: number;
  /** Idle connections that are kept open, so that a sudden need (a jump, a quorum read) does not wait for handshakes. */
  readonly idleMin: number;
};

/**
 * Connections to one server. mysql2's own pool has no deadline for waiting callers and no bound on their number, and keeps
 * a connection whose statement timed out; here permits have both, and what timed out is cut.
 */
export type ConnectionPool = {
  readonly endpoint: Endpoint;
  /**
   * Lends a connection to `work` within the deadline.
   *
   * @throws {DatabaseError} not_written when no connection could be had.
   */
  use<T>(deadline: Deadline, work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Opens connections until `idleMin` are idle. Failures are silent: whoever watches the server notices them otherwise. */
  warm(deadline: Deadline): Promise<void>;
  /** Cuts idle connections, and those lent out as they come back: after a promotion they lead to the wrong server. */
  recycle(): void;
  /** Since a loan last came back well, ms; Infinity where none ever did. */
  sinceServedMs(): number;
  close(): void;
};

type Waiter = { readonly admit: () => void };

/** Creates a pool; nothing is opened yet. */
export const createConnectionPool = (options: {
  readonly endpoint: Endpoint;
  readonly account: Account;
  readonly limits: PoolLimits;
  readonly clock: Clock;
}): ConnectionPool => {
  const { endpoint, account, limits, clock } = options;
  const idle: Connection[] = [];
  const waiters: Waiter[] = [];
  let lent = 0;
  let servedAtMs = Number.NEGATIVE_INFINITY;
  let generation = 0;
  let closed = false;

  const takePermit = async (deadline: Deadline): Promise<void> => {
    if (lent < limits.connectionsMax) {
      lent += 1;
      return;
    }
    if (waiters.length >= limits.waitersMax) throw new DatabaseError(OWN_CODES.poolFull, 'not_written');
    const waitMs = Math.min(limits.waitMsMax, deadline.atMs - clock.monotonicMs());
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        admit: () => {
          cancel();
          resolve();
        },
      };
      const cancel: Cancel = clock.after(waitMs, () => {
        waiters.splice(waiters.indexOf(waiter), 1);
        reject(new DatabaseError(OWN_CODES.poolFull, 'not_written'));
      });
      waiters.push(waiter);
    });
  };

  const releasePermit = () => {
    const next = waiters.shift();
    // The permit passes on to the next in line.
    if (next !== undefined) next.admit();
    else lent -= 1;
  };

  const takeIdle = (): Connection | undefined => {
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.usable()) return connection;
    }
    return undefined;
  };

  const giveBack = (connection: Connection, ofGeneration: number) => {
    if (!connection.usable()) return;
    if (closed || ofGeneration !== generation) connection.cut();
    else idle.push(connection);
  };

  return {
    endpoint,
    use: async (deadline, work) => {
      if (closed) throw new DatabaseError(OWN_CODES.closed, 'not_written');
      await takePermit(deadline);
      try {
        const ofGeneration = generation;
        const connection = takeIdle() ?? (await openConnection(endpoint, account, deadline, clock));
        try {
          const answer = await work(connection);
          servedAtMs = clock.monotonicMs();
          return answer;
        } finally {
          giveBack(connection, ofGeneration);
        }
      } finally {
        releasePermit();
      }
    },
    warm: async (deadline) => {
      const missing =
        Math.min(limits.idleMin, limits.connectionsMax - lent) - idle.filter((one) => one.usable()).length;
      await Promise.all(
        Array.from({ length: Math.max(0, missing) }, async () => {
          const ofGeneration = generation;
          const opened = await openConnection(endpoint, account, deadline, clock).catch(() => undefined);
          if (opened === undefined) return;
          // Others may have opened theirs in the meantime.
          if (lent + idle.length < limits.connectionsMax) giveBack(opened, ofGeneration);
          else opened.cut();
        }),
      );
    },
    recycle: () => {
      generation += 1;
      for (const connection of idle.splice(0)) connection.cut();
    },
    sinceServedMs: () => clock.monotonicMs() - servedAtMs,
    close: () => {
      closed = true;
      for (const connection of idle.splice(0)) connection.cut();
    },
  };
};
