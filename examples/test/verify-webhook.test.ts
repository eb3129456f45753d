import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isGenuine, type WebhookKey } from '../src/verify-webhook.ts';

type Headers = Readonly<Record<string, string>>;
type Vector = {
  readonly title: string;
  readonly body: string;
  readonly hmacSha256: Headers;
  readonly ed25519: Headers;
  readonly bothKeys: Headers;
};

const { keys, vectors } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../docs/webhook-vectors.json'), 'utf8'),
) as {
  readonly keys: { readonly hmacSha256: string; readonly ed25519PublicKey: string };
  readonly vectors: readonly Vector[];
};
const hmac: WebhookKey = { kind: 'hmac-sha256', secret: keys.hmacSha256 };
const ed25519: WebhookKey = { kind: 'ed25519', publicKey: keys.ed25519PublicKey };
const secondsOf = (headers: Headers): number => Number(headers['webhook-timestamp']) * 1_000;

for (const vector of vectors) {
  describe(`the published vector of ${vector.title}`, () => {
    const body = Buffer.from(vector.body);
    const nowMs = secondsOf(vector.ed25519);

    test('is genuine with the right key, whichever of two', () => {
      expect(isGenuine({ headers: vector.hmacSha256, body }, [hmac], nowMs)).toBe(true);
      expect(isGenuine({ headers: vector.ed25519, body }, [ed25519], nowMs)).toBe(true);
      for (const key of [hmac, ed25519]) expect(isGenuine({ headers: vector.bothKeys, body }, [key], nowMs)).toBe(true);
    });

    test('is not with another key, body, id or time', () => {
      const other: WebhookKey = { kind: 'hmac-sha256', secret: Buffer.alloc(32, 7).toString('base64') };
      expect(isGenuine({ headers: vector.hmacSha256, body }, [ed25519, other], nowMs)).toBe(false);
      expect(
        isGenuine({ headers: vector.ed25519, body: Buffer.concat([body, Buffer.from(' ')]) }, [ed25519], nowMs),
      ).toBe(false);
      expect(isGenuine({ headers: { ...vector.ed25519, 'webhook-id': 'x' }, body }, [ed25519], nowMs)).toBe(false);
      expect(isGenuine({ headers: vector.ed25519, body }, [ed25519], nowMs + 300_001)).toBe(false);
      expect(isGenuine({ headers: { 'webhook-signature': 'v1,' }, body }, [hmac], nowMs)).toBe(false);
      expect(isGenuine({ headers: { ...vector.ed25519, 'webhook-timestamp': 'now' }, body }, [ed25519], nowMs)).toBe(
        false,
      );
    });
  });
}
