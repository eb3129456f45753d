import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { seededRandom, systemClock } from '@tillmesh/clock';
import { afterEach, describe, expect, test } from 'vitest';
import { type LocalStack, ownerOfLocalStack, startLocalStack, stopLeftovers, stopLocalStack } from '../src/index.ts';
import { writePidFile } from '../src/pid-file.ts';
import { processIdentity } from '../src/process-identity.ts';
import { socketFolderOf } from '../src/stack-folder.ts';
import { asAccount, valuesOf } from './databases.ts';
import { eventually, removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

removeFoldersAfterEach();
const parents: ChildProcess[] = [];
const stacks: LocalStack[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const parent of parents.splice(0)) parent.kill('SIGKILL');
  for (const stack of stacks.splice(0)) await stack.stop();
  for (const folder of folders.splice(0)) await stopLocalStack(folder, systemClock);
});

const stackFolder = (): string => {
  const folder = temporaryFolder();
  folders.push(folder);
  return folder;
};

/** Starts a program that runs a stack; does not wait for it. */
const startParent = (folder: string): ChildProcess => {
  const script = join(import.meta.dirname, 'stack-parent.ts');
  const parent = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  parents.push(parent);
  return parent;
};

/** The process numbers of its servers, once they are up. */
const serversOf = async (parent: ChildProcess): Promise<readonly number[]> => {
  if (parent.stdout === null) throw new Error('the output of the parent is not piped');
  const ended = once(parent, 'exit').then(() => {
    throw new Error('the parent ended before its stack was up');
  });
  const [line] = (await Promise.race([once(createInterface(parent.stdout), 'line'), ended])) as [string];
  // From here on its end is what the tests are about.
  ended.catch(() => undefined);
  return JSON.parse(line) as number[];
};

const killHard = async (parent: ChildProcess) => {
  const exit = once(parent, 'exit');
  parent.kill('SIGKILL');
  await exit;
};

const start = async (folder: string) => {
  const progress: string[] = [];
  const onProgress = (line: string) => progress.push(line);
  const stack = await startLocalStack({ folder, groupTags: [1], redis: true, clock: systemClock, onProgress });
  stacks.push(stack);
  const primary = stack.groups[0]?.primary();
  if (primary === undefined) throw new Error('the group was not started');
  return { stack, primary, progress };
};

const alive = (pids: readonly number[]) => pids.filter((pid) => processIdentity(pid) !== undefined);

describe('after kill -9 of the process that runs a stack', () => {
  test('the next start ends the servers that are left, also frozen ones, and goes on with their data', async () => {
    const folder = stackFolder();
    const parent = startParent(folder);
    const pids = await serversOf(parent);
    await killHard(parent);
    expect(alive(pids)).toHaveLength(4);
    expect(ownerOfLocalStack(folder)).toBeUndefined();
    process.kill(pids[1] ?? 0, 'SIGSTOP');

    const { stack, primary, progress } = await start(folder);
    expect(alive(pids)).toEqual([]);
    expect(progress[0]).toBe('stopped what an earlier start left running: g1-a, g1-b, g1-c, redis');
    const tables = await asAccount(primary, stack.accounts.app, (connection) => valuesOf(connection, 'SELECT 1'));
    expect(tables).toEqual([1]);
  });

  test('at any moment of its start, the next start succeeds', async () => {
    const random = seededRandom(20_261_122);
    const folder = stackFolder();
    for (let round = 0; round < 8; round++) {
      const killAfterMs = 100 + random.below(900);
      // Every second round begins with an empty folder, the others with whatever the round before has left.
      if (round % 2 === 0) {
        await stopLocalStack(folder, systemClock);
        for (const entry of readdirSync(folder)) rmSync(join(folder, entry), { recursive: true });
      }
      const parent = startParent(folder);
      await systemClock.sleep(killAfterMs);
      await killHard(parent);
      const { stack, primary } = await start(folder).catch((error: unknown) => {
        throw new Error(`seed 20261122, round ${round}, killed after ${killAfterMs} ms`, { cause: error });
      });
      const readOnly = await asAccount(primary, stack.accounts.app, (connection) =>
        valuesOf(connection, 'SELECT @@read_only'),
      );
      expect(readOnly).toEqual([0]);
      await stack.stop();
    }
  });

  test('its servers can be ended without starting anything', async () => {
    const folder = stackFolder();
    const parent = startParent(folder);
    const pids = await serversOf(parent);
    await killHard(parent);
    expect(await stopLocalStack(folder, systemClock)).toBe(true);
    expect(alive(pids)).toEqual([]);
    expect(await stopLocalStack(folder, systemClock)).toBe(false);
  });
});

