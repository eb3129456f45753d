import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@tillmesh/clock';
import { type Secret, secretFile, z } from '@tillmesh/config';
import { createLog } from '@tillmesh/telemetry';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  accountSettings,
  createAccountBook,
  defineChannel,
  openAccount,
  parseSealingKeys,
  readAccountFolder,
  sealAccount,
} from '../src/index.ts';

const KEYS = `k2 ${'ab'.repeat(32)}\nk1 ${'cd'.repeat(32)}\n`;
const keys = parseSealingKeys(KEYS) ?? new Map<string, Buffer>();
const SECRET = 'a-secret-that-nobody-may-read';
const Account = z.strictObject({
  ...accountSettings,
  keyFile: secretFile('the key').refine((secret: Secret) => secret.reveal().length > 10, 'the key file is too short'),
});
const channel = defineChannel({
  id: 'acme',
  wallets: ['card'],
  kinds: ['card'],
  account: Account,
  lanes: {} as never,
  pollPlans: [],
  createPayment: () => Promise.reject(new Error('nobody pays here')),
  queryPayment: () => Promise.reject(new Error('nobody asks here')),
});
const bundleOf = (accountId: string, key = SECRET) => ({
  settings: { accountId, baseUrls: ['https://pay.example.com'], keyFile: 'own.key' },
  files: { 'own.key': `${key}\n` },
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tillmesh-accounts-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const put = (accountId: string, text: string) => writeFileSync(join(folder, `${accountId}.sealed`), text);
const sealed = (accountId: string, key = SECRET) => sealAccount('acme', accountId, bundleOf(accountId, key), keys);
const read = () => readAccountFolder(channel, folder, keys);

describe('a sealed account', () => {
  test('opens with its key, also an older one, and holds nothing that can be read', () => {
    const text = sealed('acme-1');
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain('example.com');
    expect(openAccount('acme', 'acme-1', text, keys)).toEqual(bundleOf('acme-1'));
    const old = new Map([...keys].toReversed());
    expect(openAccount('acme', 'acme-1', sealAccount('acme', 'acme-1', bundleOf('acme-1'), old), keys)).toEqual(
      bundleOf('acme-1'),
    );
  });

  test('is the same text never twice', () => {
    expect(sealed('acme-1')).not.toBe(sealed('acme-1'));
  });

  test.each([
    [
      'one byte changed',
      (text: string) => text.replace(/"box":"(.)/, (_all, first) => `"box":"${first === 'A' ? 'B' : 'A'}`),
    ],
    ['half of it', (text: string) => text.slice(0, text.length / 2)],
    ['another key’s name', (text: string) => text.replace('"key":"k2"', '"key":"k1"')],
    ['a key that nobody has', (text: string) => text.replace('"key":"k2"', '"key":"k9"')],
    ['a short tag', (text: string) => text.replace(/"tag":"[^"]+"/, '"tag":"AAAA"')],
    ['nothing', () => ''],
    ['plain settings', () => JSON.stringify(bundleOf('acme-1').settings)],
  ])('with %s is a problem, and no crash', (_what, change) => {
    const opened = openAccount('acme', 'acme-1', change(sealed('acme-1')), keys);
    expect(opened).toHaveProperty('problem');
    expect(JSON.stringify(opened)).not.toContain(SECRET);
  });

  test('of another account or channel does not open', () => {
    expect(openAccount('acme', 'acme-2', sealed('acme-1'), keys)).toHaveProperty('problem');
    expect(openAccount('other', 'acme-1', sealed('acme-1'), keys)).toHaveProperty('problem');
  });
});

test.each(['', 'k1', `k1 ${'ab'.repeat(31)}`, `k1 ${'AB'.repeat(32)}`, `k1 ${'ab'.repeat(32)}\nk1 ${'cd'.repeat(32)}`])(
  'a key file with %j is none',
  (text) => {
    expect(parseSealingKeys(text)).toBeUndefined();
  },
);

describe('a folder of accounts', () => {
  test('gives what it holds, and names what cannot be used without what is in it', () => {
    put('acme-1', sealed('acme-1'));
    put('acme-2', sealed('acme-2', 'xyzzy'));
    put('acme-3', sealed('acme-1'));
    put('acme-4', sealAccount('acme', 'acme-4', bundleOf('acme-5'), keys));
    writeFileSync(join(folder, 'README'), 'no account');
    const { accounts, problems } = read();
    expect([...accounts.keys()]).toEqual(['acme-1']);
    expect(accounts.get('acme-1')?.keyFile.reveal()).toBe(SECRET);
    expect(problems.map(({ accountId, problem }) => `${accountId}: ${problem.slice(0, 40)}`)).toEqual([
      'acme-2: keyFile: the key file is too short',
      'acme-3: does not open: it was changed, sealed fo',
      'acme-4: is the file of acme-5: name it after its',
    ]);
    expect(JSON.stringify(problems)).not.toContain('xyzzy');
  });

  test('does not reach beyond its own files', () => {
    const bundle = { ...bundleOf('acme-1'), files: {} };
    put(
      'acme-1',
      sealAccount('acme', 'acme-1', { ...bundle, settings: { ...bundle.settings, keyFile: '/etc/hostname' } }, keys),
    );
    expect(read().problems[0]?.problem).toContain('cannot be read');
  });
});

describe('the accounts of a process', () => {
  const open = () =>
    createAccountBook({
      channelId: 'acme',
      fixed: [],
      read,
      lifetimeMs: 60_000,
      clock: new ManualClock(0),
      log: createLog('test', 'silent'),
    });

  test('come, change and go with their files; one whose file breaks stays as it was, and is told', () => {
    put('acme-1', sealed('acme-1'));
    const book = open();
    const before = book.accounts();
    expect(book.refresh()).toEqual([]);
    expect(book.accounts()).toBe(before);
    put('acme-2', sealed('acme-2'));
    put('acme-1', sealed('acme-1', 'another-key-of-the-same'));
    expect(book.refresh()).toEqual([]);
    expect([...book.accounts().keys()].toSorted()).toEqual(['acme-1', 'acme-2']);
    expect(book.accounts().get('acme-1')?.keyFile.reveal()).toBe('another-key-of-the-same');
    put('acme-1', 'broken');
    expect(book.refresh()).toMatchObject([{ accountId: 'acme-1' }]);
    expect(book.accounts().get('acme-1')?.keyFile.reveal()).toBe('another-key-of-the-same');
    // And again: it is told as long as it lasts.
    expect(book.refresh()).toMatchObject([{ accountId: 'acme-1' }]);
    rmSync(join(folder, 'acme-2.sealed'));
    book.refresh();
    expect([...book.accounts().keys()]).toEqual(['acme-1']);
    rmSync(folder, { recursive: true });
    expect(book.refresh()).toMatchObject([{ accountId: '' }]);
    expect([...book.accounts().keys()]).toEqual(['acme-1']);
    folder = mkdtempSync(join(tmpdir(), 'tillmesh-accounts-'));
  });

  test('are not served by half: a first reading with a problem names every one of them', () => {
    put('acme-1', sealed('acme-1'));
    put('acme-2', 'broken');
    put('acme-3', sealed('acme-3', 'short'));
    expect(open).toThrow(/acme-2: is no sealed account.*acme-3: keyFile: the key file is too short/);
  });
});
