import { type Clock, repeat } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import { gauge, type Log, withoutSpans, withSpan } from '@tillmesh/telemetry';
import { type CircuitConfig, type CircuitState, GroupCircuit } from './circuit.ts';
import { optionalText } from './columns.ts';
import type { Account, Connection, Deadline } from './connection.ts';
import { type ConnectionPool, createConnectionPool, type PoolLimits } from './connection-pool.ts';
import { DatabaseError, OWN_CODES, toDatabaseError } from './database-error.ts';
import { mariadb, type NodeFacts } from './dialect.ts';
import type { GroupDescription } from './group-map.ts';
import { createHeartbeat, type Heartbeat } from './heartbeat.ts';
import { HEARTBEAT, SELECT_EPOCH } from './order-statements.ts';

export type GroupClientConfig = {
  readonly pool: PoolLimits;
  readonly circuit: CircuitConfig;
  /** Between looks at every node, ms. */
  readonly monitorEveryMs: number;
  /** The budget of any one statement that is not part of a larger budget, ms. */
  readonly statementMsMax: number;
};

export type GroupStatus = {
  readonly tag: GroupTag;
  readonly state: GroupDescription['state'];
  readonly circuit: CircuitState;
  readonly primary: string;
  readonly replicas: readonly string[];
  readonly semiSyncOn: boolean;
  readonly note: string;
  readonly recentFailures: number;
};

type Node = {
  readonly name: string;
  readonly pool: ConnectionPool;
  readonly heartbeat: Heartbeat;
  facts: NodeFacts | undefined;
  epoch: string;
  unsafe: string;
};

const openGauge = gauge('tillmesh_order_group_avoided', '1 while new orders avoid the group.', ['group']);

