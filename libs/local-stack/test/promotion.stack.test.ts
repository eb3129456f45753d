import { systemClock } from '@tillmesh/clock';
import { createConnection } from 'mysql2/promise';
import { afterEach, describe, expect, test } from 'vitest';
import { type LocalNode, startLocalStack } from '../src/index.ts';
import { within } from '../src/waiting.ts';
import { rowOf, valuesOf } from './databases.ts';
import { type GroupUnderTest, startGroup, wordsFor } from './group-under-test.ts';
import { eventually, removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

removeFoldersAfterEach();
let under: GroupUnderTest | undefined;
afterEach(() => under?.stack.stop());

const start = async (folder = temporaryFolder()): Promise<GroupUnderTest> => {
  under = await startGroup(folder);
  return under;
};

const names = (nodes: readonly LocalNode[]) => nodes.map(({ name }) => name);
const tell = (node: LocalNode, sql: string) => node.administer((connection) => connection.query(sql));
const replicaOf = ({ group }: GroupUnderTest): LocalNode => {
  const [replica] = group.replicas();
  if (replica === undefined) throw new Error('a replica is expected');
  return replica;
};
const receives = async (node: LocalNode) =>
  (await node.administer((connection) => rowOf(connection, 'SHOW SLAVE STATUS')))['Slave_IO_Running'];
const isLate = async (work: Promise<unknown>, ms: number) => {
  const settled = work.then(
    () => 'settled',
    () => 'settled',
  );
  return (await within(systemClock, ms, settled)) === 'late';
};
const bothAcknowledge = ({ acknowledging }: GroupUnderTest) =>
  eventually('two replicas that acknowledge', async () => ((await acknowledging()) === 2 ? true : undefined));
/** Leaves a write in the primary that no replica has received. */
const writeAlone = async ({ b, c, write }: GroupUnderTest, id: number): Promise<void> => {
  for (const replica of [b, c]) await tell(replica, 'STOP SLAVE IO_THREAD');
  const writing = write(id);
  writing.catch(() => undefined);
  expect(await isLate(writing, 300)).toBe(true);
};

describe('promote after kill -9 of the primary', () => {
  test('makes a replica take writes within ten seconds, keeps every answered row, and is remembered', async () => {
    const folder = temporaryFolder();
    const first = await start(folder);
    const { group, a, write, has, arrives, stack } = first;
    for (const id of [2, 3, 4]) await write(id);
    await a.kill('SIGKILL');
    const promotion = await group.promote();
    expect(promotion).toMatchObject({
      primary: group.primary().name,
      formerPrimary: { name: 'g5-a', state: 'down' },
      unheard: [],
    });
    expect(promotion.writableAfterMs).toBeLessThan(10_000);
    expect(names([group.primary(), ...group.replicas()]).toSorted()).toEqual(['g5-b', 'g5-c']);
    expect(names(group.excluded().map(({ node }) => node))).toEqual(['g5-a']);
    await write(5);
    await arrives(replicaOf(first), 5);
    for (const id of [2, 3, 4, 5]) expect(await has(group.primary(), id)).toBe(true);

    await stack.stop();
    const primaryBefore = group.primary().name;
    under = wordsFor(await startLocalStack({ folder, groupTags: [5], redis: false, clock: systemClock }));
    expect(under.group.primary().name).toBe(primaryBefore);
    await under.write(6);
    // It had nothing of its own, so the start of the stack has taken it back.
    expect(under.group.excluded()).toEqual([]);
    await under.arrives(under.a, 6);
  });

  test('takes the replica that has received most, executed or not', async () => {
    const { group, a, b, c, write, has } = await start();
    await tell(c, 'STOP SLAVE IO_THREAD');
    await tell(b, 'STOP SLAVE SQL_THREAD');
    for (let id = 10; id < 40; id++) await write(id);
    await a.kill('SIGKILL');
    const { primary } = await group.promote();
    expect(primary).toBe('g5-b');
    for (let id = 10; id < 40; id++) expect(await has(b, id)).toBe(true);
    await write(40);
  });

  test('is one promotion for callers at the same time', async () => {
    const { group, a } = await start();
    await a.kill('SIGKILL');
    const [one, other] = await Promise.all([group.promote(), group.promote()]);
    expect(one).toBe(other);
  });

  test('lets the old primary come back in place as a replica when it has nothing of its own', async () => {
    const group = await start();
    const { a, write, arrives } = group;
    await a.kill('SIGKILL');
    await group.group.promote();
    await write(2);
    await a.start();
    await arrives(a, 2);
    await expect(write(3, a)).rejects.toMatchObject({ code: 'ER_OPTION_PREVENTS_STATEMENT' });
    expect(group.group.excluded()).toEqual([]);
    await bothAcknowledge(group);
  });
});

test('promote with a primary that is well hands over without losing a write, and it follows', async () => {
  const group = await start();
  const { a, write, has, arrives } = group;
  let lastId = 100;
  let isOver = false;
  const answered: number[] = [];
  const writers = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const id = ++lastId;
        await write(id).then(
          () => answered.push(id),
          () => undefined,
        );
      }
    }),
  );
  await eventually('some writes', () => (answered.length > 20 ? true : undefined));
  const promotion = await group.group.promote();
  const before = answered.length;
  await eventually('more writes', () => (answered.length > before + 20 ? true : undefined));
  isOver = true;
  await writers;
  expect(promotion.formerPrimary).toEqual({ name: 'g5-a', state: 'follows' });
  for (const id of answered) expect(await has(group.group.primary(), id)).toBe(true);
  await arrives(a, answered.at(-1) ?? 0);
  await bothAcknowledge(group);
});

