import { type FollowerPlaces, optionalText, type Parameter, type Row, type Statement } from '@tillmesh/order-groups';

const SELECT_CURSOR: Statement = {
  summary: 'SELECT group_cursor',
  sql: 'SELECT places FROM group_cursor WHERE group_tag = ?',
};

const SAVE_CURSOR: Statement = {
  summary: 'INSERT group_cursor',
  sql: `INSERT INTO group_cursor (group_tag, places, complete_at) VALUES (?, ?, ?)
        ON DUPLICATE KEY UPDATE places = VALUES(places), complete_at = VALUES(complete_at)`,
};

/**
 * How far a store has followed the groups, in its own table `group_cursor`.
 *
 * @param run runs one statement at the store.
 */
export const createFollowerPlaces = (
  run: (statement: Statement, parameters: readonly Parameter[]) => Promise<{ readonly rows: readonly Row[] }>,
): FollowerPlaces => ({
  readCursor: async (tag) => optionalText((await run(SELECT_CURSOR, [tag])).rows[0], 'places'),
  saveCursor: async (tag, places, completeAtMs) => {
    await run(SAVE_CURSOR, [tag, places, completeAtMs]);
  },
});
