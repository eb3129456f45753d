import { type Clock, repeat } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import { type CircuitConfig, type CircuitState, GroupCircuit } from './circuit.ts';
import type { Account, Deadline } from './connection.ts';
import type { PoolLimits } from './connection-pool.ts';
import { type DatabaseError, OWN_CODES, toDatabaseError } from './database-error.ts';
import type { GroupDescription, GroupState } from './group-map.ts';
import { createGroupNode, type GroupNode } from './group-node.ts';

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

/** Staleness is measured by heartbeats: it cannot be known better than so. */
const BEAT_EVERY_MS = 1_000;

/** A full pool whose last loan ended within this time is busy, and its server well. */
const POOL_MOVES_MS = 250;

/** The watch over one group's servers: who is primary, and whether new orders may come. */
export type GroupWatch = {
  readonly nodes: readonly GroupNode[];
  /** Undefined while there is no single writable node. */
  primary(): GroupNode | undefined;
  /** The freshest first: a replica that lags is asked only where nobody else answers. */
  replicas(): readonly GroupNode[];
  /** Undefined as soon as every node was asked once. */
  firstLook(): Promise<void> | undefined;
  /** Looks at every node once. */
  look(): Promise<void>;
  /** True while new orders may be tried here. */
  admitsNewOrders(): boolean;
  state(): GroupState;
  setState(state: GroupState): void;
  /** Counts what speaks of the group's health. Returns the failure. */
  noteFailure(error: unknown): DatabaseError;
  status(): GroupStatus;
  close(): void;
};

export type GroupClientOptions = {
  readonly group: GroupDescription;
  readonly account: Account;
  readonly config: GroupClientConfig;
  /** Names this instance's heartbeats; undefined for readers: they write nothing. */
  readonly instanceId: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
};

/** Begins to watch a group. */
export const createGroupWatch = (options: GroupClientOptions): GroupWatch => {
  const { group, account, config, instanceId, clock, log } = options;
  const { statementMsMax } = config;
  const circuit = new GroupCircuit(config.circuit, clock);
  const stop = new AbortController();
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

  const replicas = (): readonly GroupNode[] =>
    nodes
      .filter((node) => node !== primary && node.view() !== undefined)
      .sort((a, b) => (a.view()?.staleMs ?? Infinity) - (b.view()?.staleMs ?? Infinity));

  const admitsNewOrders = (): boolean => state === 'open' && circuit.state === 'closed' && unsafe() === '';

  const probe = async (): Promise<void> => {
    if (primary === undefined || instanceId === undefined || circuit.state !== 'open' || unsafe() !== '') return;
    circuit.beginProbe();
    try {
      await primary.confirmations.confirm();
      circuit.probeSucceeded();
      log.info({ group: group.tag }, 'the group takes new orders again');
    } catch (error) {
      circuit.probeFailed(toDatabaseError(error, true).code);
    }
  };

  let beatAtMs = Number.NEGATIVE_INFINITY;
  const beatNowAndThen = async (): Promise<void> => {
    const nowMs = clock.monotonicMs();
    const isDue = instanceId !== undefined && nowMs - beatAtMs >= BEAT_EVERY_MS;
    if (primary === undefined || !isDue || circuit.state !== 'closed' || unsafe() !== '') return;
    beatAtMs = nowMs;
    await primary.beat().catch(noteFailure);
  };

  let hasLooked = false;
  let looking: Promise<void> | undefined;
  const look = (): Promise<void> => {
    looking ??= (async () => {
      const deadline: Deadline = { atMs: clock.monotonicMs() + statementMsMax };
      await Promise.all(nodes.map((node) => node.look(deadline)));
      choosePrimary();
      await probe();
      await beatNowAndThen();
      openGauge.set({ group: String(group.tag) }, admitsNewOrders() ? 0 : 1);
      const stale = replicas().flatMap((node) => node.view()?.staleMs ?? []);
      if (stale.length > 0) staleGauge.set({ group: String(group.tag) }, Math.min(...stale));
      hasLooked = true;
    })().finally(() => {
      looking = undefined;
    });
    return looking;
  };

  /** The next look would come in a second; what just failed is worth one now. */
  const lookSoon = (): void => {
    if (stop.signal.aborted) return;
    withoutSpans(look).catch((error: unknown) =>
      log.error({ err: error, group: group.tag }, 'could not look at the group'),
    );
  };

  /** Callers that found no connection free say something of our load, and of the server only if it stands still. */
  const isMerelyBusy = ({ code }: DatabaseError): boolean =>
    code === OWN_CODES.poolFull && (primary?.pool.sinceServedMs() ?? Infinity) < POOL_MOVES_MS;

  const noteFailure = (error: unknown): DatabaseError => {
    const failure = toDatabaseError(error, true);
    if (!failure.isRefusal && failure.code !== OWN_CODES.fenced && !isMerelyBusy(failure)) {
      if (circuit.recordFailure(failure.code)) {
        log.warn({ group: group.tag, code: failure.code }, 'new orders avoid the group');
      }
      lookSoon();
    }
    return failure;
  };

  repeat({
    clock,
    everyMs: config.monitorEveryMs,
    signal: stop.signal,
    task: () => withoutSpans(look),
    onError: (error) => log.error({ err: error, group: group.tag }, 'could not look at the group'),
  }).catch((error: unknown) => log.error({ err: error, group: group.tag }, 'the watch over the group ended'));

  return {
    nodes,
    primary: () => primary,
    replicas,
    firstLook: () => (hasLooked ? undefined : look()),
    look,
    admitsNewOrders,
    state: () => state,
    setState: (next) => {
      state = next;
    },
    noteFailure,
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
    close: () => {
      stop.abort(new Error('the watch over the group was ended'));
      for (const node of nodes) node.close();
    },
  };
};
