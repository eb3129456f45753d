import type { Clock } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import type { Connection, Deadline } from '../connection.ts';
import { DatabaseError } from '../database-error.ts';
import type { GroupClient } from '../group-client.ts';
import { changedOrders, countRows, nextOrders, readSchedules, stillMoving, writeSchedules } from './changed-orders.ts';
import { type RowCounts, readOrders, type Stage, writeOrders } from './copy-orders.ts';
import { type Differences, describeDifferences, type Ends, findDifferences } from './find-differences.ts';
import { copyClaims, copyEvents, countClaims } from './move-claims.ts';
import { type MoveRecord, readRecord, writeRecord } from './move-record.ts';
import { MoveRefused } from './move-refused.ts';
import { ORDER_TABLES, type OrderColumns, type OrderTable, readOrderColumns, sameColumns } from './order-tables.ts';
import { assertLocked, closeForChanges, lockMove, openForChanges, readWatermark, unlockMove } from './source-fence.ts';

/** What a move does: orders that are done, of how many. */
export type MoveProgress = {
  readonly phase: 'copy' | 'catch up' | 'wait for jumps' | 'verify' | 'switch';
  readonly done: number;
  readonly total: number;
};

/** What a move came to. */
export type MoveReport = {
  readonly rows: Readonly<Record<OrderTable, number>>;
  readonly claims: number;
  readonly events: number;
  /** How long nothing of the group could change, ms. */
  readonly closedMs: number;
};

export type MoveOptions = {
  /** The group whose orders go, closed or migrating already, and where they go. */
  readonly source: GroupClient;
  readonly target: GroupClient;
  /** The tags of the source: its own and those of retired groups whose orders it holds. */
  readonly tags: readonly GroupTag[];
  /** Asks for the version of the map in force: others may change other groups meanwhile. */
  readonly mapVersion: () => Promise<number>;
  /** Copies everything once more, over what an earlier run has copied. */
  readonly again: boolean;
  /**
   * Puts the map in force, over the one of this version, that says that the target has the orders. Throws MoveRefused where that was certainly not begun; anything else
   * leaves the group closed for changes, because nobody knows.
   */
  readonly switchOver: (mapVersion: number) => Promise<void>;
  readonly clock: Clock;
  readonly onProgress: (progress: MoveProgress) => void;
};

/** Orders of one commit: small enough that live orders of the successor hardly wait. */
const ORDERS_A_COMMIT = 200;
const ORDERS_A_LOOK = 1_000;
/** So many changes may be left when the group is closed for changes. */
const CHANGES_LEFT_MAX = 200;
const CATCH_UPS_MAX = 100;
/** Nothing of the group changes for so long at most; then it is opened again and the rest is caught up first. */
const CLOSED_MS_MAX = 5_000;
const CLOSINGS_MAX = 5;
const CLOSE_AGAIN_MS = 1_000;
const STATEMENT_MS_MAX = 30_000;
/** A group that is away for longer ends the run; the next one goes on where this one was. */
const PATIENCE_MS = 60_000;
const TRY_AGAIN_MS = 200;
const JUMPS_WITHIN_MS = 300_000;
const LOOK_AGAIN_MS = 500;

const ADVICE = 'Nothing was switched. Copy everything once more with: npm run groups -- migrate … --again';

/**
 * Takes a group's orders to another one, under load. Everything is copied while the group goes on; then what has changed since; then every
 * row is compared; then, while nothing changes for some hundred ms, the last changes are copied and compared, all rows are counted, and the
 * map is switched. A process that dies at any point goes on where it was when it is run again.
 *
 * @throws {MoveRefused} with what to do.
 * @throws {DatabaseError} where one of the groups is away for longer than a minute.
 */
export const moveGroup = async (options: MoveOptions): Promise<MoveReport> => {
  const { source, clock } = options;
  const soon = () => ({ atMs: clock.monotonicMs() + STATEMENT_MS_MAX });
  return source.write({ atMs: clock.monotonicMs() + PATIENCE_MS }, async (lock) => {
    await lockMove(lock, source.tag, soon());
    try {
      return await createMover(options, () => assertLocked(lock, source.tag, soon())).run();
    } finally {
      await unlockMove(lock, source.tag, soon());
    }
  });
};