/** One order group: who is primary, whether new orders may come, and ways to write and to read. */
export type GroupClient = {
  readonly tag: GroupTag;
  /** True while new orders may be tried here. */
  admitsNewOrders(): boolean;
  /** The fence that new orders carry: a writer that holds an old map misses it. */
  epoch(): string;
  /** Runs `work` at the primary. Failures that speak of the group's health are counted. */
  write<T>(deadline: Deadline, work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Runs a read at the primary, or at a replica while the primary is away. */
  read<T>(
    deadline: Deadline,
    work: (connection: Connection) => Promise<T>,
  ): Promise<{ readonly value: T; readonly fromReplica: boolean }>;
  /** Runs a read at any replica first; at the primary where none answers. For readers that may be a moment late. */
  readNearby<T>(
    deadline: Deadline,
    work: (connection: Connection) => Promise<T>,
  ): Promise<{ readonly value: T; readonly fromReplica: boolean }>;
  /** A read at the primary that an acknowledged write at the same node confirms. */
  readConfirmed<T>(deadline: Deadline, work: (connection: Connection) => Promise<T>): Promise<T>;
  /** A read at all nodes but one, each drained: an acknowledged write is on two, so one of them shows it. Undefined where fewer answer. */
  readQuorum<T>(deadline: Deadline, work: (connection: Connection) => Promise<T>): Promise<readonly T[] | undefined>;
  status(): GroupStatus;
  /** Looks at every node once. */
  look(): Promise<void>;
  close(): void;
};

/**
 * How many nodes a quorum read has to hear: any so many include one of the two that hold an acknowledged write (the primary and
 * the replica that acknowledged). 2 of 3, 4 of 5; never fewer than 2.
 */
export const quorumOf = (nodeCount: number): number => Math.max(2, nodeCount - 1);

/** Creates the client of a group and starts to watch it. */
export const createGroupClient = (options: {
  readonly group: GroupDescription;
  readonly account: Account;
  readonly config: GroupClientConfig;
  /** Undefined for readers: they write nothing, not even a heartbeat. */
  readonly workerId: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}): GroupClient => {
  const { group, account, config, workerId, clock, log } = options;
  const circuit = new GroupCircuit(config.circuit, clock);
  const stop = new AbortController();
  const within = (ms: number): Deadline => ({ atMs: clock.monotonicMs() + ms });

  const nodes = group.endpoints.map((endpoint): Node => {
    const limits = { ...config.pool };
    const pool = createConnectionPool({ endpoint, account, limits, clock });
    const write = async () => {
      const { affectedRows } = await pool.use(within(config.statementMsMax), (connection) =>
        connection.run(HEARTBEAT, [workerId ?? null, clock.nowMs()], within(config.statementMsMax)),
      );
      if (affectedRows === 0) throw new DatabaseError(OWN_CODES.fenced, 'not_written');
    };
    return {
      name: `${endpoint.host}:${endpoint.port}`,
      pool,
      heartbeat: createHeartbeat(write, clock),
      facts: undefined,
      epoch: '0',
      unsafe: '',
    };
  });
  let primary: Node | undefined;

  const lookAt = async (node: Node): Promise<void> => {
    const deadline = within(config.statementMsMax);
    try {
      await node.pool.use(deadline, async (connection) => {
        const before = node.facts;
        const facts = await mariadb.factsOf(connection, deadline);
        const { rows } = await connection.run(SELECT_EPOCH, [], deadline);
        node.epoch = optionalText(rows[0], 'epoch') ?? '0';
        node.facts = facts;
        node.unsafe = facts.readOnly ? '' : unsafeReason(before, facts);
      });
      await node.pool.warm(deadline);
    } catch {
      node.facts = undefined;
    }
  };

  const choosePrimary = (): void => {
    const writable = nodes.filter((node) => node.facts?.readOnly === false);
    // Two writable nodes: one of them was replaced and does not know it. Nobody but an operator can tell which.
    const next = writable.length === 1 ? writable[0] : undefined;
    if (writable.length > 1)
      log.error({ group: group.tag, nodes: writable.map(({ name }) => name) }, 'two writable nodes');
    if (next !== primary) {
      log.info({ group: group.tag, from: primary?.name ?? 'none', to: next?.name ?? 'none' }, 'primary changed');
      primary?.pool.recycle();
      primary = next;
      if (next !== undefined) circuit.requireProbe('a new primary has to prove that it can be written');
    }
  };

  const probe = async (): Promise<void> => {
    if (workerId === undefined || circuit.state !== 'open' || primary === undefined || primary.unsafe !== '') return;
    circuit.beginProbe();
    try {
      await primary.heartbeat.confirm();
      circuit.probeSucceeded();
      log.info({ group: group.tag }, 'the group takes new orders again');
    } catch (error) {
      circuit.probeFailed(toDatabaseError(error, true).code);
    }
  };

  let looking: Promise<void> | undefined;
  const look = (): Promise<void> => {
    looking ??= (async () => {
      await Promise.all(nodes.map(lookAt));
      choosePrimary();
      await probe();
      openGauge.set({ group: String(group.tag) }, admitsNewOrders() ? 0 : 1);
    })().finally(() => {
      looking = undefined;
    });
    return looking;
  };

  const admitsNewOrders = (): boolean =>
    group.state === 'open' && circuit.state === 'closed' && primary !== undefined && primary.unsafe === '';

  /** The next look would come in a second; what just failed is worth one now. */
  const lookSoon = (): void => {
    if (stop.signal.aborted) return;
    withoutSpans(look).catch((error: unknown) =>
      log.error({ err: error, group: group.tag }, 'could not look at the group'),
    );
  };

  const noteFailure = (error: unknown): DatabaseError => {
    const failure = toDatabaseError(error, true);
    if (!failure.isRefusal && failure.code !== OWN_CODES.fenced) {
      if (circuit.recordFailure(failure.code)) {
        log.warn({ group: group.tag, code: failure.code }, 'new orders avoid the group');
      }
      lookSoon();
    }
    return failure;
  };

  const primaryNode = (): Node => {
    if (primary === undefined) throw new DatabaseError(OWN_CODES.noPrimary, 'not_written');
    return primary;
  };

  const atPrimary = async <T>(deadline: Deadline, work: (connection: Connection) => Promise<T>): Promise<T> => {
    try {
      return await primaryNode().pool.use(deadline, work);
    } catch (error) {
      // What is not the database's error is the caller's own: it passes.
      throw error instanceof DatabaseError ? noteFailure(error) : error;
    }
  };

  const atAnyOf = async <T>(
    candidates: readonly Node[],
    deadline: Deadline,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> => {
    let last: unknown = new DatabaseError(OWN_CODES.noPrimary, 'not_written');
    for (const node of candidates) {
      try {
        return await node.pool.use(deadline, work);
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        last = error;
      }
    }
    throw last;
  };

  const noteOf = (): string => {
    if (primary === undefined) return 'no single writable node';
    if (primary.unsafe !== '') return primary.unsafe;
    return circuit.state === 'closed' ? '' : circuit.lastFailure;
  };

  const replicas = (): Node[] => nodes.filter((node) => node !== primary && node.facts !== undefined);

  const drainedRead = async <T>(
    node: Node,
    deadline: Deadline,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> =>
    node.pool.use(deadline, async (connection) => {
      const waitMs = Math.max(0, deadline.atMs - clock.monotonicMs() - 20);
      if (!(await mariadb.drain(connection, waitMs, deadline))) {
        throw new DatabaseError(OWN_CODES.timeUp, 'not_written');
      }
      return work(connection);
    });

  repeat({
    clock,
    everyMs: config.monitorEveryMs,
    signal: stop.signal,
    task: () => withoutSpans(look),
    onError: (error) => log.error({ err: error, group: group.tag }, 'could not look at the group'),
  }).catch((error: unknown) => log.error({ err: error, group: group.tag }, 'the watch over the group ended'));

  return {
    tag: group.tag,
    admitsNewOrders,
    epoch: () => primary?.epoch ?? '0',
    write: atPrimary,
    read: async (deadline, work) => {
      const half = { atMs: (clock.monotonicMs() + deadline.atMs) / 2 };
      try {
        return { value: await atPrimary(replicas().length === 0 ? deadline : half, work), fromReplica: false };
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        return { value: await atAnyOf(replicas(), deadline, work), fromReplica: true };
      }
    },
    readNearby: async (deadline, work) => {
      const half = { atMs: (clock.monotonicMs() + deadline.atMs) / 2 };
      try {
        return { value: await atAnyOf(replicas(), half, work), fromReplica: true };
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        return { value: await atPrimary(deadline, work), fromReplica: false };
      }
    },
    readConfirmed: (deadline, work) =>
      withSpan('confirmed read', { attributes: { 'tillmesh.group': group.tag } }, async () => {
        const node = primaryNode();
        try {
          // Both begin now, at the same node; either may end first.
          const [, value] = await Promise.all([node.heartbeat.confirm(), node.pool.use(deadline, work)]);
          return value;
        } catch (error) {
          throw error instanceof DatabaseError ? noteFailure(error) : error;
        }
      }),
    readQuorum: (deadline, work) =>
      withSpan('quorum read', { attributes: { 'tillmesh.group': group.tag } }, () =>
        firstOf(
          quorumOf(nodes.length),
          nodes.map((node) => drainedRead(node, deadline, work)),
        ),
      ),
    status: () => ({
      tag: group.tag,
      state: group.state,
      circuit: circuit.state,
      primary: primary?.name ?? '',
      replicas: replicas().map(({ name }) => name),
      semiSyncOn: primary?.facts?.semiSyncOn ?? false,
      note: noteOf(),
      recentFailures: circuit.recentFailures(),
    }),
    look,
    close: () => {
      stop.abort(new Error('the group client was closed'));
      for (const node of nodes) node.pool.close();
    },
  };
};

const unsafeReason = (before: NodeFacts | undefined, now: NodeFacts): string => {
  if (!now.semiSyncOn) return 'semi-sync is off: an acknowledged order could be lost';
  if (now.semiSyncClients === 0) return 'no replica acknowledges';
  if (before !== undefined && now.unacknowledgedCommits > before.unacknowledgedCommits) {
    return 'commits were acknowledged without a replica';
  }
  return '';
};

/** The first `count` values, in order of arrival; undefined when too few promises are fulfilled. */
const firstOf = <T>(count: number, promises: readonly Promise<T>[]): Promise<readonly T[] | undefined> =>
  new Promise((resolve) => {
    const values: T[] = [];
    let left = promises.length;
    const settled = () => {
      left -= 1;
      if (values.length >= count) resolve(values);
      else if (left === 0) resolve(undefined);
    };
    for (const promise of promises) {
      promise.then(
        (value) => {
          values.push(value);
          settled();
        },
        () => settled(),
      );
    }
  });
