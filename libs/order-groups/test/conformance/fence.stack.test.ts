import { systemClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Connection } from '../../src/connection.ts';
import { type GroupUnderTest, startGroupUnderTest } from './group-under-test.ts';
import { see } from './node-control.ts';
import { inTenSeconds, openOurs, readingOf, type Session } from './sessions.ts';

// The fence: a writer that holds an old version of the map writes nothing, and whoever raises the version knows when the last old
// writer has gone.

let group: GroupUnderTest;
let ours: Connection;

beforeAll(async () => {
  group = await startGroupUnderTest(
    "CREATE TABLE fence (id TINYINT PRIMARY KEY, map_version BIGINT NOT NULL, mode ENUM('RW', 'RO') NOT NULL)",
    "INSERT INTO fence (id, map_version, mode) VALUES (1, 1, 'RW')",
    'CREATE TABLE plain (id INT PRIMARY KEY, map_version BIGINT NOT NULL)',
    `CREATE TABLE parted (
       order_no BIGINT UNSIGNED NOT NULL PRIMARY KEY, merchant_order VARCHAR(20) NOT NULL, map_version BIGINT NOT NULL
     ) PARTITION BY RANGE (order_no) (PARTITION d001 VALUES LESS THAN (100), PARTITION d002 VALUES LESS THAN (200))`,
    `CREATE TABLE parted_key (
       merchant_order VARCHAR(20) NOT NULL, order_no BIGINT UNSIGNED NOT NULL, UNIQUE KEY merchant_order (merchant_order)
     )`,
    `CREATE TRIGGER parted_keyed BEFORE INSERT ON parted FOR EACH ROW
       INSERT INTO parted_key (merchant_order, order_no) VALUES (NEW.merchant_order, NEW.order_no)`,
  );
  ours = await openOurs(group.primary, group.accounts.app);
});
afterAll(async () => {
  ours.cut();
  await group.close();
});

const FENCE = "FROM fence WHERE id = 1 AND map_version = 1 AND mode = 'RW'";

const bySelect = (lock: string) => (id: number) => `INSERT INTO plain SELECT ${id}, map_version ${FENCE} ${lock}`;
const byValue = (lock: string) => (id: number) =>
  `INSERT INTO plain VALUES (${id}, (SELECT map_version ${FENCE} ${lock}))`;
const parted = (orderNo: number, merchantOrder: string, partition = 'd001') =>
  `INSERT INTO parted PARTITION (${partition}) (order_no, merchant_order, map_version)
   VALUES (${orderNo}, '${merchantOrder}', (SELECT map_version ${FENCE} LOCK IN SHARE MODE))`;

/** Raises the version and sets it back; what became of it. */
const raise = async (session: Session): Promise<string> => {
  const outcome = await session.outcomeOf('UPDATE fence SET map_version = 2 WHERE id = 1');
  await session.outcomeOf('UPDATE fence SET map_version = 1 WHERE id = 1');
  return outcome;
};

let lastId = 0;

type Held = readonly [what: string, isolation: string, insert: (id: number) => string];

// MariaDB does not know FOR SHARE, so the older words are used on both.
const HELD: readonly Held[] = [
  ['INSERT … SELECT', 'REPEATABLE READ', bySelect('')],
  ['INSERT … SELECT … LOCK IN SHARE MODE', 'READ COMMITTED', bySelect('LOCK IN SHARE MODE')],
  ['INSERT … VALUES ((SELECT …))', 'READ COMMITTED', byValue('')],
  ['INSERT … VALUES ((SELECT … LOCK IN SHARE MODE))', 'REPEATABLE READ', byValue('LOCK IN SHARE MODE')],
  ['INSERT … PARTITION … VALUES ((SELECT … LOCK IN SHARE MODE))', 'READ COMMITTED', (id) => parted(id, `k${id}`)],
];

