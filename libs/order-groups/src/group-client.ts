import { type Clock, repeat } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import { gauge, type Log, withoutSpans, withSpan } from '@tillmesh/telemetry';
import { type CircuitConfig, type CircuitState, GroupCircuit } from './circuit.ts';
import type { Account, Connection, Deadline } from './connection.ts';
import type { PoolLimits } from './connection-pool.ts';
import { DatabaseError, OWN_CODES, toDatabaseError } from './database-error.ts';
import { anyDialect } from './dialect.ts';
import type { GroupDescription, GroupState } from './group-map.ts';
import { createGroupNode, type GroupNode } from './group-node.ts';
import type { Claim, MerchantOrder } from './order-group.ts';

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
  readonly state: GroupState;
  readonly circuit: CircuitState;
  readonly primary: string;
  readonly replicas: readonly string[];
  readonly semiSyncOn: boolean;
  /** The map whose writers the primary lets write new orders; 0 while there is no primary. */
  readonly mapVersion: number;
  readonly note: string;
  readonly recentFailures: number;
};

const openGauge = gauge('tillmesh_order_group_avoided', '1 while new orders avoid the group.', ['group']);
const staleGauge = gauge(
  'tillmesh_replica_stale_ms',
  'How old the latest heartbeat is that the freshest replica of a group shows.',
  ['group'],
);

/** A value with where it comes from. */
export type ReadFrom<T> = {
  readonly value: T;
  readonly fromReplica: boolean;
  /** How old it may be, ms; 0 from a primary, undefined where nobody knows. */
  readonly staleMs: number | undefined;
};

type Work<T> = (connection: Connection) => Promise<T>;

