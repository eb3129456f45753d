import type { Statement } from './connection.ts';

export const SELECT_LEASES: Statement = {
  summary: 'SELECT worker_lease',
  sql: 'SELECT worker_id, holder, renewals, numbers_until FROM worker_lease',
};

export const INSERT_LEASE: Statement = {
  summary: 'INSERT worker_lease',
  sql: 'INSERT INTO worker_lease (worker_id, holder, renewals, numbers_until) VALUES (?, ?, 1, ?)',
};

/** Takes a lease whose holder has been silent; whoever has renewed it meanwhile keeps it. */
export const TAKE_LEASE: Statement = {
  summary: 'UPDATE worker_lease take',
  sql: `UPDATE worker_lease SET holder = ?, renewals = renewals + 1, numbers_until = GREATEST(numbers_until, ?)
        WHERE worker_id = ? AND holder = ? AND renewals = ?`,
};

export const RENEW_LEASE: Statement = {
  summary: 'UPDATE worker_lease renew',
  sql: `UPDATE worker_lease SET renewals = renewals + 1, numbers_until = GREATEST(numbers_until, ?)
        WHERE worker_id = ? AND holder = ?`,
};

export const RELEASE_LEASE: Statement = {
  summary: 'UPDATE worker_lease release',
  sql: "UPDATE worker_lease SET holder = '', renewals = renewals + 1 WHERE worker_id = ? AND holder = ?",
};
