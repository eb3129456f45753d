import { createPrivateKey, createPublicKey, sign, verify, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '@tillmesh/config';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SandboxConfig } from '../src/config.ts';
import { type GeneratedKeys, generateKeys } from '../src/generate-keys.ts';
import { firstOf, readKey } from './running-sandbox.ts';

let folder: string;
let keys: GeneratedKeys;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tillmesh-keys-'));
  keys = generateKeys({ folder, wechat: ['w-1'], alipay: ['a-1'], stripe: ['s-1'], unionpay: ['u-1'] });
});
afterAll(() => rmSync(folder, { recursive: true }));

test('every file can be read by its owner alone', () => {
  const names = readdirSync(folder);
  expect(names).toHaveLength(32);
  for (const name of names)
    expect([name, (statSync(join(folder, name)).mode & 0o777).toString(8)]).toEqual([name, '600']);
});

test('keys of one pair belong together', () => {
  const account = firstOf(keys.wechat.accounts);
  const pairs: readonly (readonly [string, string])[] = [
    [account.merchantPrivateKeyFile, account.merchantPublicKeyFile],
    [keys.wechat.platformPrivateKeyFile, keys.wechat.publicKeyFile],
    [firstOf(keys.alipay.accounts).appPrivateKeyFile, firstOf(keys.alipay.accounts).appPublicKeyFile],
    [keys.alipay.privateKeyFile, keys.alipay.publicKeyFile],
  ];
  for (const [privateFile, publicFile] of pairs) {
    const signature = sign('sha256', Buffer.from('a'), readKey(privateFile));
    expect(verify('sha256', Buffer.from('a'), createPublicKey(readKey(publicFile)), signature)).toBe(true);
  }
});

test('the certificate is for loopback, and its key is its own', () => {
  const certificate = new X509Certificate(readKey(keys.stripe.certificateFile));
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(certificate.checkPrivateKey(createPrivateKey(readKey(keys.stripe.certificateKeyFile)))).toBe(true);
});

test('a second run keeps every key and adds the new accounts', () => {
  const contentsOf = () =>
    Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  const before = contentsOf();
  const more = generateKeys({ folder, wechat: ['w-1', 'w-2'], alipay: ['a-1'], stripe: ['s-1'], unionpay: ['u-1'] });
  const after = contentsOf();
  for (const [name, text] of Object.entries(before)) if (name !== 'accounts.json') expect(after[name]).toBe(text);
  expect(more.wechat.accounts[0]).toEqual(keys.wechat.accounts[0]);
  expect(new Set(more.wechat.accounts.map(({ mchid }) => mchid)).size).toBe(2);
  expect(JSON.parse(after['accounts.json'] ?? '')).toEqual(more);
});

test("the sandbox' sections are its configuration, without a merchant's private key", () => {
  const config = parseConfig(SandboxConfig, keys.sandbox, 'the keys');
  expect(config.wechat.accounts).toHaveLength(1);
  expect(JSON.stringify(keys.sandbox)).not.toContain('merchant-private-key');
  expect(JSON.stringify(keys.sandbox)).not.toContain('app-private-key');
});

const WRONG: readonly (readonly [
  what: string,
  change: (sections: { wechat: object; alipay: object }) => object,
  setting: string,
])[] = [
  [
    'a key file that is not there',
    ({ wechat }) => ({ wechat: { ...wechat, platformPrivateKeyFile: 'gone.pem' } }),
    'wechat.platformPrivateKeyFile',
  ],
  [
    'a key file that is no key',
    ({ alipay }) => ({ alipay: { ...alipay, privateKeyFile: firstOf(keys.wechat.accounts).apiV3KeyFile } }),
    'alipay.privateKeyFile',
  ],
  [
    'a public key id of another form',
    ({ wechat }) => ({ wechat: { ...wechat, publicKeyId: '1234' } }),
    'wechat.publicKeyId',
  ],
  ['no account', ({ wechat }) => ({ wechat: { ...wechat, accounts: [] } }), 'wechat.accounts'],
  ['a setting that there is not', () => ({ speed: 'fast' }), 'speed'],
  ['a port that there is not', () => ({ ports: { control: 65_536 } }), 'ports.control'],
];
for (const [what, change, setting] of WRONG) {
  test(`a configuration with ${what} is refused by name`, () => {
    const value = { ...keys.sandbox, ...change(keys.sandbox) };
    expect(() => parseConfig(SandboxConfig, value, 'the test')).toThrow(setting);
  });
}

test('two accounts may not have the same number', () => {
  const wechat = keys.sandbox.wechat as { accounts: object[] };
  const twins = { ...wechat, accounts: [wechat.accounts[0], { ...wechat.accounts[0], accountId: 'twin' }] };
  expect(() => parseConfig(SandboxConfig, { ...keys.sandbox, wechat: twins }, 'the test')).toThrow('same mchid');
});