describe('promote with a frozen primary', () => {
  test('takes less than ten seconds, and the old one answers nobody when it wakes', async () => {
    const group = await start();
    const { a, write, has } = group;
    await a.kill('SIGSTOP');
    const late = write(50, a);
    late.catch(() => undefined);
    const promotion = await group.group.promote();
    expect(promotion.formerPrimary).toEqual({ name: 'g5-a', state: 'silent' });
    expect(promotion.writableAfterMs).toBeLessThan(10_000);
    await write(2);
    await a.kill('SIGCONT');
    expect(await isLate(late, 1_000)).toBe(true);
    await expect(a.start()).rejects.toMatchObject({ problem: 'node_diverged' });
    await a.rebuild();
    expect(await has(a, 50)).toBe(false);
    await bothAcknowledge(group);
  });

  test('lets it follow in place when nobody had written to it meanwhile', async () => {
    const group = await start();
    const { a, write, arrives } = group;
    await a.kill('SIGSTOP');
    await group.group.promote();
    await a.kill('SIGCONT');
    await a.start();
    await write(2);
    await arrives(a, 2);
    await bothAcknowledge(group);
  });
});

describe('promote when a replica cannot be heard', () => {
  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    test(`refuses after ${signal} of the replica, names it, and changes nothing`, async () => {
      const group = await start();
      const { b, c, write } = group;
      await b.kill(signal);
      await expect(group.group.promote()).rejects.toMatchObject({
        problem: 'node_silent',
        message: expect.stringMatching(/^not promoted: g5-b does not .*acceptLoss/) as unknown,
      });
      expect(group.group.primary().name).toBe('g5-a');
      expect(await receives(c)).toBe('Yes');
      await write(2);
    });
  }

  test('goes on when loss is accepted, says so, ends it, and opens when it comes back', async () => {
    const group = await start();
    const { a, b, write } = group;
    await b.kill('SIGSTOP');
    await a.kill('SIGKILL');
    const promotion = await group.group.promote({ acceptLoss: true });
    expect(promotion).toMatchObject({
      primary: 'g5-c',
      unheard: [{ name: 'g5-b', reason: expect.stringContaining('does not answer') as unknown }],
      writableAfterMs: undefined,
    });
    expect(b.isRunning()).toBe(false);
    await expect(write(2)).rejects.toMatchObject({ code: 'ER_OPTION_PREVENTS_STATEMENT' });
    await b.start();
    await write(3);
  });

  test('refuses for ever when nobody is left', async () => {
    const { group, a, b, c } = await start();
    await Promise.all([a, b, c].map((node) => node.kill('SIGSTOP')));
    await expect(group.promote({ acceptLoss: true })).rejects.toMatchObject({
      problem: 'node_silent',
      message: expect.stringContaining('No replica is left') as unknown,
    });
  });
});

describe('promote refuses a replica that somebody wrote to', () => {
  const refusal = {
    problem: 'node_silent',
    message: expect.stringContaining('g5-b was written to, past its primary: 5-52-') as unknown,
  };

  test('and puts everything back', async () => {
    const group = await start();
    const { b, c, write } = group;
    await tell(b, 'INSERT INTO tillmesh.note (id) VALUES (666)');
    await expect(group.group.promote()).rejects.toMatchObject(refusal);
    expect(group.group.primary().name).toBe('g5-a');
    for (const replica of [b, c]) {
      await eventually(`${replica.name} receives`, async () =>
        (await receives(replica)) === 'Yes' ? true : undefined,
      );
    }
    await write(2);
    await b.rebuild();
    expect(await group.has(b, 666)).toBe(false);
    await group.group.promote();
    await write(3);
  });

  test('and throws away nothing that another had received and not executed', async () => {
    const group = await start();
    const { a, b, c, write, has, arrives } = group;
    await tell(c, 'STOP SLAVE SQL_THREAD');
    for (const id of [2, 3, 4]) await write(id);
    await tell(b, 'INSERT INTO tillmesh.note (id) VALUES (666)');
    // With the old primary gone, what it had written can come from nowhere else.
    await a.kill('SIGKILL');
    await expect(group.group.promote()).rejects.toMatchObject(refusal);
    for (const id of [2, 3, 4]) expect(await has(c, id)).toBe(true);
    await a.start();
    await write(5);
    await arrives(c, 5);
  });
});

