import { describe, expect, test } from 'vitest';
import { DatabaseError, toDatabaseError } from '../src/database-error.ts';

/** An error as the driver makes it: its name for the number, the number, the server's text. */
const driverError = (code: string | undefined, errno: number | undefined, message = 'as the server says'): Error =>
  Object.assign(new Error(message), {
    ...(code === undefined ? {} : { code }),
    ...(errno === undefined ? {} : { errno }),
  });

type Known = readonly [what: string, code: string | undefined, errno: number | undefined, certainty: string];

// Order-store research, section 1.5, and what both servers document.
const AFTER_SENDING: readonly Known[] = [
  ['the server was not there', 'ECONNREFUSED', undefined, 'not_written'],
  ['the host has no address', 'ENOTFOUND', undefined, 'not_written'],
  ['too many connections', 'ER_CON_COUNT_ERROR', 1040, 'not_written'],
  ['a read-only server', 'ER_OPTION_PREVENTS_STATEMENT', 1290, 'not_written'],
  ['a read-only server, in MySQL’s words', 'ER_READ_ONLY_MODE', 1836, 'not_written'],
  ['a read-only transaction', 'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION', 1792, 'not_written'],
  ['a row lock that was waited for too long', 'ER_LOCK_WAIT_TIMEOUT', 1205, 'not_written'],
  ['a deadlock', 'ER_LOCK_DEADLOCK', 1213, 'not_written'],
  ['a row that is there already', 'ER_DUP_ENTRY', 1062, 'not_written'],
  ['a move that a trigger refuses', 'ER_SIGNAL_EXCEPTION', 1644, 'not_written'],
  ['a check that MySQL refuses', 'ER_CHECK_CONSTRAINT_VIOLATED', 3819, 'not_written'],
  ['a partition that is not there', 'ER_UNKNOWN_PARTITION', 1735, 'not_written'],
  ['a row for another partition', 'ER_ROW_DOES_NOT_MATCH_GIVEN_PARTITION_SET', 1748, 'not_written'],
  ['a row for no partition', 'ER_NO_PARTITION_FOR_GIVEN_VALUE', 1526, 'not_written'],
  ['an account without the right', 'ER_TABLEACCESS_DENIED_ERROR', 1142, 'not_written'],
  ['a table that is not there', 'ER_NO_SUCH_TABLE', 1146, 'not_written'],
  ['a connection that broke', 'ECONNRESET', undefined, 'ambiguous'],
  ['a connection that ended', 'PROTOCOL_CONNECTION_LOST', undefined, 'ambiguous'],
  ['a socket that broke while writing', 'EPIPE', undefined, 'ambiguous'],
  ['a time-out of the network', 'ETIMEDOUT', undefined, 'ambiguous'],
  ['a server that shuts down', 'ER_SERVER_SHUTDOWN', 1053, 'ambiguous'],
  ['a connection that was killed, MariaDB’s own number', 'UNKNOWN_CODE_PLEASE_REPORT', 1927, 'ambiguous'],
  ['a statement that took too long, MariaDB’s own number', 'UNKNOWN_CODE_PLEASE_REPORT', 1969, 'ambiguous'],
  ['a query that was interrupted', 'ER_QUERY_INTERRUPTED', 1317, 'ambiguous'],
  ['a number that nobody listed', 'ER_SOMETHING_NEW', 9_999, 'ambiguous'],
  ['an error without a name', undefined, undefined, 'ambiguous'],
];

describe('after a statement may have left,', () => {
  for (const [what, code, errno, certainty] of AFTER_SENDING) {
    test(`${what} (${code ?? 'no code'}) means ${certainty}`, () => {
      expect(toDatabaseError(driverError(code, errno), true)).toMatchObject({ certainty });
    });
  }
});

test('before anything was sent, nothing was written, whatever the error', () => {
  for (const [, code, errno] of AFTER_SENDING) {
    expect(toDatabaseError(driverError(code, errno), false).certainty).toBe('not_written');
  }
});

