import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { parseSigningKey, type SignedParts, signatureHeaders } from '../src/webhook-signature.ts';

/** RFC 8032, section 7.1, TEST 1: a key that everybody knows. */
const RFC8032_SEED = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
const RFC8032_PUBLIC = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
const PKCS8_OF_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
/** Made for the vectors, used for nothing else. */
const HMAC_SECRET = `whsec_${Buffer.from('tillmesh test vectors, no secret').toString('base64')}`;

const rfcKey = createPrivateKey({
  key: Buffer.concat([PKCS8_OF_ED25519, Buffer.from(RFC8032_SEED, 'hex')]),
  format: 'der',
  type: 'pkcs8',
});
const ed25519 = parseSigningKey(
  'vectors-ed25519',
  'ed25519',
  rfcKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
);
const hmac = parseSigningKey('vectors-hmac', 'hmac-sha256', HMAC_SECRET);

const vector = (title: string, timestamp: number, body: string) => {
  const parts: SignedParts = {
    eventId: '2261127000000001001000013.3.payment_succeeded',
    timestamp,
    body: Buffer.from(body),
  };
  return {
    title,
    body,
    hmacSha256: signatureHeaders(parts, [hmac]),
    ed25519: signatureHeaders(parts, [ed25519]),
    bothKeys: signatureHeaders(parts, [hmac, ed25519]),
  };
};

const vectors = [
  vector(
    'a body as it is sent',
    1_790_000_000,
    '{"event_id":"2261127000000001001000013.3.payment_succeeded","merchant_id":"demo-cafe"}',
  ),
  vector('characters outside ASCII are signed as UTF-8', 1_790_000_001, '{"subject":"咖啡 ☕ café"}'),
  vector('an empty body', 0, ''),
];

describe('a signature', () => {
  test('is the one that the published vectors show', async () => {
    const published = {
      comment:
        'Signed content: <webhook-id>.<webhook-timestamp>.<body>. Keys for these vectors only: the Ed25519 key is TEST 1 of RFC 8032, section 7.1.',
      keys: {
        hmacSha256: HMAC_SECRET,
        ed25519PublicKey: `whpk_${Buffer.from(RFC8032_PUBLIC, 'hex').toString('base64')}`,
      },
      vectors,
    };
    await expect(`${JSON.stringify(published, null, 2)}\n`).toMatchFileSnapshot(
      join(import.meta.dirname, '../../../docs/webhook-vectors.json'),
    );
  });

  test('is made with the key whose public half RFC 8032 shows', () => {
    const der = createPublicKey(rfcKey).export({ type: 'spki', format: 'der' });
    expect(der.subarray(-32).toString('hex')).toBe(RFC8032_PUBLIC);
  });

  test('by HMAC is accepted by an independent library, and no longer when one byte differs', () => {
    const timestamp = Math.floor(Date.now() / 1_000);
    const parts = { eventId: 'e-1', timestamp, body: Buffer.from('{"amount":"100"}') };
    const headers = { ...signatureHeaders(parts, [hmac, ed25519]) };
    const library = new Webhook(HMAC_SECRET);
    expect(library.verify('{"amount":"100"}', headers)).toEqual({ amount: '100' });
    expect(() => library.verify('{"amount":"101"}', headers)).toThrow();
    expect(() => library.verify('{"amount":"100"}', { ...headers, 'webhook-id': 'e-2' })).toThrow();
  });
});

describe('a key', () => {
  test('that is no key of its kind is refused without being shown', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    });
    expect(() => parseSigningKey('a', 'ed25519', rsa.toString())).toThrow('is not an Ed25519 key');
    expect(() => parseSigningKey('a', 'ed25519', 'secret words')).toThrow();
    expect(() => parseSigningKey('a', 'hmac-sha256', 'whsec_secret words')).toThrow('is not base64');
    expect(() => parseSigningKey('a', 'hmac-sha256', Buffer.alloc(23).toString('base64'))).toThrow('has 23 bytes');
    expect(() => parseSigningKey('a', 'hmac-sha256', Buffer.alloc(65).toString('base64'))).toThrow('has 65 bytes');
  });
});
