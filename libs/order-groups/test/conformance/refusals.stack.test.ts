import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/connection.ts';
import { onThisServer } from '../server-under-test.ts';
import { type GroupUnderTest, startGroupUnderTest } from './group-under-test.ts';
import { administer, eventually, see } from './node-control.ts';
import { inTenSeconds, openOurs, outcomeOf, type Reading, readingOf } from './sessions.ts';

// What a server says when it refuses, and what the order store makes of it: only what proves that nothing was written may say so.

let group: GroupUnderTest;
let ours: Connection;

beforeAll(async () => {
  group = await startGroupUnderTest(
    `CREATE TABLE fact (
       id INT PRIMARY KEY, merchant_order VARCHAR(20) NOT NULL, small TINYINT UNSIGNED NOT NULL DEFAULT 0,
       UNIQUE KEY merchant_order (merchant_order), CONSTRAINT small_enough CHECK (small < 100)
     )`,
    'CREATE TABLE note (id INT AUTO_INCREMENT PRIMARY KEY, fact_key VARCHAR(20) NOT NULL, UNIQUE KEY of_note (fact_key))',
    `CREATE TRIGGER fact_noted BEFORE INSERT ON fact FOR EACH ROW
       INSERT INTO note (fact_key) VALUES (NEW.merchant_order)`,
    `CREATE TRIGGER fact_guarded BEFORE UPDATE ON fact FOR EACH ROW
       IF NEW.small < OLD.small THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'never less'; END IF`,
    "INSERT INTO fact (id, merchant_order, small) VALUES (1, 'first', 50), (2, 'second', 50)",
    "INSERT INTO note (fact_key) VALUES ('noted')",
  );
  ours = await openOurs(group.primary, group.accounts.app);
});
afterAll(async () => {
  ours.cut();
  await group.close();
});

const run = (sql: string, connection = ours) => connection.run({ summary: 'a test', sql }, [], inTenSeconds());
const idOf = async (connection: Connection) =>
  String((await run('SELECT CONNECTION_ID() AS id', connection)).rows[0]?.['id']);

/** A statement that waits for a row lock which another session holds, and what is made of its end. */
const waitForLock = async (small: number) => {
  const [holder, victim] = [await group.open(), await openOurs(group.primary, group.accounts.app)];
  await holder.write('START TRANSACTION');
  await holder.write('UPDATE fact SET small = small + 1 WHERE id = 1');
  const id = await idOf(victim);
  const reading = readingOf(run(`UPDATE fact SET small = ${small} WHERE id = 1`, victim));
  const underWay = `SELECT COMMAND FROM information_schema.processlist WHERE ID = ${id}`;
  await eventually(async () => expect(await see(group.primary, underWay)).not.toBe('Sleep'));
  return { holder, id, reading };
};

describe('a read-only replica', () => {
  const MATCHES_NOTHING = [
    'UPDATE fact SET small = small WHERE id = -1',
    'DELETE FROM fact WHERE id = -1',
    "INSERT INTO fact (id, merchant_order) SELECT 7, 'seven' FROM fact WHERE id = -1",
  ];
  for (const sql of MATCHES_NOTHING) {
    test(`refuses even what would change no row: ${sql}`, async () => {
      const replica = await openOurs(group.replicas[0], group.accounts.app);
      expect(await readingOf(run(sql, replica))).toMatchObject({
        code: 'ER_OPTION_PREVENTS_STATEMENT',
        certainty: 'not_written',
      });
      replica.cut();
    });
  }

  test('is written to by an account with ALL: MariaDB lets it, MySQL does not while super_read_only is on', async () => {
    const [replica] = group.replicas;
    const password = group.accounts.app.password.reveal();
    // Not logged: a write of a replica's own would end its replication for good.
    await administer(
      replica,
      'SET SESSION sql_log_bin = 0',
      ...onThisServer({ mariadb: [], mysql: ['SET GLOBAL super_read_only = OFF'] }),
      `CREATE USER 'mighty'@'127.0.0.1' IDENTIFIED BY '${password}'`,
      "GRANT ALL ON *.* TO 'mighty'@'127.0.0.1'",
      ...onThisServer({ mariadb: [], mysql: ['SET GLOBAL super_read_only = ON'] }),
    );
    const mighty = await openOurs(replica, { ...group.accounts.app, user: 'mighty' });
    await run('SET SESSION sql_log_bin = 0', mighty);
    const write = () => outcomeOf(run('UPDATE fact SET small = small WHERE id = 1', mighty));
    expect(await write()).toBe(onThisServer({ mariadb: 'OK 1', mysql: 'ER_OPTION_PREVENTS_STATEMENT not_written' }));
    if (onThisServer({ mariadb: false, mysql: true })) {
      await administer(replica, 'SET GLOBAL super_read_only = OFF');
      // read_only alone holds against nobody who may change it.
      expect(await write()).toBe('OK 1');
      await administer(replica, 'SET GLOBAL super_read_only = ON');
    }
    mighty.cut();
  });
});

