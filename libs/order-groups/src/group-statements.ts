import type { Statement } from './connection.ts';

export const SELECT_EPOCH: Statement = {
  summary: 'SELECT group_epoch',
  sql: 'SELECT map_version, mode FROM group_epoch WHERE id = 1',
};

/** Lets only writers of this map write new orders from now on; waits for INSERTs of older ones that are under way. */
export const BUMP_EPOCH: Statement = {
  summary: 'UPDATE group_epoch',
  sql: 'UPDATE group_epoch SET map_version = ? WHERE id = 1 AND map_version < ?',
};

/** Lets nothing change any more, or changes again. */
export const SET_MODE: Statement = {
  summary: 'UPDATE group_epoch mode',
  sql: 'UPDATE group_epoch SET mode = ? WHERE id = 1',
};

// One row an instance, so that instances do not wait for each other's row lock while they wait for a replica.
export const HEARTBEAT: Statement = {
  summary: 'INSERT heartbeat',
  sql: `INSERT INTO heartbeat (instance_id, beat_at) SELECT ?, ? FROM group_epoch WHERE id = 1 AND mode = 'RW'
        ON DUPLICATE KEY UPDATE beat_at = VALUES(beat_at), beats = beats + 1`,
};

export const SELECT_LATEST_HEARTBEAT: Statement = {
  summary: 'SELECT heartbeat',
  sql: 'SELECT MAX(beat_at) AS beat_at FROM heartbeat',
};

export const SELECT_MAPS: Statement = {
  summary: 'SELECT group_map',
  sql: 'SELECT version, state, content, activated_at FROM group_map WHERE version > ? ORDER BY version',
};

export const SELECT_LATEST_MAP_VERSION: Statement = {
  summary: 'SELECT group_map version',
  sql: "SELECT MAX(version) AS version, MAX(IF(state = 'active', version, 0)) AS active FROM group_map",
};

export const INSERT_MAP: Statement = {
  summary: 'INSERT group_map',
  sql: `INSERT INTO group_map (version, state, content, reason, created_at) VALUES (?, 'prepared', ?, ?, ?)
        ON DUPLICATE KEY UPDATE version = version`,
};

export const ACTIVATE_MAP: Statement = {
  summary: 'UPDATE group_map activate',
  sql: "UPDATE group_map SET state = 'active', activated_at = ? WHERE version = ? AND state = 'prepared'",
};
