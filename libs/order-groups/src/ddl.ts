import type { Statement } from './connection.ts';

/** A statement that changes the schema: it cannot be prepared everywhere. */
export const ddl = (summary: string, sql: string): Statement => ({ summary, sql, text: true });