describe('a lock that is waited for', () => {
  test('ends with 1205 after innodb_lock_wait_timeout = 1 second and takes back the statement alone, not its transaction', async () => {
    const [holder, waiter] = [await group.open(), await group.open()];
    await holder.write('START TRANSACTION');
    await holder.write('UPDATE fact SET small = 51 WHERE id = 1');
    await waiter.write('START TRANSACTION');
    await waiter.write('UPDATE fact SET small = 60 WHERE id = 2');
    const beganMs = performance.now();
    expect(await waiter.outcomeOf('UPDATE fact SET small = 61 WHERE id = 1')).toBe('ER_LOCK_WAIT_TIMEOUT');
    expect(performance.now() - beganMs).toBeGreaterThan(900);
    expect(performance.now() - beganMs).toBeLessThan(2_500);
    await waiter.write('COMMIT');
    await holder.write('ROLLBACK');
    expect(await waiter.value('SELECT GROUP_CONCAT(small ORDER BY id) FROM fact')).toBe('50,60');
  });

  test('that nobody can ever get ends with 1213 for one of the two', async () => {
    const [one, other] = [await group.open(), await group.open()];
    for (const [session, id] of [
      [one, 1],
      [other, 2],
    ] as const) {
      await session.write('START TRANSACTION');
      await session.write(`UPDATE fact SET small = small + 1 WHERE id = ${id}`);
    }
    const outcomes = await Promise.all([
      one.outcomeOf('UPDATE fact SET small = small + 1 WHERE id = 2'),
      other.outcomeOf('UPDATE fact SET small = small + 1 WHERE id = 1'),
    ]);
    expect(outcomes.toSorted()).toEqual(['ER_LOCK_DEADLOCK', 'OK 1']);
    await Promise.all([one.write('ROLLBACK'), other.write('ROLLBACK')]);
  });
});

const NOT_WRITTEN: readonly (readonly [what: string, sql: string, reading: Partial<Reading>])[] = [
  [
    'a number that is taken',
    "INSERT INTO fact (id, merchant_order) VALUES (1, 'new')",
    { code: 'ER_DUP_ENTRY', duplicateKey: 'PRIMARY' },
  ],
  [
    'a merchant’s number that is taken',
    "INSERT INTO note (fact_key) VALUES ('noted')",
    { code: 'ER_DUP_ENTRY', duplicateKey: 'of_note' },
  ],
  [
    'a number that is taken in a table that a trigger writes to',
    "INSERT INTO fact (id, merchant_order) VALUES (9, 'noted')",
    { code: 'ER_DUP_ENTRY', duplicateKey: 'of_note' },
  ],
  ['a NULL', 'INSERT INTO fact (id, merchant_order) VALUES (9, NULL)', { code: 'ER_BAD_NULL_ERROR' }],
  [
    'a text that is too long',
    `INSERT INTO fact (id, merchant_order) VALUES (9, '${'x'.repeat(21)}')`,
    { code: 'ER_DATA_TOO_LONG' },
  ],
  [
    'a number out of range',
    "INSERT INTO fact (id, merchant_order, small) VALUES (9, 'nine', 256)",
    { code: 'ER_WARN_DATA_OUT_OF_RANGE' },
  ],
  [
    'a check that is broken',
    "INSERT INTO fact (id, merchant_order, small) VALUES (9, 'nine', 200)",
    { code: 'ER_CHECK_CONSTRAINT_VIOLATED' },
  ],
  ['a trigger’s objection', 'UPDATE fact SET small = 1 WHERE id = 1', { code: 'ER_SIGNAL_EXCEPTION' }],
  ['a table that is not there', 'INSERT INTO nowhere (id) VALUES (1)', { code: 'ER_NO_SUCH_TABLE' }],
  ['a column that is not there', 'UPDATE fact SET nothing = 1', { code: 'ER_BAD_FIELD_ERROR' }],
  ['a missing right', 'DROP TABLE fact', { code: 'ER_TABLEACCESS_DENIED_ERROR' }],
];

