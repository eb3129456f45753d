import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { afterEach, expect, test } from 'vitest';
import { type LocalStack, startLocalStack } from '../src/index.ts';
import { asAccount, valuesOf } from './databases.ts';
import { removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

removeFoldersAfterEach();
let stack: LocalStack | undefined;
afterEach(() => stack?.stop());

const tagsOf = (running: LocalStack) => running.groups.map(({ tag }) => tag);
const start = async (folder: string, groupTags: readonly number[]): Promise<LocalStack> => {
  stack = await startLocalStack({ folder, groupTags, redis: false, clock: systemClock });
  return stack;
};

test('groups come and go while the stack runs, and the next start remembers it', async () => {
  const folder = temporaryFolder();
  const first = await start(folder, [1]);
  const added = await first.addGroup(2);
  expect(tagsOf(first)).toEqual([1, 2]);
  expect(new Set(first.groups.flatMap(({ nodes }) => nodes.map(({ port }) => port))).size).toBe(6);
  await asAccount(added.primary(), first.accounts.migrate, async (connection) => {
    await connection.query('CREATE TABLE note (id INT PRIMARY KEY)');
    await connection.query('INSERT INTO note VALUES (7)');
  });
  await expect(first.addGroup(2)).rejects.toMatchObject({ problem: 'options_wrong' });
  await expect(first.addGroup(128)).rejects.toMatchObject({ problem: 'options_wrong' });
  await expect(first.removeGroup(9)).rejects.toMatchObject({ problem: 'options_wrong' });
  const [one] = first.groups;
  const pids = one?.nodes.map(({ pid }) => pid) ?? [];
  expect(pids).not.toContain(undefined);
  await first.removeGroup(1);
  expect(tagsOf(first)).toEqual([2]);
  expect(one?.nodes.map(({ pid }) => pid)).toEqual([undefined, undefined, undefined]);
  expect(existsSync(join(folder, 'g1-a', 'data'))).toBe(true);
  await first.stop();
  await expect(first.addGroup(3)).rejects.toMatchObject({ problem: 'options_wrong' });

  const second = await start(folder, [1]);
  expect(tagsOf(second)).toEqual([2]);
  const [two] = second.groups;
  if (two === undefined) throw new Error('group 2 was not started');
  const ids = await asAccount(two.primary(), second.accounts.read, (connection) =>
    valuesOf(connection, 'SELECT id FROM note'),
  );
  expect(ids).toEqual([7]);
  await second.addGroup(1);
  expect(tagsOf(second)).toEqual([2, 1]);
  await second.stop();
  expect(tagsOf(await start(folder, [1]))).toEqual([1, 2]);
});
