/** What is known of a statement that did not answer OK. */
export type WriteCertainty = 'not_written' | 'ambiguous';

/** A statement that failed, with what that says of the data. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
  /** The server's or the driver's name of the error, or our own for what happened before. */
  readonly code: string;
  readonly certainty: WriteCertainty;
  /** The unique key that was hit, where the code is ER_DUP_ENTRY. */
  readonly duplicateKey: string | undefined;

  constructor(
    code: string,
    certainty: WriteCertainty,
    options: { readonly duplicateKey?: string; readonly cause?: unknown } = {},
  ) {
    // The server's text may quote values; the code says enough.
    super(`database: ${code}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.certainty = certainty;
    this.duplicateKey = options.duplicateKey;
  }

  /** True where the server refused the statement itself; its group is healthy. */
  get isRefusal(): boolean {
    return REFUSALS.has(this.code);
  }
}

/** Made by us, before or instead of an answer. */
export const OWN_CODES = {
  poolFull: 'TILLMESH_POOL_FULL',
  noTimeLeft: 'TILLMESH_NO_TIME_LEFT',
  timeUp: 'TILLMESH_TIME_UP',
  noPrimary: 'TILLMESH_NO_PRIMARY',
  noQuorum: 'TILLMESH_NO_QUORUM',
  fenced: 'TILLMESH_FENCED',
  closed: 'TILLMESH_CLOSED',
  noNumber: 'TILLMESH_NO_NUMBER',
} as const;

// The data is at fault, not the group.
const REFUSALS: ReadonlySet<string> = new Set([
  'ER_DUP_ENTRY',
  'ER_BAD_NULL_ERROR',
  'ER_WARN_DATA_OUT_OF_RANGE',
  'ER_TRUNCATED_WRONG_VALUE_FOR_FIELD',
  'ER_DATA_TOO_LONG',
  'WARN_DATA_TRUNCATED',
  'ER_CHECK_CONSTRAINT_VIOLATED',
  'ER_SIGNAL_EXCEPTION',
]);

// Codes that prove that nothing was written: the connection was refused before anything was sent, or the server refused
// the statement (order-store research, section 1.5). Everything that is not listed is ambiguous.
const NOT_WRITTEN: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ER_CON_COUNT_ERROR',
  'ER_HOST_IS_BLOCKED',
  'ER_HOST_NOT_PRIVILEGED',
  'ER_TOO_MANY_USER_CONNECTIONS',
  'ER_USER_LIMIT_REACHED',
  'ER_ACCESS_DENIED_ERROR',
  'ER_DBACCESS_DENIED_ERROR',
  'ER_TABLEACCESS_DENIED_ERROR',
  'ER_BAD_DB_ERROR',
  'ER_NO_SUCH_TABLE',
  'ER_BAD_FIELD_ERROR',
  'ER_PARSE_ERROR',
  'ER_OPTION_PREVENTS_STATEMENT',
  'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION',
  // A server, or a group whose orders move to another one: the trigger says it with the same number.
  'ER_READ_ONLY_MODE',
  'ER_LOCK_WAIT_TIMEOUT',
  'ER_LOCK_DEADLOCK',
  // The row's day has no partition, or another one than the statement names.
  'ER_UNKNOWN_PARTITION',
  'ER_ROW_DOES_NOT_MATCH_GIVEN_PARTITION_SET',
  'ER_NO_PARTITION_FOR_GIVEN_VALUE',
  ...REFUSALS,
]);

// The driver knows MySQL's numbers alone. What both servers say has MySQL's name, whatever its number; the other two are MariaDB's own.
const MARIADB_NAMES: ReadonlyMap<unknown, string> = new Map([
  [1927, 'ER_CONNECTION_KILLED'],
  [1969, 'ER_STATEMENT_TIMEOUT'],
  [4025, 'ER_CHECK_CONSTRAINT_VIOLATED'],
]);

const codeOf = (error: unknown): string => {
  if (typeof error !== 'object' || error === null) return 'UNKNOWN_DATABASE_ERROR';
  const mariadbName = 'errno' in error ? MARIADB_NAMES.get(error.errno) : undefined;
  const code = mariadbName ?? ('code' in error ? error.code : undefined);
  return typeof code === 'string' ? code : 'UNKNOWN_DATABASE_ERROR';
};

// MariaDB names the key alone, MySQL 8 with its table in front: 'merchant_order' or 'payment.merchant_order'.
const duplicateKeyOf = (error: unknown): string => {
  const message = error instanceof Error ? error.message : '';
  return /for key '(?:[^'.]+\.)?([^']+)'$/.exec(message)?.[1] ?? 'unknown';
};

/**
 * Reads a driver's error.
 *
 * @param sent whether the statement may have left; an error before that proves that nothing was written.
 */
export const toDatabaseError = (error: unknown, sent: boolean): DatabaseError => {
  if (error instanceof DatabaseError) return error;
  const code = codeOf(error);
  const certainty = !sent || NOT_WRITTEN.has(code) ? 'not_written' : 'ambiguous';
  return new DatabaseError(code, certainty, {
    ...(code === 'ER_DUP_ENTRY' ? { duplicateKey: duplicateKeyOf(error) } : {}),
    cause: error,
  });
};
