import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { accountsSql, openAccounts } from '../src/accounts.ts';
import { firstKept } from '../src/binlog-space.ts';
import { rotateLog, tailOfLog } from '../src/child-log.ts';
import { ownerOf, takeFolder } from '../src/folder-owner.ts';
import { mariadbConfig } from '../src/mariadb-settings.ts';
import { readPidFile, writePidFile } from '../src/pid-file.ts';
import { processIdentity } from '../src/process-identity.ts';
import { openStackFolder, socketFolderOf } from '../src/stack-folder.ts';
import { removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

removeFoldersAfterEach();

describe('the folder of the sockets', () => {
  test('lies in the data folder when the path is short', () => {
    expect(socketFolderOf('/data/stack', ['/tmp'], 7)).toBe('/data/stack/sockets');
  });

  test('lies with the temporary files when the path is long, always at the same place for the same data', () => {
    const long = `/${'long/'.repeat(30)}`;
    const folder = socketFolderOf(long, ['/tmp'], 7);
    expect(folder).toMatch(/^\/tmp\/tillmesh-7-[0-9a-f]{12}$/);
    expect(socketFolderOf(long, ['/tmp'], 7)).toBe(folder);
    expect(socketFolderOf(`${long}other`, ['/tmp'], 7)).not.toBe(folder);
  });

  test('leaves out a folder for temporary files that is long itself', () => {
    const long = `/${'long/'.repeat(30)}`;
    expect(socketFolderOf(long, [long, '/tmp'], 7)).toMatch(/^\/tmp\//);
  });
});

describe('the data folder', () => {
  test('has to be named by an absolute path', () => {
    expect(() => openStackFolder('data')).toThrow('absolute');
  });

  test('can be taken by one process, and by the next when that has let go', () => {
    const ownerFile = join(temporaryFolder(), 'owner.json');
    const release = takeFolder(ownerFile);
    expect(ownerOf(ownerFile)).toBe(process.pid);
    expect(() => takeFolder(ownerFile)).toThrow(`kill ${process.pid}`);
    release();
    expect(ownerOf(ownerFile)).toBeUndefined();
    const second = takeFolder(ownerFile);
    // The first owner has let go already and must not take the second one's place away.
    second();
    expect(existsSync(ownerFile)).toBe(false);
  });

  test('can be taken when the process that had it is dead, although its number lives again', () => {
    const ownerFile = join(temporaryFolder(), 'owner.json');
    writeFileSync(
      ownerFile,
      JSON.stringify({ pid: process.pid, identity: 'an earlier boot 1234', name: 'local stack' }),
    );
    takeFolder(ownerFile)();
  });
});

describe('a process', () => {
  test('is known by more than its number', () => {
    const path = join(temporaryFolder(), 'x.pid');
    writePidFile(path, { pid: process.pid, name: 'x' });
    expect(readPidFile(path)).toEqual({ pid: process.pid, name: 'x' });
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"identity":"/, '"identity":"other '));
    expect(readPidFile(path)).toBeUndefined();
  });

  test('that does not live has no identity and no pid file', () => {
    const path = join(temporaryFolder(), 'x.pid');
    // Larger than any process number a system gives out.
    expect(processIdentity(2 ** 30)).toBeUndefined();
    writePidFile(path, { pid: 2 ** 30, name: 'x' });
    expect(existsSync(path)).toBe(false);
  });

  test('is not found in a pid file that a crash has cut', () => {
    const path = join(temporaryFolder(), 'x.pid');
    writeFileSync(path, `{"pid":${process.pid},"ident`);
    expect(readPidFile(path)).toBeUndefined();
  });
});

describe('the accounts', () => {
  test('have different passwords in files that only the owner can read, and keep them', () => {
    const folder = join(temporaryFolder(), 'secrets');
    const { app, migrate, read, replication } = openAccounts(folder).public;
    const passwords = [app, migrate, read, replication].map((account) => account.password.reveal());
    expect(new Set(passwords).size).toBe(4);
    for (const password of passwords) expect(password).toMatch(/^[0-9a-f]{32}$/);
    expect(statSync(app.passwordFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(app.passwordFile, 'utf8').trimEnd()).toBe(app.password.reveal());
    expect(openAccounts(folder).public.app.password.reveal()).toBe(app.password.reveal());
  });

  test('come into SQL without their passwords, one statement a line', () => {
    const accounts = openAccounts(join(temporaryFolder(), 'secrets'));
    const sql = accountsSql(accounts);
    for (const account of [...Object.values(accounts.public), accounts.administrator]) {
      expect(sql).not.toContain(account.password.reveal());
    }
    for (const line of sql.trimEnd().split('\n')) expect(line).toMatch(/;$/);
  });
});

describe('a log', () => {
  test('is started anew when it has grown too large, with the older one kept beside it', async () => {
    const path = join(temporaryFolder(), 'x.log');
    writeFileSync(path, 'old lines\n');
    expect(await rotateLog(path, 100)).toBe(false);
    expect(await rotateLog(path, 5)).toBe(true);
    expect([readFileSync(path, 'utf8'), readFileSync(`${path}.1`, 'utf8')]).toEqual(['', 'old lines\n']);
  });

  test('shows its last whole lines', () => {
    const path = join(temporaryFolder(), 'x.log');
    writeFileSync(path, 'first line\nsecond line\nthird line\n');
    expect(tailOfLog(path, 0, 18)).toBe('third line');
    expect(tailOfLog(path, 11, 18)).toBe('third line');
    expect(tailOfLog(path, 11)).toBe('second line\nthird line');
    expect(tailOfLog(path, 99)).toBe('first line\nsecond line\nthird line');
    expect(tailOfLog(path)).toBe('first line\nsecond line\nthird line');
    expect(tailOfLog(`${path}.none`)).toBe('');
  });
});

describe('binary logs', () => {
  const files = [4, 3, 2, 1].map((bytes, index) => ({ name: `binlog.${index}`, bytes }));

  test('are kept from the newest backwards as far as they fit', () => {
    expect(firstKept(files, 10)).toBeUndefined();
    expect(firstKept(files, 9)).toBe('binlog.1');
    expect(firstKept(files, 5)).toBe('binlog.2');
    expect(firstKept([], 5)).toBeUndefined();
  });

  test('keep the newest even when it alone is too large', () => {
    expect(firstKept(files, 0)).toBe('binlog.3');
  });
});

test('a node that does not run as root is not told to', () => {
  const node = {
    groupTag: 1,
    serverId: 11,
    port: 1,
    dataFolder: '/d',
    temporaryFolder: '/t',
    socket: '/s',
    initFile: '/i',
  };
  expect(mariadbConfig({ ...node, asRoot: true })).toMatch(/^user = root$/m);
  expect(mariadbConfig({ ...node, asRoot: false })).not.toMatch(/^user/m);
});