test('MariaDB’s own numbers have names, and what MySQL says as well has MySQL’s', () => {
  const codes = [1927, 1969, 4025].map((errno) => toDatabaseError(driverError('UNKNOWN', errno), true).code);
  expect(codes).toEqual(['ER_CONNECTION_KILLED', 'ER_STATEMENT_TIMEOUT', 'ER_CHECK_CONSTRAINT_VIOLATED']);
});

test('what is no error object at all is ambiguous', () => {
  for (const thrown of ['a text', null, undefined, { code: 7 }]) {
    expect(toDatabaseError(thrown, true)).toMatchObject({ code: 'UNKNOWN_DATABASE_ERROR', certainty: 'ambiguous' });
  }
});

test('an error that was read before stays as it is', () => {
  const read = new DatabaseError('TILLMESH_TIME_UP', 'ambiguous');
  expect(toDatabaseError(read, false)).toBe(read);
});

const REFUSED: readonly Known[] = [
  ['a row that is there already', 'ER_DUP_ENTRY', 1062, ''],
  ['a check that MySQL refuses', 'ER_CHECK_CONSTRAINT_VIOLATED', 3819, ''],
  // mysql2 knows MySQL's numbers alone: in MySQL 4025 is another error.
  ['a check that MariaDB refuses', 'ER_INNODB_AUTOEXTEND_SIZE_OUT_OF_RANGE', 4025, ''],
  ['a move that a trigger refuses', 'ER_SIGNAL_EXCEPTION', 1644, ''],
  ['a text that is too long', 'ER_DATA_TOO_LONG', 1406, ''],
  ['a word that an ENUM does not have', 'WARN_DATA_TRUNCATED', 1265, ''],
];

describe('the group is healthy and the data is refused by', () => {
  for (const [what, code, errno] of REFUSED) {
    test(what, () => {
      expect(toDatabaseError(driverError(code, errno), true)).toMatchObject({
        isRefusal: true,
        certainty: 'not_written',
      });
    });
  }

  test('none of the errors that speak of the server', () => {
    for (const code of ['ECONNREFUSED', 'ER_OPTION_PREVENTS_STATEMENT', 'ER_LOCK_WAIT_TIMEOUT', 'ER_SERVER_SHUTDOWN']) {
      expect(toDatabaseError(driverError(code, undefined), true).isRefusal).toBe(false);
    }
  });
});

const KEYS: readonly (readonly [message: string, key: string])[] = [
  ["Duplicate entry 'm-1-o-1' for key 'merchant_order'", 'merchant_order'],
  ["Duplicate entry 'm-1-o-1' for key 'payment.merchant_order'", 'merchant_order'],
  ["Duplicate entry '184467' for key 'PRIMARY'", 'PRIMARY'],
  ["Duplicate entry '184467' for key 'payment.PRIMARY'", 'PRIMARY'],
  ["Duplicate entry '1-R1' for key 'refund.merchant_refund'", 'merchant_refund'],
  // A merchant chooses the entry; it must not choose the key.
  ["Duplicate entry 'for key 'PRIMARY'' for key 'merchant_order'", 'merchant_order'],
  ['Doppelter Eintrag', 'unknown'],
];

describe('the key of a duplicate', () => {
  for (const [message, key] of KEYS) {
    test(`is ${key} in: ${message}`, () => {
      expect(toDatabaseError(driverError('ER_DUP_ENTRY', 1062, message), true).duplicateKey).toBe(key);
    });
  }

  test('is not looked for in other errors', () => {
    const failure = toDatabaseError(driverError('ER_LOCK_DEADLOCK', 1213, "x for key 'PRIMARY'"), true);
    expect(failure.duplicateKey).toBeUndefined();
  });
});

test('the text of the error names the code and nothing that the server quotes', () => {
  const failure = toDatabaseError(
    driverError('ER_DUP_ENTRY', 1062, "Duplicate entry '6212345678901234567' for key 'PRIMARY'"),
    true,
  );
  expect(failure.message).toBe('database: ER_DUP_ENTRY');
});