test('a stack is stopped from outside by way of the process that runs it', async () => {
  const folder = stackFolder();
  const parent = startParent(folder);
  const pids = await serversOf(parent);
  expect(ownerOfLocalStack(folder)).toBe(parent.pid);
  const exit = once(parent, 'exit');
  expect(await stopLocalStack(folder, systemClock)).toBe(true);
  expect(await exit).toEqual([0, null]);
  expect(alive(pids)).toEqual([]);
});

test('a process that merely has the number of an earlier child is left in peace', async () => {
  const folder = temporaryFolder();
  const stranger = spawn('sleep', ['100'], { stdio: 'ignore', detached: true });
  parents.push(stranger);
  const pidFile = join(folder, 'redis.pid');
  writePidFile(pidFile, { pid: stranger.pid ?? 0, name: 'redis' });
  writeFileSync(
    pidFile,
    readFileSync(pidFile, 'utf8').replace(/"identity":"[^"]*"/, '"identity":"of an earlier process"'),
  );
  expect(await stopLeftovers(folder, systemClock)).toEqual([]);
  expect(alive([stranger.pid ?? 0])).toHaveLength(1);
  expect(existsSync(pidFile)).toBe(false);
});

test('a leftover that does not listen to SIGTERM is killed', async () => {
  const folder = temporaryFolder();
  const script = "process.on('SIGTERM', () => {}); console.log('deaf'); setInterval(() => {}, 1000);";
  const deaf = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  parents.push(deaf);
  await once(deaf.stdout, 'data');
  writePidFile(join(folder, 'deaf.pid'), { pid: deaf.pid ?? 0, name: 'deaf' });
  expect(await stopLeftovers(folder, systemClock)).toEqual(['deaf']);
  expect(alive([deaf.pid ?? 0])).toEqual([]);
});

describe('a start', () => {
  test('that is given up leaves no process and no owner', async () => {
    const folder = stackFolder();
    const giveUp = new AbortController();
    const starting = startLocalStack({
      folder,
      groupTags: [1],
      redis: true,
      clock: systemClock,
      signal: giveUp.signal,
    });
    const logs = join(folder, 'logs');
    const pidFiles = () => (existsSync(logs) ? readdirSync(logs).filter((file) => file.endsWith('.pid')) : []);
    await eventually('the first server', () => pidFiles()[0]);
    giveUp.abort(new Error('given up'));
    await expect(starting).rejects.toThrow('given up');
    expect(pidFiles()).toEqual([]);
    expect(ownerOfLocalStack(folder)).toBeUndefined();
  });

  test('with a server that cannot start fails with its log and ends the others', async () => {
    const folder = stackFolder();
    const { stack } = await start(folder);
    await stack.stop();
    rmSync(join(folder, 'g1-b', 'data', 'ibdata1'));
    await expect(start(folder)).rejects.toMatchObject({
      problem: 'child_not_ready',
      message: expect.stringMatching(/^g1-b [^]*ibdata1/) as unknown,
    });
    expect(readdirSync(join(folder, 'logs')).filter((file) => file.endsWith('.pid'))).toEqual([]);
    expect(ownerOfLocalStack(folder)).toBeUndefined();
  });

  test('works in a folder with a path that is far too long for a socket', async () => {
    const folder = join(stackFolder(), 'long-name'.repeat(8), 'long-name'.repeat(8));
    mkdirSync(folder, { recursive: true });
    folders.push(folder);
    const { stack, primary } = await start(folder);
    expect(primary.isRunning()).toBe(true);
    const sockets = socketFolderOf(realpathSync(folder), [tmpdir(), '/tmp'], userInfo().uid);
    expect(readdirSync(sockets).toSorted()).toEqual(['g1-a.sock', 'g1-b.sock', 'g1-c.sock']);
    await stack.stop();
    expect(existsSync(sockets)).toBe(false);
  });

  test('refuses group tags that do not fit into an order number', async () => {
    for (const groupTags of [[128], [1, 1], [1.5], [-1]]) {
      const wrong = startLocalStack({ folder: stackFolder(), groupTags, redis: false, clock: systemClock });
      await expect(wrong).rejects.toMatchObject({ problem: 'options_wrong' });
    }
  });
});