describe('raising the version waits for', () => {
  for (const [what, isolation, insert] of HELD) {
    test(`a fenced ${what} that is not acknowledged yet, under ${isolation}; afterwards no other appears`, async () => {
      const [writer, mover] = [await group.open(), await group.open()];
      await writer.write(`SET SESSION TRANSACTION ISOLATION LEVEL ${isolation}`);
      lastId += 1;
      const sql = insert(lastId);
      const held = await group.withoutReplicas(async () => {
        const outcome = writer.outcomeOf(sql);
        await group.untilWaiting(1);
        expect(await mover.outcomeOf('UPDATE fence SET map_version = 2 WHERE id = 1')).toBe('ER_LOCK_WAIT_TIMEOUT');
        return { outcome };
      });
      expect(await held.outcome).toBe('OK 1');
      await mover.write('UPDATE fence SET map_version = 2 WHERE id = 1');
      lastId += 1;
      // A SELECT finds no row, a value finds NULL: neither writes.
      expect(await writer.outcomeOf(insert(lastId))).toBe(sql.includes('VALUES') ? 'ER_BAD_NULL_ERROR' : 'OK 0');
      await mover.write('UPDATE fence SET map_version = 1 WHERE id = 1');
    });
  }

  test('no fenced INSERT … SELECT without LOCK IN SHARE MODE under READ COMMITTED: there it passes, and the old one appears later', async () => {
    const [writer, mover] = [await group.open(), await group.open()];
    await writer.write('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    await mover.write('SET SESSION innodb_lock_wait_timeout = 1');
    lastId += 1;
    const id = lastId;
    const outcomes = await group.withoutReplicas(async () => {
      const late = writer.outcomeOf(bySelect('')(id));
      await group.untilWaiting(1);
      // Not refused: it queues for its own acknowledgement, which nobody gives before the replicas are back.
      const raised = raise(mover);
      expect(await Promise.race([raised, systemClock.sleep(1_500).then(() => 'waits')])).toBe('waits');
      return { late, raised };
    });
    expect(await Promise.all([outcomes.late, outcomes.raised])).toEqual(['OK 1', 'OK 1']);
  });
});

describe('a fenced INSERT into a named partition, with a trigger that writes the key,', () => {
  const run = (sql: string) => ours.run({ summary: 'a test', sql }, [], inTenSeconds());
  const seen = (merchantOrder: string) =>
    see(
      group.primary,
      `SELECT (SELECT COUNT(*) FROM parted WHERE merchant_order = '${merchantOrder}')
            + (SELECT COUNT(*) FROM parted_key WHERE merchant_order = '${merchantOrder}')`,
    );

  test('writes row and key', async () => {
    expect(await run(parted(50, 'whole'))).toMatchObject({ affectedRows: 1 });
    expect(await seen('whole')).toBe('2');
  });

  test('takes prepared values', async () => {
    const sql = `INSERT INTO parted PARTITION (d001) (order_no, merchant_order, map_version)
      VALUES (?, ?, (SELECT map_version FROM fence WHERE id = 1 AND map_version = ? AND mode = 'RW' LOCK IN SHARE MODE))`;
    const insert = (...values: readonly (string | number)[]) =>
      ours.run({ summary: 'a test', sql }, values, inTenSeconds());
    expect(await insert(51, 'prepared', '1')).toMatchObject({ affectedRows: 1 });
    expect(await readingOf(insert(52, 'missed', '7'))).toMatchObject({
      code: 'ER_BAD_NULL_ERROR',
      certainty: 'not_written',
    });
    expect(await seen('missed')).toBe('0');
  });

  const REFUSED: readonly (readonly [
    what: string,
    sql: string,
    code: string,
    key: string | undefined,
    name: string,
  ])[] = [
    ['the merchant’s number is taken', parted(60, 'whole'), 'ER_DUP_ENTRY', 'merchant_order', 'whole'],
    ['the order number is taken', parted(50, 'other'), 'ER_DUP_ENTRY', 'PRIMARY', 'other'],
    [
      'the row belongs to another day',
      parted(150, 'later'),
      'ER_ROW_DOES_NOT_MATCH_GIVEN_PARTITION_SET',
      undefined,
      'later',
    ],
    [
      'the day has no partition of its own',
      parted(61, 'unknown', 'd009'),
      'ER_UNKNOWN_PARTITION',
      undefined,
      'unknown',
    ],
    [
      'no partition takes the row',
      "INSERT INTO parted VALUES (250, 'beyond', 1)",
      'ER_NO_PARTITION_FOR_GIVEN_VALUE',
      undefined,
      'beyond',
    ],
  ];
  for (const [what, sql, code, duplicateKey, name] of REFUSED) {
    test(`is refused and writes neither where ${what} (${code})`, async () => {
      const before = await seen(name);
      expect(await readingOf(run(sql))).toEqual({ code, certainty: 'not_written', duplicateKey });
      expect(await seen(name)).toBe(before);
    });
  }

  test('finds partitions that were added and dropped meanwhile', async () => {
    const schema = await group.open(group.primary, 'migrate');
    await schema.write('ALTER TABLE parted ADD PARTITION (PARTITION d003 VALUES LESS THAN (300))');
    await schema.write('ALTER TABLE parted DROP PARTITION d001');
    expect(await run(parted(250, 'added', 'd003'))).toMatchObject({ affectedRows: 1 });
    expect(await readingOf(run(parted(62, 'dropped')))).toMatchObject({ code: 'ER_UNKNOWN_PARTITION' });
    // Dropping a partition runs no trigger: the keys of its rows stay.
    expect(await seen('whole')).toBe('1');
    await group.untilAllSee('SELECT COUNT(*) FROM parted', '1');
  });
});
