import type { GroupTag } from '@tillmesh/domain';
import { withSpan } from '@tillmesh/telemetry';
import type { Connection, Deadline } from './connection.ts';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import { anyDialect } from './dialect.ts';
import type { GroupState } from './group-map.ts';
import type { GroupNode } from './group-node.ts';
import { createGroupWatch, type GroupClientOptions, type GroupStatus } from './group-watch.ts';
import { firstOf, inTime } from './in-time.ts';
import type { Claim, MerchantOrder } from './order-group.ts';

/** A value with where it comes from. */
export type ReadFrom<T> = {
  readonly value: T;
  readonly fromReplica: boolean;
  /** How old it may be, ms; 0 from a primary, undefined where nobody knows. */
  readonly staleMs: number | undefined;
};

/** What is done on a connection, by the deadline given with it: a part of the caller's where others may have to be asked. */
export type Work<T> = (connection: Connection, deadline: Deadline) => Promise<T>;

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
/** Creates the client of a group and starts to watch it. */
export const createGroupClient = (options: GroupClientOptions): GroupClient => {
  const { group, clock } = options;
  const watch = createGroupWatch(options);

  const primaryBy = async (deadline: Deadline): Promise<GroupNode> => {
    // Before the first look nobody knows, and a caller can wait for it.
    const firstLook = watch.firstLook();
    if (firstLook !== undefined) await inTime(firstLook, deadline, clock);
    const primary = watch.primary();
    if (primary === undefined) throw new DatabaseError(OWN_CODES.noPrimary, 'not_written');
    return primary;
  };

  /** One of so many parts of the time that is left. */
  const partOf = (deadline: Deadline, parts: number): Deadline => {
    const nowMs = clock.monotonicMs();
    return { atMs: nowMs + (deadline.atMs - nowMs) / parts };
  };

  const use = <T>(node: GroupNode, deadline: Deadline, work: Work<T>): Promise<T> =>
    node.pool.use(deadline, (connection) => work(connection, deadline));

  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      // What is not the database's error is the caller's own: it passes.
      throw error instanceof DatabaseError ? watch.noteFailure(error) : error;
    }
  };

  const atPrimary = <T>(deadline: Deadline, work: Work<T>): Promise<ReadFrom<T>> =>
    counted(async () => ({
      value: await use(await primaryBy(deadline), deadline, work),
      fromReplica: false,
      staleMs: 0,
    }));

  const atReplica = async <T>(deadline: Deadline, work: Work<T>): Promise<ReadFrom<T>> => {
    let last: unknown = new DatabaseError(OWN_CODES.noPrimary, 'not_written');
    const replicas = watch.replicas();
    for (const [place, node] of replicas.entries()) {
      try {
        // Each leaves the next its part: one that is frozen must not use up the time of all.
        const value = await use(node, partOf(deadline, replicas.length - place), work);
        return { value, fromReplica: true, staleMs: node.view()?.staleMs };
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        last = error;
      }
    }
    throw last;
  };

  const orElse = async <T>(first: () => Promise<T>, second: () => Promise<T>): Promise<T> => {
    try {
      return await first();
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      return second();
    }
  };

  const drainedRead = <T>(node: GroupNode, deadline: Deadline, work: Work<T>): Promise<T> =>
    use(node, deadline, async (connection) => {
      const waitMs = Math.max(0, deadline.atMs - clock.monotonicMs() - DRAIN_MARGIN_MS);
      if (!(await anyDialect.drain(connection, waitMs, deadline))) {
        throw new DatabaseError(OWN_CODES.timeUp, 'not_written');
      }
      return work(connection, deadline);
    });

  /** Both begin now, at the same node; either may end first. */
  const confirmed = <T>(deadline: Deadline, readAt: (node: GroupNode) => Promise<T>): Promise<T> =>
    withSpan('confirmed read', { attributes: { 'tillmesh.group': group.tag } }, () =>
      counted(async () => {
        const node = await primaryBy(deadline);
        const both = Promise.all([readAt(node), node.confirmations.confirm()]);
        const [value] = await inTime(both, deadline, clock);
        return value;
      }),
    );

  return {
    tag: group.tag,
    admitsNewOrders: watch.admitsNewOrders,
    state: watch.state,
    setState: watch.setState,
    mapVersion: () => watch.primary()?.view()?.mapVersion ?? 0,
    write: (deadline, work, isWritten) =>
      counted(async () => {
        const node = await primaryBy(deadline);
        const run = () => use(node, deadline, work);
        return isWritten === undefined ? run() : node.confirmations.during(run, isWritten);
      }),
    read: (deadline, work) =>
      orElse(
        () => atPrimary(watch.replicas().length === 0 ? deadline : partOf(deadline, 2), work),
        () => atReplica(deadline, work),
      ),
    readNearby: (deadline, work) =>
      orElse(
        () => atReplica(partOf(deadline, 2), work),
        () => atPrimary(deadline, work),
      ),
    readConfirmed: (deadline, work) => confirmed(deadline, (node) => use(node, deadline, work)),
    readClaimConfirmed: (of, deadline) => confirmed(deadline, (node) => node.claims.read(of)),
    readQuorum: (deadline, work) =>
      withSpan('quorum read', { attributes: { 'tillmesh.group': group.tag } }, () =>
        firstOf(
          quorumOf(watch.nodes.length),
          watch.nodes.map((node) => drainedRead(node, deadline, work)),
        ),
      ),
    status: watch.status,
    look: watch.look,
    close: watch.close,
  };
};
