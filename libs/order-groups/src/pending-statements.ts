import type { Statement } from './connection.ts';

export const INSERT_PENDING: Statement = {
  summary: 'INSERT pending_event',
  sql: `INSERT INTO pending_event (group_tag, digest, number, kind, news, created_at) VALUES (?, ?, ?, ?, ?, ?)
        ON DUPLICATE KEY UPDATE created_at = created_at`,
};

export const SELECT_PENDING: Statement = {
  summary: 'SELECT pending_event',
  sql: `SELECT id, group_tag, number, kind, news FROM pending_event WHERE group_tag = ? AND replayed_at IS NULL ORDER BY id LIMIT ?`,
  text: true,
};

export const SELECT_PENDING_TAGS: Statement = {
  summary: 'SELECT pending_event groups',
  sql: 'SELECT DISTINCT group_tag FROM pending_event WHERE replayed_at IS NULL',
};

export const END_PENDING: Statement = {
  summary: 'UPDATE pending_event',
  sql: 'UPDATE pending_event SET replayed_at = ? WHERE id = ? AND replayed_at IS NULL',
};
