import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { afterEach, describe, expect, test } from 'vitest';
import { type LocalNode, startLocalStack } from '../src/index.ts';
import { pollUntil } from '../src/waiting.ts';
import { asAccount, rowOf } from './databases.ts';
import { type GroupUnderTest, startGroup, wordsFor } from './group-under-test.ts';
import { eventually, removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

removeFoldersAfterEach();
let under: GroupUnderTest | undefined;
afterEach(() => under?.stack.stop());

const start = async (folder = temporaryFolder()): Promise<GroupUnderTest> => {
  under = await startGroup(folder);
  return under;
};
const executes = async (node: LocalNode) =>
  (await node.administer((connection) => rowOf(connection, 'SHOW SLAVE STATUS')))['Slave_SQL_Running'];
/** Lets a replica meet a row that it has already. */
const breakExecution = async ({ write }: GroupUnderTest, replica: LocalNode) => {
  await replica.administer(async (connection) => {
    await connection.query('SET SESSION sql_log_bin = 0');
    await connection.query('INSERT INTO tillmesh.note (id) VALUES (2)');
  });
  await write(2);
  await eventually('its execution stops', async () => ((await executes(replica)) === 'No' ? true : undefined));
};
const bothAcknowledge = ({ acknowledging }: GroupUnderTest) =>
  eventually('two replicas that acknowledge', async () => ((await acknowledging()) === 2 ? true : undefined));

/** Writes over four connections until it is told to stop; tells what was answered and the longest wait for an answer. */
const writing = ({ stack, group }: GroupUnderTest) => {
  const answered: number[] = [];
  let lastId = 1_000;
  let isOver = false;
  let longestMs = 0;
  const works = Promise.all(
    Array.from({ length: 4 }, () =>
      asAccount(group.primary(), stack.accounts.app, async (connection) => {
        while (!isOver) {
          const id = ++lastId;
          const beganMs = systemClock.monotonicMs();
          await connection.query('INSERT INTO note (id) VALUES (?)', [id]);
          longestMs = Math.max(longestMs, systemClock.monotonicMs() - beganMs);
          answered.push(id);
        }
      }),
    ),
  );
  return {
    answered,
    stop: async () => {
      isOver = true;
      await works;
      return longestMs;
    },
  };
};

describe('rebuild', () => {
  test('makes a dead replica anew while the primary answers every write within a second', async () => {
    const group = await start();
    const { b, c, idsOn } = group;
    const load = writing(group);
    await eventually('some writes', () => (load.answered.length > 100 ? true : undefined));
    await c.kill('SIGKILL');
    const before = load.answered.length;
    const rebuilt = await c.rebuild();
    const during = load.answered.length - before;
    expect(await load.stop()).toBeLessThan(1_000);
    expect(during).toBeGreaterThan(100);
    expect(rebuilt).toMatchObject({ node: 'g5-c', copiedFrom: 'g5-b' });
    const last = load.answered.at(-1) ?? 0;
    for (const node of [b, c]) await group.arrives(node, last);
    expect(await idsOn(c)).toEqual(await idsOn(group.group.primary()));
    await bothAcknowledge(group);
    // The one that was copied executes again, with its own settings.
    const settings = await b.administer((connection) =>
      rowOf(connection, 'SELECT @@innodb_max_dirty_pages_pct AS upper'),
    );
    expect(Number(settings['upper'])).toBe(90);
    await b.kill('SIGKILL');
    await group.write(2);
  });

  test('mends a replica whose folder is gone, and one whose execution has broken', async () => {
    const folder = temporaryFolder();
    const group = await start(folder);
    const { b, c, has } = group;
    await b.kill('SIGKILL');
    rmSync(join(folder, 'g5-b', 'data'), { recursive: true });
    await b.rebuild();
    expect(await has(b, 1)).toBe(true);
    await breakExecution(group, c);
    await c.rebuild();
    await group.write(3);
    await group.arrives(c, 3);
    await bothAcknowledge(group);
  });

  test('mends a replica without which the stack had to start', async () => {
    const folder = temporaryFolder();
    const before = await start(folder);
    await breakExecution(before, before.b);
    await before.stack.stop();
    const lines: string[] = [];
    const onProgress = (line: string) => lines.push(line);
    const again = wordsFor(
      await startLocalStack({ folder, groupTags: [5], redis: false, clock: systemClock, onProgress }),
    );
    under = again;
    expect(lines).toContainEqual(expect.stringMatching(/^group 5 goes on without g5-b: g5-b .*Duplicate entry/));
    expect(lines).toContainEqual(expect.stringMatching(/^group 5 takes writes: .*, 1 semi-sync replica$/));
    await again.write(3);
    await again.b.rebuild();
    await again.arrives(again.b, 3);
    await bothAcknowledge(again);
  });

  test('takes a frozen replica as one that is dead', async () => {
    const group = await start();
    await group.c.kill('SIGSTOP');
    await group.c.rebuild();
    await bothAcknowledge(group);
  });

  test('is refused to the primary, and to the only replica that acknowledges', async () => {
    const { a, b, c, write } = await start();
    await expect(a.rebuild()).rejects.toMatchObject({ problem: 'options_wrong' });
    await b.kill('SIGKILL');
    await expect(c.rebuild()).rejects.toMatchObject({
      problem: 'replication_broken',
      message: expect.stringContaining('g5-c is the only replica that acknowledges') as unknown,
    });
    await write(2);
    await b.rebuild();
    await c.rebuild();
    await write(3);
  });

  test('takes the primary itself when no replica is left, and it opens with the new one', async () => {
    const group = await start();
    const { b, c, write, arrives } = group;
    await Promise.all([b.kill('SIGKILL'), c.kill('SIGKILL')]);
    const waits = write(2);
    expect((await b.rebuild()).copiedFrom).toBe('g5-a');
    await waits;
    await arrives(b, 2);
    expect((await c.rebuild()).copiedFrom).toBe('g5-b');
    await bothAcknowledge(group);
  });

  test('leaves node and source as they were when the source ends in the middle', async () => {
    const group = await start();
    const { b, c, write } = group;
    await c.kill('SIGKILL');
    const rebuilding = c.rebuild();
    rebuilding.catch(() => undefined);
    await eventually('the copy begins', async () => ((await executes(b)) === 'No' ? true : undefined));
    await b.kill('SIGKILL');
    await expect(rebuilding).rejects.toMatchObject({ problem: 'node_silent' });
    expect(group.group.excluded()).toEqual([]);
    await b.start();
    await write(2);
    await c.start();
    await group.arrives(c, 2);
    await bothAcknowledge(group);
  });

  test('never throws away the only copy of a write that was acknowledged', async () => {
    under = await startGroup(temporaryFolder(), { proxies: true });
    const { group, a, b, c, write, has } = under;
    // Only c receives this one and acknowledges it.
    await b.network().replication.cut();
    await write(2);
    await c.kill('SIGKILL');
    const rebuilding = c.rebuild();
    rebuilding.catch(() => undefined);
    // Its source still believes to be connected; it is not copied before it has received this write as well.
    const copyBegins = async () => ((await executes(b)) === 'No' ? 'begun' : undefined);
    expect(await pollUntil({ clock: systemClock, everyMs: 20, withinMs: 1_500, probe: copyBegins })).toBe('late');
    await a.kill('SIGKILL');
    await expect(rebuilding).rejects.toMatchObject({
      message: 'g5-b does not receive what its primary writes',
    });
    await expect(group.promote()).rejects.toMatchObject({ problem: 'node_silent' });
    // What the dead primary had sent is in a buffer on the way, and would arrive now; so it is thrown away.
    await b.network().replication.reset();
    await b.network().replication.heal();
    await c.start();
    expect((await group.promote()).primary).toBe('g5-c');
    expect(await has(c, 2)).toBe(true);
  });
});
