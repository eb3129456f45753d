import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createChangedConfig } from '../src/changed-config.ts';

test('a file is read again when it has changed, and told of once when it is wrong', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-changed-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'watch.json');
  writeFileSync(file, 'a');
  let answer: () => string = () => 'first';
  const changed = createChangedConfig(file, () => answer());
  expect(changed()).toBeUndefined();

  writeFileSync(file, 'ab');
  expect(changed()).toBe('first');
  expect(changed()).toBeUndefined();

  answer = () => {
    throw new Error('not JSON');
  };
  writeFileSync(file, 'abc');
  expect(changed).toThrow('not JSON');
  expect(changed()).toBeUndefined();

  answer = () => 'second';
  writeFileSync(file, 'abcd');
  expect(changed()).toBe('second');
});