describe('an old primary with a write that nobody acknowledged', () => {
  test('is refused in place, leaves no process, and takes part again when it was made anew', async () => {
    const group = await start();
    const { a, write, has, arrives } = group;
    await writeAlone(group, 99);
    await a.kill('SIGKILL');
    await group.group.promote();
    await write(2);
    await expect(a.start()).rejects.toMatchObject({
      problem: 'node_diverged',
      message: expect.stringMatching(/g5-a has gone its own way.*rebuild\(\)/s) as unknown,
    });
    expect(a.isRunning()).toBe(false);
    expect(names(group.group.replicas())).not.toContain('g5-a');

    const other = replicaOf(group);
    expect((await a.rebuild()).copiedFrom).toBe(other.name);
    expect(await has(a, 99)).toBe(false);
    await write(3);
    await arrives(a, 3);
    expect(group.group.excluded()).toEqual([]);
    await bothAcknowledge(group);
    // It alone is enough for an answer.
    await other.kill('SIGKILL');
    await write(4);
  });

  test('does not keep the stack from starting again', async () => {
    const folder = temporaryFolder();
    const first = await start(folder);
    await writeAlone(first, 99);
    await first.a.kill('SIGKILL');
    await first.group.promote();
    await first.stack.stop();
    const lines: string[] = [];
    const onProgress = (line: string) => lines.push(line);
    under = wordsFor(await startLocalStack({ folder, groupTags: [5], redis: false, clock: systemClock, onProgress }));
    expect(lines).toContainEqual(expect.stringMatching(/^group 5 goes on without g5-a: g5-a has gone its own way/));
    expect(under.a.isRunning()).toBe(false);
    await under.write(2);
    await under.a.rebuild();
    await bothAcknowledge(under);
  });
});

test('after two primaries in a row the last node is promoted read-only, and opens when one is made anew from it', async () => {
  const group = await start();
  const { a, write, has } = group;
  await writeAlone(group, 99);
  await a.kill('SIGKILL');
  await group.group.promote();
  await write(2);
  const last = replicaOf(group);
  const second = group.group.primary();
  await second.kill('SIGKILL');
  expect(await group.group.promote()).toMatchObject({ primary: last.name, writableAfterMs: undefined, unheard: [] });
  await expect(write(3)).rejects.toMatchObject({ code: 'ER_OPTION_PREVENTS_STATEMENT' });
  expect((await a.rebuild()).copiedFrom).toBe(last.name);
  await write(4);
  for (const id of [1, 2, 4]) expect(await has(last, id)).toBe(true);
  await second.start();
  await bothAcknowledge(group);
});

test('stopping the stack ends a promotion and a rebuild that are under way', async () => {
  const { group, stack, a, c } = await start();
  await a.kill('SIGSTOP');
  const works = [group.promote(), c.rebuild()].map((work) =>
    work.then(
      () => 'done',
      () => 'given up',
    ),
  );
  const beganMs = systemClock.monotonicMs();
  await stack.stop();
  expect(systemClock.monotonicMs() - beganMs).toBeLessThan(3_000);
  expect(await Promise.all(works)).toEqual(['given up', 'given up']);
  expect(group.nodes.map((node) => node.isRunning())).toEqual([false, false, false]);
});

test('a promotion sends the old primary’s clients away', async () => {
  const { group, a, stack } = await start();
  const sessions = () =>
    a.administer((connection) =>
      valuesOf(connection, "SELECT id FROM information_schema.processlist WHERE user = 'app'"),
    );
  const { user, password } = stack.accounts.app;
  const connection = await createConnection({ host: a.host, port: a.port, user, password: password.reveal() });
  let isCut = false;
  connection.on('error', () => {
    isCut = true;
  });
  expect(await sessions()).toHaveLength(1);
  await group.promote();
  await eventually('the connection is cut', () => (isCut ? true : undefined));
  expect(await sessions()).toHaveLength(0);
});
