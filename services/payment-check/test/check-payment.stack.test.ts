import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { afterAll, beforeAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-check-'));
let mesh: Mesh;

beforeAll(async () => {
  const services = ['sandbox', 'order-store', 'routing', 'channel-wechat', 'cashier', 'syncer', 'edge'] as const;
  mesh = await startMesh({ folder, groupTags: [1, 2], services, env: process.env, clock: systemClock });
});

afterAll(async () => {
  await mesh?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const check = (words: readonly string[]) =>
  promisify(execFile)(process.execPath, [join(import.meta.dirname, '../src/check-main.ts'), ...words]);

test('a mesh that takes payments passes: paid, the same again, refunded', async () => {
  const words = ['--cashier', mesh.address('cashier'), '--sandbox', mesh.address('sandbox-control')];
  const { stdout } = await check(words);
  expect(stdout).toMatch(
    /^paid: \d{25}, by wechat-\w\nrepeated with the same number: the same payment\nrefunded: \d+\nno Jaeger was named: its trace is not looked for\nthe mesh takes payments\n$/,
  );
});

test('one that does not fails and says why', async () => {
  const words = ['--cashier', mesh.address('cashier'), '--sandbox', mesh.address('sandbox-control')];
  await expect(check([...words, '--merchant', 'nobody'])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the check failed: '),
  });
});
