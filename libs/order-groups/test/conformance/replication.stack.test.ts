import type { LocalNode } from '@tillmesh/local-stack';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { onThisServer } from '../server-under-test.ts';
import { type GroupUnderTest, startGroupUnderTest } from './group-under-test.ts';
import { administer, eventually, see, serverWords } from './node-control.ts';
import { inTenSeconds, openOurs, readingOf } from './sessions.ts';

// What of a write arrives where, and what is left when the primary goes.

let group: GroupUnderTest;

beforeAll(async () => {
  group = await startGroupUnderTest(
    'CREATE TABLE fact (id INT PRIMARY KEY)',
    'CREATE TABLE trace (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, fact_id INT NOT NULL, server INT NOT NULL)',
    `CREATE TRIGGER fact_traced AFTER INSERT ON fact FOR EACH ROW
       INSERT INTO trace (fact_id, server) VALUES (NEW.id, @@server_id)`,
  );
});
afterAll(() => group.close());

const insert = (id: number) => `INSERT INTO fact (id) VALUES (${id})`;
const count = (id: number) => `SELECT COUNT(*) FROM fact WHERE id = ${id}`;
const TRACES = "SELECT GROUP_CONCAT(CONCAT(id, ':', fact_id, ':', server) ORDER BY id) FROM trace";

test('a trigger runs on the primary alone, and the rows that it wrote arrive as they are', async () => {
  const [kept, bare] = group.replicas;
  // Even where the trigger is gone its rows arrive.
  await administer(
    bare,
    'SET SESSION sql_log_bin = 0',
    ...onThisServer({ mariadb: [], mysql: ['SET GLOBAL super_read_only = OFF'] }),
    'DROP TRIGGER fact_traced',
    ...onThisServer({ mariadb: [], mysql: ['SET GLOBAL super_read_only = ON'] }),
  );
  const session = await group.open();
  for (const id of [1, 2, 3]) await session.write(insert(id));
  const { serverId } = group.primary;
  await group.untilAllSee(TRACES, `1:1:${serverId},2:2:${serverId},3:3:${serverId}`, [group.primary, kept, bare]);
});

test('a replica that ends with rows it has received and acknowledged, but not executed, still has them when it starts again', async () => {
  const session = await group.open();
  await administer(group.replicas[0], 'STOP REPLICA SQL_THREAD');
  await administer(group.replicas[1], 'STOP REPLICA IO_THREAD');
  // So the first replica is the one that acknowledges.
  await session.write(insert(4));
  expect(await see(group.replicas[0], count(4))).toBe('0');
  // Everybody else who has the row is gone.
  await group.primary.kill('SIGKILL');
  await group.replicas[0].kill('SIGKILL');
  await group.replicas[0].start();
  expect(await see(group.replicas[0], count(4))).toBe('1');
  await group.primary.start();
  await group.attach();
  await group.untilAllSee(count(4), '1');
});

/** Makes a replica the primary, as somebody does who has no helper: fence, drain, open, let the other follow. */
const promote = async (chosen: LocalNode, other: LocalNode): Promise<void> => {
  for (const node of [chosen, other]) await administer(node, 'STOP REPLICA');
  const { user, password } = group.accounts.replication;
  const follow = onThisServer({
    mariadb: `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${chosen.port}, MASTER_USER = '${user}',
      MASTER_PASSWORD = '${password.reveal()}', MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1`,
    mysql: `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ${chosen.port}, SOURCE_USER = '${user}',
      SOURCE_PASSWORD = '${password.reveal()}', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1`,
  });
  await administer(chosen, 'RESET REPLICA ALL');
  await administer(other, follow, 'START REPLICA');
  await administer(chosen, `SET GLOBAL ${serverWords.status}_enabled = ON`, 'SET GLOBAL read_only = OFF');
};

describe('after a replica was promoted', () => {
  test('the replaced primary goes on answering what it knows, and cannot have a write acknowledged', async () => {
    const [chosen, other] = group.replicas;
    await promote(chosen, other);
    const [stale, fresh] = [await group.open(group.primary), await group.open(chosen)];
    expect(await fresh.outcomeOf(insert(10))).toBe('OK 1');
    await group.untilAllSee(count(10), '1', [chosen, other]);
    expect(await stale.value(count(10))).toBe('0');
    expect(await stale.value(count(3))).toBe('1');
    expect(await stale.value('SELECT @@GLOBAL.read_only')).toBe('0');
    const beat = await openOurs(group.primary, group.accounts.app);
    const halfASecond = { atMs: inTenSeconds().atMs - 9_500 };
    expect(await readingOf(beat.run({ summary: 'a test', sql: insert(11) }, [], halfASecond))).toMatchObject({
      code: 'TILLMESH_TIME_UP',
      certainty: 'ambiguous',
    });
    expect(await stale.value(count(11))).toBe('0');
  });

  test('AUTO_INCREMENT goes on above everything that had arrived, and the other replica gets the same numbers', async () => {
    const [chosen, other] = group.replicas;
    const before = Number(await see(chosen, 'SELECT MAX(id) FROM trace WHERE server = ' + group.primary.serverId));
    const session = await group.open(chosen);
    await session.write(insert(12));
    const made = await session.value('SELECT id FROM trace WHERE fact_id = 12');
    expect(Number(made)).toBeGreaterThan(before);
    expect(await session.value('SELECT COUNT(*) FROM trace WHERE fact_id = 12')).toBe('1');
    await eventually(async () => expect(await see(other, 'SELECT id FROM trace WHERE fact_id = 12')).toBe(made));
  });
});
