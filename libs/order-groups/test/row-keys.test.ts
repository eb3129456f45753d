import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '@tillmesh/clock';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openRowKeys, RowKeysConfig } from '../src/row-keys.ts';

let folder = '';
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const addKey = (id: number) => write(`${id}.key`, `${systemRandom.hex(32)}\n`);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tillmesh-keys-'));
  addKey(1);
  write('current', '1\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a key folder', () => {
  test('is read again: a new key is known at once and used for new rows once it is current', () => {
    const keys = openRowKeys({ folder });
    expect(keys.refresh()).toBe(false);
    addKey(2);
    expect(keys.refresh()).toBe(true);
    expect(keys.current.id).toBe(1);
    expect(keys.find(2)).toBeDefined();
    write('current', '2');
    expect(keys.refresh()).toBe(true);
    expect(keys.current.id).toBe(2);
    expect(keys.find(1)).toBeDefined();
    rmSync(join(folder, '1.key'));
    expect(keys.refresh()).toBe(true);
    expect(keys.ids()).toEqual([2]);
  });

  const MISTAKES: readonly (readonly [string, () => void, string])[] = [
    ['a current key that is not there', () => write('current', '7'), 'key 7 is current and there is no file 7.key'],
    ['a current file that is cut', () => write('current', ''), 'the file current does not hold a key id'],
    ['a current file that is gone', () => rmSync(join(folder, 'current')), 'the file current cannot be read'],
    ['a key that is cut', () => write('1.key', 'abcd'), 'the file 1.key is not at least 32 bytes as hex'],
    ['an id that has another key', () => addKey(1), 'key 1 has become another key'],
  ];
  test.each(MISTAKES)('with %s leaves the keys as they were', (_what, make, text) => {
    const keys = openRowKeys({ folder });
    const before = keys.current;
    make();
    expect(() => keys.refresh()).toThrow(text);
    expect(keys.current).toBe(before);
  });

  test('with files of others in it, such as the links of a mounted secret, is read all the same', () => {
    for (const name of ['..data', '0.key', '256.key', '3.key.bak']) write(name, 'x');
    expect(openRowKeys({ folder }).ids()).toEqual([1]);
  });
});

describe('the setting', () => {
  const problemsOf = (value: unknown) =>
    RowKeysConfig.safeParse(value).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);

  test('takes keys that are listed or a folder, and says what is missing or wrong', () => {
    expect(problemsOf({ folder })).toBeUndefined();
    expect(problemsOf({})).toEqual([
      'keys: is missing, and so is folder: set one of them',
      'current: is missing, and so is folder: set one of them',
    ]);
    expect(problemsOf({ folder, current: 1 })).toEqual(['folder: says the same as current and keys: set one']);
    expect(problemsOf({ folder: join(folder, 'nowhere') })?.[0]).toContain('is not a folder that can be read');
    write('current', '9');
    expect(problemsOf({ folder })).toEqual(['folder: key 9 is current and there is no file 9.key']);
  });
});
