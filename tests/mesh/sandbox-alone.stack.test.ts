import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

/** `npm run sandbox` on free ports, until the test ends. */
const begin = (folder: string) => {
  const words = ['scripts/sandbox.ts', '--free-ports', '--folder', folder, '--wechat', 'shop-1,shop-2'];
  const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const addressOf = (what: string) => new RegExp(`^${what} +(\\S+)(?: |$)`, 'm').exec(output)?.[1] ?? '';
  return { child, ended, addressOf, isUp: () => output.includes('Ctrl-C ends it') };
};

const statusOf = (url: string, authority: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    get(url, { ca: authority }, (answer) => resolve(answer.resume().statusCode)).on('error', reject);
  });

test('the simulated channels start alone by one command, say where they are, and end in order', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-sandbox-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const first = begin(folder);
  await expect.poll(first.isUp, { timeout: 40_000 }).toBe(true);
  expect(await (await fetch(first.addressOf('control'))).json()).toMatchObject({ status: 'ready' });
  // Nobody gets in without a signature.
  expect((await fetch(`${first.addressOf('WeChat Pay')}/v3/pay/transactions/native`, { method: 'POST' })).status).toBe(
    401,
  );
  const authority = readFileSync(first.addressOf('to trust'), 'utf8');
  expect(await statusOf(`${first.addressOf('Stripe')}/v1/payment_intents`, authority)).toBe(401);
  const keysFile = first.addressOf('keys');
  const keys = readFileSync(keysFile, 'utf8');
  expect(keys).toContain('shop-2');
  first.child.kill('SIGTERM');
  expect(await first.ended).toBe(0);

  // Another start has the same keys: what was built against it goes on.
  const second = begin(folder);
  await expect.poll(second.isUp, { timeout: 40_000 }).toBe(true);
  expect(readFileSync(keysFile, 'utf8')).toBe(keys);
}, 120_000);
