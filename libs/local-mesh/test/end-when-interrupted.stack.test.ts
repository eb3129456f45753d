import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const PROGRAM = `
import { systemClock as clock } from '@tillmesh/clock';
import { endWhenInterrupted } from '@tillmesh/local-mesh';
import { startLocalStack } from '@tillmesh/local-stack';
const folder = process.argv[1];
endWhenInterrupted(folder, false);
await startLocalStack({ folder, groupTags: [], clock, onProgress: () => undefined });
process.stdout.write('runs\\n');
setInterval(() => undefined, 1_000);
`;

test('a program that is interrupted ends, then what it has started, and its folder is gone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-interrupted-'));
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, folder], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  expect(existsSync(folder)).toBe(true);
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([130, null]);
  // The folder goes last.
  await expect.poll(() => existsSync(folder), { timeout: 20_000 }).toBe(false);
}, 60_000);
