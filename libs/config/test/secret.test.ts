import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format, inspect, promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError, loadConfig, parseConfig, Secret, secretFile, z } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-secret-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
mkdirSync(join(folder, 'keys'));
const KEY = 'do-not-print-me';

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

const schema = z.strictObject({ apiKey: secretFile('the API key') });
const problemsOf = (value: unknown) => {
  try {
    parseConfig(schema, value, 'test.json');
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('a secret', () => {
  const secret = new Secret(KEY);

  test('is told to whoever asks for it by name', () => {
    expect(secret.reveal()).toBe(KEY);
  });

  for (const [way, print] of [
    // oxlint-disable-next-line typescript/restrict-template-expressions -- The slip that this is about.
    ['a template', () => `${secret}`],
    ['concatenation', () => ''.concat(String(secret))],
    ['JSON', () => JSON.stringify({ deep: { secret: [secret] } })],
    ['inspect', () => inspect({ deep: { secret: [secret] } }, { depth: 9, showHidden: true })],
    ['console.log', () => format('%s %o %O %j', secret, secret, secret, secret)],
    ['its entries', () => JSON.stringify([Object.entries(secret), Object.getOwnPropertyNames(secret)])],
    // oxlint-disable-next-line typescript/no-misused-spread -- The slip that this is about.
    ['spreading', () => inspect({ ...secret })],
    ['a structured clone', () => inspect(structuredClone(secret), { showHidden: true })],
    ['an error', () => inspect(new Error('broken', { cause: { secret } }), { depth: 9 })],
  ] as const) {
    test(`is not printed by ${way}`, () => {
      expect(print()).not.toContain(KEY);
    });
  }

  test('is not printed by a log, however deep it lies', async () => {
    const program = `
      import { Secret } from '@tillmesh/config';
      import { createLog } from '@tillmesh/telemetry';
      const secret = new Secret(['do', 'not', 'print', 'me'].join('-'));
      createLog('test').info({ secret, deep: { down: { here: [secret] } }, err: new Error('x', { cause: { secret } }) }, 'configured');
    `;
    // A process of its own, because a log writes to standard output.
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      cwd: import.meta.dirname,
      timeout: 20_000,
    });
    expect(stdout).toContain('configured');
    expect(stdout).not.toContain(KEY);
  });
});

describe('a setting that names a file', () => {
  for (const [what, text, value] of [
    ['its text', KEY, KEY],
    ['its text without the last line break', `${KEY}\n`, KEY],
    ['its text without the last line break of Windows', `${KEY}\r\n`, KEY],
    ['its text with all other line breaks', `a\n${KEY}\n\n`, `a\n${KEY}\n`],
  ] as const) {
    test(`has ${what} as its value`, () => {
      expect(parseConfig(schema, { apiKey: write('key', text) }, 'test.json').apiKey.reveal()).toBe(value);
    });
  }

  test('is relative to the configuration file, not to where the process stands', () => {
    write('keys/key', KEY);
    const path = write('service.json', JSON.stringify({ apiKey: 'keys/key' }));
    expect(loadConfig(schema, { TILLMESH_CONFIG: path }).apiKey.reveal()).toBe(KEY);
  });

  for (const [why, value, problem] of [
    ['does not exist', join(folder, 'none'), /^the file .*none cannot be read$/],
    ['is a folder', folder, /cannot be read$/],
    ['is empty', write('empty', ''), /^the file .*empty is empty$/],
    ['holds nothing but a line break', write('blank', '\n'), /is empty$/],
  ] as const) {
    test(`is refused when the file ${why}`, () => {
      expect(problemsOf({ apiKey: value })).toEqual([
        { setting: 'apiKey', problem: expect.stringMatching(problem), advice: expect.stringContaining('the API key') },
      ]);
    });
  }

  test('that is the secret itself by mistake is refused without showing it', () => {
    for (const apiKey of [`-----BEGIN PRIVATE KEY-----\n${KEY}`, KEY.repeat(20)]) {
      const [problem] = problemsOf({ apiKey });
      expect(problem?.problem).toContain('is not the path of a file');
      expect(JSON.stringify(problem)).not.toContain(KEY);
    }
  });
});
