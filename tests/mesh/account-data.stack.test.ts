import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from '@tillmesh/local-stack';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { createClient } from '@tillmesh/rpc';
import { afterAll, expect, onTestFinished, test } from 'vitest';

// Sealed accounts as an operator has them: made by the command, served by a process, changed while it works.

const root = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-account-data-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const accounts = async (...words: string[]): Promise<{ readonly code: number; readonly output: string }> => {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['scripts/accounts.ts', ...words], {
      cwd: root,
    });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
};

const KEY = 'a-key-of-thirty-two-characters-a';
const keyFile = join(folder, 'sealing.keys');
const sealedFolder = join(folder, 'accounts');
const seal = (accountId: string, merchantNo: string) => {
  writeFileSync(join(folder, 'pay.key'), `${KEY}\n`);
  const settings = { accountId, baseUrls: ['http://127.0.0.1:1'], merchantNo, keyFile: 'pay.key' };
  writeFileSync(join(folder, 'account.json'), JSON.stringify(settings));
  const words = ['--channel', 'sample', '--key-file', keyFile, '--folder', sealedFolder];
  return accounts('seal', ...words, '--in', join(folder, 'account.json'));
};

/** A channel's process with the folder, until the test ends. */
const startProcess = async (lifetimeMs: number) => {
  const [port = 0] = await freePorts(1);
  const config = join(folder, 'config.json');
  const accountData = { folder: sealedFolder, keyFile, lifetimeMs };
  writeFileSync(config, JSON.stringify({ server: { port }, accountData }));
  const child = spawn(process.execPath, [join(root, 'services/channel-sample/src/main.ts')], {
    env: { ...process.env, TILLMESH_CONFIG: config },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (part: Buffer) => {
    output += part.toString();
  });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  const client = createClient(ChannelService, { target: `127.0.0.1:${port}`, caller: 'test', capMs: 5_000 });
  onTestFinished(async () => {
    client.close();
    child.kill('SIGTERM');
    await ended;
  });
  const ids = async () => (await client.describeChannel({})).accountIds.toSorted();
  return {
    target: `127.0.0.1:${port}`,
    ids,
    ended,
    output: () => output,
    isReady: () => output.includes('"msg":"ready"'),
  };
};

test('accounts are sealed by a command, come and go while their process works, and a broken one is told by name', async () => {
  expect((await accounts('key', '--key-file', keyFile)).code).toBe(0);
  // What would not work is not sealed.
  const wrong = await seal('sample-a', 'not a number');
  expect(wrong).toMatchObject({ code: 1, output: expect.stringContaining('merchantNo: is not 6 to 20 digits') });
  expect((await seal('sample-a', '1000001')).code).toBe(0);
  expect(readFileSync(join(sealedFolder, 'sample-a.sealed'), 'utf8')).not.toContain(KEY);

  const { target, ids, isReady, output } = await startProcess(1_000);
  await expect.poll(isReady).toBe(true);
  expect(await ids()).toEqual(['sample-a']);

  // By themselves, within their lifetime.
  expect((await seal('sample-b', '1000002')).code).toBe(0);
  await expect.poll(ids).toEqual(['sample-a', 'sample-b']);

  // Broken: it stays as it was, and is told by name.
  writeFileSync(join(sealedFolder, 'sample-b.sealed'), '{"form":1}');
  const refreshed = await accounts('refresh', '--target', target);
  expect(refreshed.code).toBe(1);
  expect(refreshed.output).toContain('loaded: sample-a, sample-b');
  expect(refreshed.output).toContain('✗ sample-b: is no sealed account');
  rmSync(join(sealedFolder, 'sample-b.sealed'));
  expect((await accounts('refresh', '--target', target)).output).toContain('loaded: sample-a\n');

  // Another key: what is sealed anew opens with it, and the older one may go once everything is.
  expect((await accounts('key', '--key-file', keyFile)).code).toBe(0);
  const words = ['--channel', 'sample', '--key-file', keyFile, '--folder', sealedFolder];
  expect((await accounts('reseal', ...words)).code).toBe(0);
  const [newest = ''] = readFileSync(keyFile, 'utf8').split('\n');
  writeFileSync(keyFile, `${newest}\n`);
  expect((await accounts('reseal', ...words)).code).toBe(0);
  expect(output()).not.toContain(KEY);
}, 120_000);

test('a process does not begin on accounts that it cannot use', async () => {
  writeFileSync(join(sealedFolder, 'sample-c.sealed'), 'broken');
  const { ended, output } = await startProcess(60_000);
  expect(await ended).toBe(1);
  expect(output()).not.toContain(KEY);
});
