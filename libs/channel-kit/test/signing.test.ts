import { createCipheriv, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, z } from '@tillmesh/config';
import { selfSigned } from '@tillmesh/testing/self-signed';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { parsePrivateKey, parsePublicKey, privateKeyFile, publicKeyFile } from '../src/keys.ts';
import { equalInConstantTime, openAes256Gcm, signRsaSha256, verifyRsaSha256 } from '../src/signing.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const pem = (key: { export(options: object): string | Buffer }, type: string): string =>
  key.export({ type, format: 'pem' }).toString();
const bare = (key: { export(options: object): string | Buffer }, type: string): string =>
  Buffer.from(key.export({ type, format: 'der' })).toString('base64');

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a signature verifies over the same bytes, and over no others', () => {
  const signature = signRsaSha256('支付 a\n', rsa.privateKey);
  expect(verifyRsaSha256(Buffer.from('支付 a\n'), signature, rsa.publicKey)).toBe(true);
  expect(verifyRsaSha256('支付 a', signature, rsa.publicKey)).toBe(false);
});

test('a signature that is no base64, empty or cut is wrong and does not throw', () => {
  const signature = signRsaSha256('text', rsa.privateKey);
  for (const wrong of ['', '%%%', signature.slice(0, -8), `${signature}AAAA`]) {
    expect(verifyRsaSha256('text', wrong, rsa.publicKey)).toBe(false);
  }
});

test('a box opens with its key, nonce and associated data, and with nothing else', () => {
  const [key, nonce] = [Buffer.alloc(32, 7), 'abcdefghijkl'];
  const cipher = createCipheriv('aes-256-gcm', key, Buffer.from(nonce));
  cipher.setAAD(Buffer.from('transaction'));
  const box = Buffer.concat([cipher.update('{"a":1}'), cipher.final(), cipher.getAuthTag()]).toString('base64');
  expect(openAes256Gcm(box, key, nonce, 'transaction')?.toString()).toBe('{"a":1}');
  expect(openAes256Gcm(box, Buffer.alloc(32, 8), nonce, 'transaction')).toBeUndefined();
  expect(openAes256Gcm(box, key, 'abcdefghijkm', 'transaction')).toBeUndefined();
  expect(openAes256Gcm(box, key, nonce, 'refund')).toBeUndefined();
  expect(openAes256Gcm(box, key, 'short', 'transaction')).toBeUndefined();
  expect(openAes256Gcm('AAAA', key, nonce, 'transaction')).toBeUndefined();
  fc.assert(
    fc.property(fc.nat(Buffer.from(box, 'base64').length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = Buffer.from(box, 'base64');
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      expect(openAes256Gcm(bytes.toString('base64'), key, nonce, 'transaction')).toBeUndefined();
    }),
  );
});

test('compares texts of equal and of different length', () => {
  expect(equalInConstantTime('ABC', 'ABC')).toBe(true);
  expect(equalInConstantTime('ABC', 'ABD')).toBe(false);
  expect(equalInConstantTime('ABC', 'ABCD')).toBe(false);
});

test('reads keys in every form that the channels hand out', () => {
  for (const text of [
    pem(rsa.privateKey, 'pkcs8'),
    pem(rsa.privateKey, 'pkcs1'),
    bare(rsa.privateKey, 'pkcs8'),
    bare(rsa.privateKey, 'pkcs1'),
  ]) {
    expect(parsePrivateKey(text)?.type).toBe('private');
  }
  for (const text of [pem(rsa.publicKey, 'spki'), bare(rsa.publicKey, 'spki'), selfSigned().certificate]) {
    expect(parsePublicKey(text)?.type).toBe('public');
  }
  expect(parsePublicKey(pem(rsa.privateKey, 'pkcs8'))).toBeUndefined();
});

const problemsWith = (files: Readonly<Record<string, string>>): string => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify({ signing: 'signing.pem', checking: 'checking.pem' }));
  const schema = z.strictObject({
    signing: privateKeyFile('the private key'),
    checking: publicKeyFile('the public key'),
  });
  try {
    loadConfig(schema, { TILLMESH_CONFIG: path });
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
};

test('good key files are no problem', () => {
  expect(
    problemsWith({ 'signing.pem': pem(rsa.privateKey, 'pkcs8'), 'checking.pem': pem(rsa.publicKey, 'spki') }),
  ).toBe('');
});

test('keys that do not sign or do not check are problems, by name and all at once', () => {
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const short = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  const both = problemsWith({ 'signing.pem': pem(rsa.publicKey, 'spki'), 'checking.pem': 'not a key' });
  expect(both).toContain('signing: the key file is not the private key');
  expect(both).toContain('checking: the key file');
  expect(problemsWith({ 'signing.pem': pem(elliptic.privateKey, 'pkcs8') })).toContain(
    'signing: the key file is a key of type ec',
  );
  expect(problemsWith({ 'signing.pem': pem(short.privateKey, 'pkcs8') })).toContain(
    'signing: the key file has 1024 bits',
  );
});

test('a private key that was damaged and no longer signs is a problem', () => {
  const jwk = rsa.privateKey.export({ format: 'jwk' });
  const damaged = (text: string | undefined): string =>
    `${text?.startsWith('A') === true ? 'B' : 'A'}${text?.slice(1)}`;
  const key = createPrivateKey({
    format: 'jwk',
    key: { ...jwk, d: damaged(jwk.d), dp: damaged(jwk.dp), dq: damaged(jwk.dq) },
  });
  expect(problemsWith({ 'signing.pem': pem(key, 'pkcs8') })).toContain('signing: the key file does not sign');
});

test('no part of a key stands in a problem', () => {
  const text = pem(rsa.privateKey, 'pkcs8').replace('A', 'B').slice(0, -60);
  expect(problemsWith({ 'signing.pem': text })).not.toContain(text.slice(40, 80));
});