describe('a statement that is refused for its data or its rights has written nothing:', () => {
  for (const [what, sql, reading] of NOT_WRITTEN) {
    test(`${what} (${reading.code}${reading.duplicateKey === undefined ? '' : ` of ${reading.duplicateKey}`})`, async () => {
      const before = await see(group.primary, 'SELECT COUNT(*) FROM fact');
      expect(await readingOf(run(sql))).toMatchObject({ ...reading, certainty: 'not_written' });
      expect(ours.usable()).toBe(true);
      expect(await see(group.primary, 'SELECT COUNT(*) FROM fact')).toBe(before);
    });
  }
});

describe('a connection', () => {
  test('that nobody listens for, or with a wrong password, or one too many, has certainly written nothing', async () => {
    const nowhere = { host: '127.0.0.1', port: 1 };
    expect(await readingOf(openOurs(nowhere, group.accounts.app))).toMatchObject({
      code: 'ECONNREFUSED',
      certainty: 'not_written',
    });
    const impostor = { ...group.accounts.app, password: group.accounts.read.password };
    expect(await readingOf(openOurs(group.primary, impostor))).toMatchObject({
      code: 'ER_ACCESS_DENIED_ERROR',
      certainty: 'not_written',
    });
    await administer(group.primary, 'SET GLOBAL max_connections = 10');
    const opened = await Promise.allSettled(
      Array.from({ length: 12 }, () => openOurs(group.primary, group.accounts.app)),
    );
    for (const one of opened) if (one.status === 'fulfilled') one.value.cut();
    const refused: unknown = opened.find((one) => one.status === 'rejected')?.reason;
    expect(refused).toMatchObject({ code: 'ER_CON_COUNT_ERROR', certainty: 'not_written' });
    await eventually(() => administer(group.primary, 'SET GLOBAL max_connections = 200'));
  });

  test('that is killed while its statement waits for a lock: its end proves nothing', async () => {
    const { holder, id, reading } = await waitForLock(70);
    await administer(group.primary, `KILL CONNECTION ${id}`);
    expect(await reading).toMatchObject({ certainty: 'ambiguous' });
    await holder.write('ROLLBACK');
    expect(await see(group.primary, 'SELECT COUNT(*) FROM fact WHERE small = 70')).toBe('0');
  });

  test('whose statement is killed while it waits for a lock: 1317, which proves nothing', async () => {
    const { holder, id, reading } = await waitForLock(71);
    await administer(group.primary, `KILL QUERY ${id}`);
    expect(await reading).toMatchObject({ code: 'ER_QUERY_INTERRUPTED', certainty: 'ambiguous' });
    await holder.write('ROLLBACK');
    expect(await see(group.primary, 'SELECT COUNT(*) FROM fact WHERE small = 71')).toBe('0');
  });

  test('that is killed while it is idle takes no further statement', async () => {
    const victim = await openOurs(group.primary, group.accounts.app);
    await administer(group.primary, `KILL CONNECTION ${await idOf(victim)}`);
    await readingOf(run("INSERT INTO fact (id, merchant_order) VALUES (80, 'eighty')", victim));
    expect(victim.usable()).toBe(false);
    expect(await see(group.primary, 'SELECT COUNT(*) FROM fact WHERE id = 80')).toBe('0');
  });
});
