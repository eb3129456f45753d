import { vectorsOf } from '@tillmesh/channel-kit/contract';
import Stripe from 'stripe';
import { describe, expect, test } from 'vitest';
import { encodeForm, sign, TOLERANCE_SECONDS, verify, webhookHmac } from '../src/protocol.ts';

type Hmacs = {
  readonly hmac_vectors: readonly { readonly secret: string; readonly payload: string; readonly expected: string }[];
};
const vectors = vectorsOf<Hmacs>('stripe-webhook-hmac.json');

describe.skipIf(vectors === undefined)('official HMACs (skipped where ../shared/vectors is absent)', () => {
  for (const { secret, payload, expected } of vectors?.hmac_vectors ?? []) {
    test(`of ${JSON.stringify(payload)}, as text and as bytes`, () => {
      expect(webhookHmac(payload, secret)).toBe(expected);
      expect(webhookHmac(Buffer.from(payload), secret)).toBe(expected);
    });
  }
});

describe('a webhook signature', () => {
  const secret = 'whsec_test_secret';
  const body = Buffer.from('{"id": "evt_1", "text": "茶 😀"}');
  const now = 1_795_000_000;
  const good = sign(now, body, secret);
  const v1 = good.split('v1=')[1] ?? '';

  test('is the one that the official client makes and accepts', () => {
    const header = Stripe.webhooks.generateTestHeaderString({ payload: body.toString(), secret, timestamp: now });
    expect(header).toBe(good);
    expect(verify(header, body, [secret], now)).toBe('verified');
  });

  // The behaviours that stripe-node's own test/Webhook.spec.ts demands, and some more.
  const cases: readonly (readonly [what: string, header: string, expected: string])[] = [
    ['right', good, 'verified'],
    ['right, with others beside it', `t=${now},v1=bad,v1=${v1},v0=x`, 'verified'],
    ['right, with spaces between', `t=${now}, v1=${v1}`, 'verified'],
    ['without a header', '', 'absent'],
    ['without v1', `t=${now},v0=${v1}`, 'absent'],
    ['without a time', `v1=${v1}`, 'invalid'],
    ['with two times', `t=${now},t=${now + 1},v1=${v1}`, 'invalid'],
    ['with a time that is no number', `t=now,v1=${v1}`, 'invalid'],
    ['with another time', `t=${now + 1},v1=${v1}`, 'invalid'],
    ['with the same time written otherwise', `t=0${now},v1=${v1}`, 'invalid'],
    ['of another text', `t=${now},v1=${'0'.repeat(64)}`, 'invalid'],
    ['in capitals', `t=${now},v1=${v1.toUpperCase()}`, 'invalid'],
    ['shortened', `t=${now},v1=${v1.slice(0, 63)}`, 'invalid'],
    ['that is no form at all', 'hello', 'invalid'],
    ['in a header without end', `${good}${',v1=x'.repeat(2_000)}`, 'invalid'],
    ['that is too old', sign(now - TOLERANCE_SECONDS - 1, body, secret), 'stale'],
    ['that is as old as may be', sign(now - TOLERANCE_SECONDS, body, secret), 'verified'],
    ['of tomorrow', sign(now + 86_400, body, secret), 'stale'],
  ];
  for (const [what, header, expected] of cases) {
    test(`${what} is ${expected}`, () => expect(verify(header, body, [secret], now)).toBe(expected));
  }

  test('by another secret is invalid, by any of several is right', () => {
    expect(verify(good, body, ['whsec_other'], now)).toBe('invalid');
    expect(verify(good, body, ['whsec_other', secret], now)).toBe('verified');
  });

  test('is over the bytes: white space counts, and bytes that are no UTF-8 stay what they are', () => {
    expect(verify(good, Buffer.from('{"id":"evt_1","text":"茶 😀"}'), [secret], now)).toBe('invalid');
    const bytes = Buffer.from([0xff, 0xfe, 0x00]);
    expect(verify(sign(now, bytes, secret), bytes, [secret], now)).toBe('verified');
    expect(verify(sign(now, bytes, secret), Buffer.from(bytes.toString('utf8')), [secret], now)).toBe('invalid');
  });
});

describe('a form', () => {
  test('has brackets for what lies inside, and percent signs for whatever could be mistaken', () => {
    const text = encodeForm({
      amount: 1_000n,
      confirm: true,
      left_out: undefined,
      description: 'a&b=c+d 茶',
      metadata: { order_no: '1', none: undefined },
      expand: ['latest_charge', 'x'],
    });
    expect(text).toBe(
      'amount=1000&confirm=true&description=a%26b%3Dc%2Bd%20%E8%8C%B6&metadata[order_no]=1&expand[0]=latest_charge&expand[1]=x',
    );
  });
});
