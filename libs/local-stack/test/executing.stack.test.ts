import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awaitExecuted } from '../src/await-executed.ts';
import { asAccount, rowOf, valuesOf } from './databases.ts';
import { type GroupUnderTest, startGroup } from './group-under-test.ts';
import { eventually } from './temporary-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-stack-'));
let under: GroupUnderTest;
beforeAll(async () => {
  under = await startGroup(folder);
});
afterAll(async () => {
  await under.stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const positionOf = async () =>
  String((await under.a.administer((connection) => valuesOf(connection, 'SELECT @@GLOBAL.gtid_binlog_pos')))[0]);
const loggedOn = async (node: GroupUnderTest['a']): Promise<readonly string[]> =>
  node.administer(async (connection) => {
    const files = await valuesOf(connection, 'SHOW BINARY LOGS');
    const gtids: string[] = [];
    for (const file of files) {
      const [rows] = await connection.query('SHOW BINLOG EVENTS IN ?', [file]);
      for (const { Event_type: type, Info: info } of rows as { Event_type: string; Info: string }[]) {
        if (type === 'Gtid') gtids.push(/\d+-\d+-\d+/.exec(info)?.[0] ?? info);
      }
    }
    return gtids;
  });

describe('a replica', () => {
  test('executes side by side and commits in the order of its primary', async () => {
    const { a, b, c, stack } = under;
    await Promise.all(
      Array.from({ length: 8 }, (_, writer) =>
        asAccount(a, stack.accounts.app, async (connection) => {
          for (let index = 0; index < 100; index++) {
            await connection.query('INSERT INTO note (id) VALUES (?)', [1_000 * (writer + 1) + index]);
          }
        }),
      ),
    );
    const position = await positionOf();
    for (const replica of [b, c]) {
      const settings = await replica.administer((connection) =>
        rowOf(
          connection,
          'SELECT @@slave_parallel_threads AS threads, @@slave_parallel_mode AS mode, @@gtid_strict_mode AS strict',
        ),
      );
      expect(settings).toEqual({ threads: '4', mode: 'optimistic', strict: '1' });
      await replica.administer((connection) =>
        awaitExecuted(replica.name, connection, position, { clock: systemClock }),
      );
      expect(await loggedOn(replica)).toEqual(await loggedOn(a));
    }
  });

  test('may take longer than the limit while it gets on, and shows how far it is', async () => {
    const { a, b, stack } = under;
    await b.administer((connection) => connection.query('STOP SLAVE SQL_THREAD'));
    await asAccount(a, stack.accounts.app, async (connection) => {
      for (let id = 20_000; id < 26_000; id++) await connection.query('INSERT INTO note (id) VALUES (?)', [id]);
    });
    const position = await positionOf();
    await b.administer((connection) => connection.query('START SLAVE SQL_THREAD'));
    const beganMs = systemClock.monotonicMs();
    const limitMs = 150;
    const wait = { clock: systemClock };
    expect(await b.administer((connection) => awaitExecuted('b', connection, position, wait, limitMs))).toBe(undefined);
    expect(systemClock.monotonicMs() - beganMs).toBeGreaterThan(limitMs);
  });

  test('is given up when it stands still, and when its thread has ended', async () => {
    const { a, b, write } = under;
    const lines: string[] = [];
    const wait = { clock: systemClock, onProgress: (line: string) => lines.push(line) };
    await b.administer(async (connection) => {
      await connection.query('LOCK TABLES tillmesh.note READ');
      await write(30_000, a);
      const position = await positionOf();
      expect(await b.administer((other) => awaitExecuted('b', other, position, wait, 2_500))).toBe(
        'it has executed nothing for 2500 ms',
      );
      expect(lines).toContainEqual(expect.stringMatching(/^b has executed up to 5-51-\d+ of 5-51-\d+$/));
      await connection.query('UNLOCK TABLES');
      expect(await b.administer((other) => awaitExecuted('b', other, position, wait))).toBe(undefined);
    });
    await b.administer((connection) => connection.query('STOP SLAVE SQL_THREAD'));
    await write(30_001, a);
    const position = await positionOf();
    expect(await b.administer((connection) => awaitExecuted('b', connection, position, wait))).toBe(
      'its executing thread has been stopped',
    );
    await b.administer((connection) => connection.query('START SLAVE SQL_THREAD'));
    await eventually('the row', async () => ((await under.has(b, 30_001)) ? true : undefined));
  });

  test('with five thousand transactions received and not executed starts again with all of them', async () => {
    const { a, b, c, stack, idsOn } = under;
    // So that it is b that acknowledges every one of them.
    await c.kill('SIGKILL');
    await b.administer((connection) => connection.query('STOP SLAVE SQL_THREAD'));
    await Promise.all(
      Array.from({ length: 8 }, (_, writer) =>
        asAccount(a, stack.accounts.app, async (connection) => {
          for (let index = 0; index < 625; index++) {
            await connection.query('INSERT INTO note (id) VALUES (?)', [100_000 * (writer + 1) + index]);
          }
        }),
      ),
    );
    await Promise.all([a.kill('SIGKILL'), b.kill('SIGKILL')]);
    await b.start();
    const ids = await idsOn(b);
    expect(ids.filter((id) => id >= 100_000)).toHaveLength(5_000);
    await Promise.all([a.start(), c.start()]);
  });
});