/** One order group: who is primary, whether new orders may come, and ways to write and to read. */
export type GroupClient = {
  readonly tag: GroupTag;
  /** True while new orders may be tried here. */
  admitsNewOrders(): boolean;
  /** What the map says of it. */
  state(): GroupState;
  setState(state: GroupState): void;
  /** The map whose writers the primary admitted when it was looked at; 0 while there is no primary. */
  mapVersion(): number;
  /**
   * Runs `work` at the primary. Failures that speak of the group's health are counted.
   *
   * @param isWritten whether the answer says that rows were written: such a write confirms readers as well.
   */
  write<T>(deadline: Deadline, work: Work<T>, isWritten?: (answer: T) => boolean): Promise<T>;
  /** Runs a read at the primary, or at a replica while the primary is away. */
  read<T>(deadline: Deadline, work: Work<T>): Promise<ReadFrom<T>>;
  /** Runs a read at any replica first; at the primary where none answers. For readers that may be a moment late. */
  readNearby<T>(deadline: Deadline, work: Work<T>): Promise<ReadFrom<T>>;
  /** A read at the primary that an acknowledged write at the same node confirms. */
  readConfirmed<T>(deadline: Deadline, work: Work<T>): Promise<T>;
  /** A claim, confirmed alike; under load many are read by one statement. */
  readClaimConfirmed(of: MerchantOrder, deadline: Deadline): Promise<Claim | undefined>;
  /** A read at all nodes but one, each drained: an acknowledged write is on two, so one of them shows it. Undefined where fewer answer. */
  readQuorum<T>(deadline: Deadline, work: Work<T>): Promise<readonly T[] | undefined>;
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

const DRAIN_MARGIN_MS = 20;
/** Staleness is measured by heartbeats: it cannot be known better than so. */
const BEAT_EVERY_MS = 1_000;

/** Creates the client of a group and starts to watch it. */
export const createGroupClient = (options: {
  readonly group: GroupDescription;
  readonly account: Account;
  readonly config: GroupClientConfig;
  /** Names this instance's heartbeats; undefined for readers: they write nothing. */
  readonly instanceId: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}): GroupClient => {
  const { group, account, config, instanceId, clock, log } = options;
  const { statementMsMax } = config;
  const circuit = new GroupCircuit(config.circuit, clock);
  const stop = new AbortController();
  const within = (ms: number): Deadline => ({ atMs: clock.monotonicMs() + ms });
  const nodes = group.endpoints.map((endpoint) =>
    createGroupNode({ endpoint, account, limits: config.pool, statementMsMax, instanceId, clock }),
  );
  let { state } = group;
  let primary: GroupNode | undefined;

  const choosePrimary = (): void => {
    const writable = nodes.filter((node) => node.view()?.facts.readOnly === false);
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

  const unsafe = (): string => primary?.view()?.unsafe ?? 'no single writable node';

  const probe = async (): Promise<void> => {
    if (instanceId === undefined || circuit.state !== 'open' || unsafe() !== '') return;
    circuit.beginProbe();
    try {
      await primaryNode().confirmations.confirm();
      circuit.probeSucceeded();
      log.info({ group: group.tag }, 'the group takes new orders again');
    } catch (error) {
      circuit.probeFailed(toDatabaseError(error, true).code);
    }
  };

  let beatAtMs = Number.NEGATIVE_INFINITY;
  const beatNowAndThen = async (): Promise<void> => {
    const nowMs = clock.monotonicMs();
    if (instanceId === undefined || circuit.state !== 'closed' || unsafe() !== '' || nowMs - beatAtMs < BEAT_EVERY_MS)
      return;
    beatAtMs = nowMs;
    await primaryNode().beat().catch(noteFailure);
  };

  let looking: Promise<void> | undefined;
  const look = (): Promise<void> => {
    looking ??= (async () => {
      const deadline = within(statementMsMax);
      await Promise.all(nodes.map((node) => node.look(deadline)));
      choosePrimary();
      await probe();
      await beatNowAndThen();
      openGauge.set({ group: String(group.tag) }, admitsNewOrders() ? 0 : 1);
      const stale = replicas().flatMap((node) => node.view()?.staleMs ?? []);
      if (stale.length > 0) staleGauge.set({ group: String(group.tag) }, Math.min(...stale));
    })().finally(() => {
      looking = undefined;
    });
    return looking;
  };

  const admitsNewOrders = (): boolean => state === 'open' && circuit.state === 'closed' && unsafe() === '';

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

  const primaryNode = (): GroupNode => {
    if (primary === undefined) throw new DatabaseError(OWN_CODES.noPrimary, 'not_written');
    return primary;
  };

  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      // What is not the database's error is the caller's own: it passes.
      throw error instanceof DatabaseError ? noteFailure(error) : error;
    }
  };

  const atAnyOf = async <T>(candidates: readonly GroupNode[], deadline: Deadline, work: Work<T>) => {
    let last: unknown = new DatabaseError(OWN_CODES.noPrimary, 'not_written');
    for (const node of candidates) {
      try {
        const value = await node.pool.use(deadline, work);
        return { value, fromReplica: node !== primary, staleMs: node === primary ? 0 : node.view()?.staleMs };
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        last = error;
      }
    }
    throw last;
  };

  /** The freshest first: a replica that lags is asked only where nobody else answers. */
  const replicas = (): GroupNode[] =>
    nodes
      .filter((node) => node !== primary && node.view() !== undefined)
      .sort((a, b) => (a.view()?.staleMs ?? Infinity) - (b.view()?.staleMs ?? Infinity));

  const drainedRead = async <T>(node: GroupNode, deadline: Deadline, work: Work<T>): Promise<T> =>
    node.pool.use(deadline, async (connection) => {
      const waitMs = Math.max(0, deadline.atMs - clock.monotonicMs() - DRAIN_MARGIN_MS);
      if (!(await anyDialect.drain(connection, waitMs, deadline))) {
        throw new DatabaseError(OWN_CODES.timeUp, 'not_written');
      }
      return work(connection);
    });

  /** Both begin now, at the same node; either may end first. */
  const confirmed = <T>(deadline: Deadline, readAt: (node: GroupNode) => Promise<T>): Promise<T> =>
    withSpan('confirmed read', { attributes: { 'tillmesh.group': group.tag } }, () =>
      counted(async () => {
        const node = primaryNode();
        const both = Promise.all([readAt(node), node.confirmations.confirm()]);
        const [value] = await inTime(both, deadline, clock);
        return value;
      }),
    );

  repeat({
    clock,
    everyMs: config.monitorEveryMs,
    signal: stop.signal,
    task: () => withoutSpans(look),
    onError: (error) => log.error({ err: error, group: group.tag }, 'could not look at the group'),
  }).catch((error: unknown) => log.error({ err: error, group: group.tag }, 'the watch over the group ended'));

  const halfOf = (deadline: Deadline): Deadline => ({ atMs: (clock.monotonicMs() + deadline.atMs) / 2 });

  return {
    tag: group.tag,
    admitsNewOrders,
    state: () => state,
    setState: (next) => {
      state = next;
    },
    mapVersion: () => primary?.view()?.mapVersion ?? 0,
    write: (deadline, work, isWritten) =>
      counted(() => {
        const node = primaryNode();
        const run = () => node.pool.use(deadline, work);
        return isWritten === undefined ? run() : node.confirmations.during(run, isWritten);
      }),
    read: async (deadline, work) => {
      const first = replicas().length === 0 ? deadline : halfOf(deadline);
      try {
        const value = await counted(() => primaryNode().pool.use(first, work));
        return { value, fromReplica: false, staleMs: 0 };
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        return atAnyOf(replicas(), deadline, work);
      }
    },
    readNearby: async (deadline, work) => {
      try {
        return await atAnyOf(replicas(), halfOf(deadline), work);
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        const value = await counted(() => primaryNode().pool.use(deadline, work));
        return { value, fromReplica: false, staleMs: 0 };
      }
    },
    readConfirmed: (deadline, work) => confirmed(deadline, (node) => node.pool.use(deadline, work)),
    readClaimConfirmed: (of, deadline) => confirmed(deadline, (node) => node.claims.read(of)),
    readQuorum: (deadline, work) =>
      withSpan('quorum read', { attributes: { 'tillmesh.group': group.tag } }, () =>
        firstOf(
          quorumOf(nodes.length),
          nodes.map((node) => drainedRead(node, deadline, work)),
        ),
      ),
    status: () => ({
      tag: group.tag,
      state,
      circuit: circuit.state,
      primary: primary?.name ?? '',
      replicas: replicas().map(({ name }) => name),
      semiSyncOn: primary?.view()?.facts.semiSyncOn ?? false,
      mapVersion: primary?.view()?.mapVersion ?? 0,
      note: unsafe() !== '' || circuit.state === 'closed' ? unsafe() : circuit.lastFailure,
      recentFailures: circuit.recentFailures(),
    }),
    look,
    close: () => {
      stop.abort(new Error('the group client was closed'));
      for (const node of nodes) node.close();
    },
  };
};

/** Gives up at the deadline on what has statements of its own with deadlines of their own. */
const inTime = <T>(work: Promise<T>, deadline: Deadline, clock: Clock): Promise<T> =>
  new Promise((resolve, reject) => {
    const cancel = clock.after(Math.max(0, deadline.atMs - clock.monotonicMs()), () =>
      reject(new DatabaseError(OWN_CODES.timeUp, 'not_written')),
    );
    work.then(resolve, reject).finally(cancel);
  });

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
