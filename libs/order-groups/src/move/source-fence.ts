import type { GroupTag } from '@tillmesh/domain';
import { big, optionalText, text, whole } from '../columns.ts';
import type { Connection, Deadline, Statement } from '../connection.ts';
import { SELECT_EPOCH, SET_MODE } from '../group-statements.ts';
import { transaction } from '../transaction.ts';
import { MoveRefused } from './move-refused.ts';

const LOCK_EPOCH: Statement = {
  summary: 'SELECT group_epoch lock',
  sql: 'SELECT map_version FROM group_epoch WHERE id = 1 FOR UPDATE',
};
const SELECT_WATERMARK: Statement = {
  summary: 'SELECT trajectory watermark',
  sql: 'SELECT COALESCE(MAX(id), 0) AS watermark FROM trajectory',
};
// Not after a map was told to the group that gives its orders away: whoever holds an older one does not open it again.
const REOPEN: Statement = {
  summary: 'UPDATE group_epoch reopen',
  sql: "UPDATE group_epoch SET mode = 'RW' WHERE id = 1 AND mode = 'RO' AND map_version <= ?",
};
const GET_LOCK: Statement = { summary: 'SELECT lock', sql: 'SELECT GET_LOCK(?, 0) AS locked' };
const RELEASE_LOCK: Statement = { summary: 'SELECT lock release', sql: 'SELECT RELEASE_LOCK(?) AS released' };
const HOLDS_LOCK: Statement = {
  summary: 'SELECT lock holder',
  sql: 'SELECT IS_USED_LOCK(?) = CONNECTION_ID() AS held',
};

const lockName = (source: GroupTag): string => `tillmesh_move_${source}`;

/**
 * Makes this connection the only one that moves the group; it is free again when the connection ends.
 *
 * @throws {MoveRefused} where somebody else moves it.
 */
export const lockMove = async (connection: Connection, source: GroupTag, deadline: Deadline): Promise<void> => {
  const { rows } = await connection.run(GET_LOCK, [lockName(source)], deadline);
  if (optionalText(rows[0], 'locked') === '1') return;
  throw new MoveRefused(
    `somebody else moves group ${source} in this moment; wait for it, or end that process and try again`,
  );
};

/** Lets the next one move the group. */
export const unlockMove = async (connection: Connection, source: GroupTag, deadline: Deadline): Promise<void> => {
  await connection.run(RELEASE_LOCK, [lockName(source)], deadline).catch(() => connection.cut());
};

/** @throws {MoveRefused} where the lock was lost: the server has let go of it, and somebody else may move the group. */
export const assertLocked = async (connection: Connection, source: GroupTag, deadline: Deadline): Promise<void> => {
  const { rows } = await connection.run(HOLDS_LOCK, [lockName(source)], deadline);
  if (optionalText(rows[0], 'held') !== '1') {
    throw new MoveRefused(`the lock on group ${source} was lost; run the same command again, it goes on where it was`);
  }
};

/**
 * The last id of the trajectory, with every change that is under way waited for: what comes later has a greater one. Changes wait
 * meanwhile, for some ms.
 */
export const readWatermark = (connection: Connection, deadline: Deadline): Promise<bigint> =>
  transaction(connection, deadline, async () => {
    await connection.run(LOCK_EPOCH, [], deadline);
    const { rows } = await connection.run(SELECT_WATERMARK, [], deadline);
    return { commit: false, value: big(rows[0], 'watermark') };
  });

/** From now on nothing of the group changes; what was under way has ended. */
export const closeForChanges = async (connection: Connection, deadline: Deadline): Promise<void> => {
  await connection.run(SET_MODE, ['RO'], deadline);
};

/** Lets changes happen again, unless the group was told of a map after this one. True where they may happen now. */
export const openForChanges = async (
  connection: Connection,
  mapVersion: number,
  deadline: Deadline,
): Promise<boolean> => {
  await connection.run(REOPEN, [mapVersion], deadline);
  const { rows } = await connection.run(SELECT_EPOCH, [], deadline);
  return text(rows[0], 'mode') === 'RW';
};

/** The map whose writers the group admits, and whether anything there may change. */
export const readEpoch = async (
  connection: Connection,
  deadline: Deadline,
): Promise<{ readonly mapVersion: number; readonly takesChanges: boolean }> => {
  const { rows } = await connection.run(SELECT_EPOCH, [], deadline);
  return { mapVersion: whole(rows[0], 'map_version'), takesChanges: text(rows[0], 'mode') === 'RW' };
};