/** @param assertOwn throws where this process is not the only one any more that moves the group. */
const createMover = (options: MoveOptions, assertOwn: () => Promise<void>) => {
  const { source, target, tags, mapVersion, again, switchOver, clock, onProgress } = options;
  const within = (ms: number): Deadline => ({ atMs: clock.monotonicMs() + ms });

  /** Tries for a minute: a primary may be replaced meanwhile. */
  const patiently = async <T>(work: (deadline: Deadline) => Promise<T>): Promise<T> => {
    const endMs = clock.monotonicMs() + PATIENCE_MS;
    for (;;) {
      try {
        return await work(within(STATEMENT_MS_MAX));
      } catch (error) {
        if (!(error instanceof DatabaseError) || clock.monotonicMs() > endMs) throw error;
        await clock.sleep(TRY_AGAIN_MS);
      }
    }
  };

  const atBoth = <T>(deadline: Deadline, work: (ends: Ends) => Promise<T>): Promise<T> =>
    source.write(deadline, (from) => target.write(deadline, (to) => work({ source: from, target: to })));
  const at = <T>(client: GroupClient, work: (connection: Connection, deadline: Deadline) => Promise<T>): Promise<T> =>
    patiently((deadline) => client.write(deadline, (connection) => work(connection, deadline)));

  /** Copies these orders, and notes how far that takes the move in the same commit. */
  const copy = (
    ends: Ends,
    columns: OrderColumns,
    {
      keys,
      stage,
      record,
      deadline,
    }: {
      readonly keys: readonly bigint[];
      readonly stage: Stage;
      readonly record: MoveRecord | undefined;
      readonly deadline: Deadline;
    },
  ): Promise<RowCounts> =>
    readOrders(ends.source, columns, { keys }, deadline).then((orders) =>
      writeOrders(ends.target, columns, orders, {
        stage,
        deadline,
        also: async () => {
          if (record !== undefined)
            await writeRecord(ends.target, source.tag, record, { nowMs: clock.nowMs(), deadline });
        },
      }),
    );

  const copyAhead = (columns: OrderColumns, keys: readonly bigint[], record: MoveRecord): Promise<RowCounts> =>
    patiently((deadline) =>
      atBoth(deadline, (ends) => copy(ends, columns, { keys, stage: 'ahead', record, deadline })),
    );

  const begin = async (): Promise<MoveRecord> => {
    const before = await at(target, (connection, deadline) => readRecord(connection, source.tag, deadline));
    if (before !== undefined && !again) return before;
    const watermark = await at(source, readWatermark);
    const record = { watermark, lastKey: 0n, copied: 0 };
    await at(target, (connection, deadline) =>
      writeRecord(connection, source.tag, record, { nowMs: clock.nowMs(), deadline }),
    );
    return record;
  };

  /** Copies the orders behind the last key, in order. */
  const copyRest = async (columns: OrderColumns, from: MoveRecord, total: number): Promise<MoveRecord> => {
    let record = from;
    for (;;) {
      onProgress({ phase: 'copy', done: Math.min(record.copied, total), total });
      const after = record.lastKey;
      const keys = await at(source, (connection, deadline) =>
        nextOrders(connection, { tags, after, limit: ORDERS_A_COMMIT }, deadline),
      );
      const lastKey = keys.at(-1);
      if (lastKey === undefined) return record;
      record = { watermark: record.watermark, lastKey, copied: record.copied + keys.length };
      await copyAhead(columns, keys, record);
      await assertOwn();
    }
  };

  /** Copies what has changed until hardly anything is left, and what has come. */
  const catchUp = async (columns: OrderColumns, from: MoveRecord): Promise<MoveRecord> => {
    let record = from;
    for (let round = 0; round < CATCH_UPS_MAX; round += 1) {
      const { watermark: after } = record;
      const upTo = await at(source, readWatermark);
      const changed = await at(source, (connection, deadline) =>
        changedOrders(connection, { tags, after, upTo }, deadline),
      );
      for (let begun = 0; begun < changed.length; begun += ORDERS_A_COMMIT) {
        onProgress({ phase: 'catch up', done: begun, total: changed.length });
        // The watermark moves with the last of them: until then they are changes still.
        await copyAhead(columns, changed.slice(begun, begun + ORDERS_A_COMMIT), record);
      }
      record = await copyRest(columns, { ...record, watermark: upTo }, record.copied);
      const done = record;
      await at(target, (connection, deadline) =>
        writeRecord(connection, source.tag, done, { nowMs: clock.nowMs(), deadline }),
      );
      if (changed.length <= CHANGES_LEFT_MAX) return record;
    }
    throw new MoveRefused(
      `group ${source.tag} changes faster than it can be copied; close it to new orders, wait until payments under way have ended, and run the same command again`,
    );
  };

  const refuse = async (
    ends: Ends,
    columns: OrderColumns,
    differences: Differences,
    deadline: Deadline,
  ): Promise<never> => {
    const lines = await describeDifferences(ends, columns, differences, deadline);
    const count = differences.orders.length + differences.numberless.length;
    throw new MoveRefused(
      `${count} ${count === 1 ? 'order of group' : 'orders of group'} ${source.tag} ${count === 1 ? 'is' : 'are'} not the same at group ${target.tag}: ${lines.join('; ')}. ${ADVICE}`,
    );
  };

  /** Compares all orders with their copies; those that have changed since, or whose schedule may, have their turn at the end. */
  const verify = async (columns: OrderColumns, { watermark, lastKey, copied }: MoveRecord): Promise<void> => {
    let done = 0;
    for (let after = 0n; after < lastKey; ) {
      onProgress({ phase: 'verify', done, total: copied });
      const from = after;
      const keys = await at(source, (connection, deadline) =>
        nextOrders(connection, { tags, after: from, limit: ORDERS_A_LOOK }, deadline),
      );
      const upTo = keys.length < ORDERS_A_LOOK ? lastKey : (keys.at(-1) ?? lastKey);
      await patiently((deadline) =>
        atBoth(deadline, async (ends) => {
          const found = await findDifferences(ends, { columns, tags, range: { after: from, upTo } }, deadline);
          const suspects = [...found.orders.map(({ key }) => key), ...found.numberless];
          const moving = await stillMoving(ends.source, suspects, watermark, deadline);
          const orders = found.orders.filter(({ key }) => !moving.has(key));
          const numberless = found.numberless.filter((key) => !moving.has(key));
          if (orders.length + numberless.length > 0) await refuse(ends, columns, { orders, numberless }, deadline);
        }),
      );
      await assertOwn();
      done += keys.length;
      after = upTo;
    }
  };

  /** Jumps that avoided another group and came here: the sweep brings each to its end, then none of them changes any more. */
  const awaitJumps = async (): Promise<void> => {
    const endMs = clock.monotonicMs() + JUMPS_WITHIN_MS;
    for (;;) {
      const { claims, open } = await at(source, countClaims);
      if (open === 0) return;
      onProgress({ phase: 'wait for jumps', done: claims - open, total: claims });
      if (clock.monotonicMs() > endMs) {
        throw new MoveRefused(
          `${open} jumps to group ${source.tag} have not come to their end; look whether the groups that they avoided answer, and run the same command again`,
        );
      }
      await clock.sleep(LOOK_AGAIN_MS);
    }
  };

  /** What is copied and compared while nothing changes. */
  const takeLast = async (
    columns: OrderColumns,
    record: MoveRecord,
    before: RowCounts,
    deadline: Deadline,
  ): Promise<Omit<MoveReport, 'closedMs' | 'claims'>> =>
    atBoth(deadline, async (ends) => {
      const upTo = await readWatermark(ends.source, deadline);
      const changed = await changedOrders(ends.source, { tags, after: record.watermark, upTo }, deadline);
      const schedules = await readSchedules(ends.source, tags, deadline);
      const all = [...schedules.payment, ...schedules.refund];
      const noted = all.filter(({ hasNote }) => hasNote).map(({ orderNo }) => orderNo);
      const added = await nextOrders(ends.source, { tags, after: record.lastKey, limit: ORDERS_A_LOOK }, deadline);
      const fresh = [...new Set([...changed, ...noted, ...added])];
      const counts: Record<OrderTable, number> = { ...before };
      for (let begun = 0; begun < fresh.length; begun += ORDERS_A_COMMIT) {
        const keys = fresh.slice(begun, begun + ORDERS_A_COMMIT);
        const grown = await copy(ends, columns, { keys, stage: 'last', record: undefined, deadline });
        for (const table of ORDER_TABLES) counts[table] += grown[table];
      }
      await writeSchedules(ends.target, schedules, deadline);
      const events = await copyEvents({ ...ends, tag: source.tag }, deadline);

      const toCompare = [...new Set([...fresh, ...all.map(({ orderNo }) => orderNo)])];
      for (let begun = 0; begun < toCompare.length; begun += ORDERS_A_LOOK) {
        const range = { keys: toCompare.slice(begun, begun + ORDERS_A_LOOK) };
        const found = await findDifferences(ends, { columns, tags, range }, deadline);
        if (found.orders.length + found.numberless.length > 0) await refuse(ends, columns, found, deadline);
      }
      const own = await countRows(ends.source, tags, deadline);
      for (const table of ORDER_TABLES) {
        if (own[table] === counts[table]) continue;
        throw new MoveRefused(
          `group ${source.tag} has ${own[table]} rows of ${table} and group ${target.tag} has ${counts[table]} of its rows. ${ADVICE}`,
        );
      }
      return { rows: own, events };
    });

  /** Lets changes happen again. Nobody else retires the group: this run has not asked for it, or was refused. */
  const open = async (): Promise<void> => {
    const endMs = clock.monotonicMs() + PATIENCE_MS;
    let last: unknown;
    while (clock.monotonicMs() < endMs) {
      try {
        const version = await mapVersion();
        if (await at(source, (connection, deadline) => openForChanges(connection, version, deadline))) return;
      } catch (error) {
        last = error;
      }
      await clock.sleep(TRY_AGAIN_MS);
    }
    throw new MoveRefused(
      `group ${source.tag} takes no changes and could not be opened again; run the same command again at once`,
      { cause: last },
    );
  };

  let refusal: MoveRefused | undefined;

  /** One closing for changes. Undefined where it took too long, or the switch was refused. */
  const closeAndSwitch = async (columns: OrderColumns, record: MoveRecord): Promise<MoveReport | undefined> => {
    await awaitJumps();
    const claims = await patiently((deadline) => atBoth(deadline, (ends) => copyClaims(ends, deadline)));
    const before = await at(target, (connection, deadline) => countRows(connection, tags, deadline));
    await assertOwn();
    const version = await mapVersion();
    onProgress({ phase: 'switch', done: 0, total: 1 });
    const beganMs = clock.monotonicMs();
    const deadline = within(CLOSED_MS_MAX);
    let last: Omit<MoveReport, 'closedMs' | 'claims'>;
    try {
      await at(source, closeForChanges);
      const jumps = await at(source, countClaims);
      if (jumps.open > 0 || jumps.claims !== claims) {
        await open();
        return undefined;
      }
      last = await takeLast(columns, record, before, deadline);
      await assertOwn();
    } catch (error) {
      await open();
      if (error instanceof DatabaseError) return undefined;
      throw error;
    }
    try {
      await switchOver(version);
    } catch (error) {
      if (!(error instanceof MoveRefused)) throw error;
      // A group that was not seen in this moment, perhaps.
      await open();
      refusal = error;
      return undefined;
    }
    const closedMs = Math.round(clock.monotonicMs() - beganMs);
    onProgress({ phase: 'switch', done: 1, total: 1 });
    return { ...last, claims, closedMs };
  };

  return {
    run: async (): Promise<MoveReport> => {
      const columns = sameColumns(await at(source, readOrderColumns), await at(target, readOrderColumns));
      const total = (await at(source, (connection, deadline) => countRows(connection, tags, deadline))).payment;
      let record = await copyRest(columns, await begin(), total);
      record = await catchUp(columns, record);
      await verify(columns, record);
      for (let closing = 0; closing < CLOSINGS_MAX; closing += 1) {
        record = await catchUp(columns, record);
        const report = await closeAndSwitch(columns, record);
        if (report !== undefined) return report;
        await clock.sleep(CLOSE_AGAIN_MS);
      }
      if (refusal !== undefined) throw refusal;
      throw new MoveRefused(
        `the last changes of group ${source.tag} could not be copied within ${CLOSED_MS_MAX / 1_000} s, ${CLOSINGS_MAX} times; choose a quieter hour and run the same command again`,
      );
    },
  };
};
