import { expect, test } from 'vitest';
import { runOnce } from '../src/run-once.ts';

const node = (code: string) => ({ command: process.execPath, args: ['--eval', code] });

test('a program that ends well is waited for', async () => {
  await runOnce(node('process.exit(0)'));
});

test('a program that fails is told with its status and the end of what it printed', async () => {
  const failing = node('console.log("x".repeat(20_000)); console.error("the last word"); process.exitCode = 3');
  const error = await runOnce(failing).then(
    () => undefined,
    (reason: unknown) => reason as Error,
  );
  expect(error?.message).toContain('status 3');
  expect(error?.message).toContain('the last word');
  expect(error?.message.length).toBeLessThan(9_000);
});

test('a program that does not exist is an error, not a silence', async () => {
  await expect(runOnce({ command: 'tillmesh-no-such-program', args: [] })).rejects.toThrow(/ENOENT/);
});
