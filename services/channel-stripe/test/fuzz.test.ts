import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stripe } from '../src/channel.ts';
import { parseNotification } from '../src/notification.ts';
import { verifyWebhook } from '../src/signature.ts';
import {
  account,
  callOf,
  cardPayment,
  error,
  event,
  HEADERS,
  httpFor,
  INTENT_ID,
  intent,
  list,
  NOW_S,
  order,
  paidIntent,
  payment,
  refund,
  refundObject,
  type StripePeer,
  startPeer,
  WEBHOOK_SECRET,
  waitingIntent,
  webhook,
} from './stripe-peer.ts';

// Whatever comes back: no crash, no success, no definite failure, unless it is the one true answer; and always a word on why.

let peer: StripePeer;
let http: ReturnType<typeof httpFor>;
beforeAll(async () => {
  peer = await startPeer();
  http = httpFor(peer.baseUrl);
});
afterAll(async () => {
  await http.close();
  await peer.close();
});

const OBJECTS: readonly object[] = [
  paidIntent(),
  waitingIntent(),
  intent({ status: 'canceled' }),
  list(paidIntent()),
  list(),
  refundObject(),
  list(refundObject()),
  error('card_error', 'card_declined', { decline_code: 'lost_card', payment_intent: intent() }),
  error('invalid_request_error', 'amount_too_small'),
  error('invalid_request_error', undefined),
];
const WHOLE = OBJECTS.map((object) => JSON.stringify(object));

const inserts = fc.constantFrom(
  '',
  'x',
  '"',
  '}',
  ']',
  '{',
  '1',
  '0',
  'null',
  ',"status":"succeeded"',
  ',"livemode":false',
);
const damage = (text: string) =>
  fc
    .tuple(fc.nat(text.length), fc.nat(text.length), inserts)
    .map(([from, to, insert]) => text.slice(0, Math.min(from, to)) + insert + text.slice(Math.max(from, to)));
const truncated = (text: string) => fc.nat(text.length - 1).map((length) => text.slice(0, length));

/** One member anywhere is something else. */
const mistyped = (object: object) => {
  const paths: string[][] = [];
  const walk = (value: unknown, path: string[]): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      paths.push([...path, key]);
      walk(inner, [...path, key]);
    }
  };
  walk(object, []);
  const other = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(-1, 0, 1e300, 2 ** 53, '', [], {}, true, null));
  return fc.tuple(fc.constantFrom(...paths), other).map(([path, value]) => {
    const copy = structuredClone(object) as Record<string, unknown>;
    let at = copy;
    for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
    at[path.at(-1) ?? ''] = value;
    return JSON.stringify(copy);
  });
};

const garbage = fc.oneof(
  fc.json(),
  fc.string({ unit: 'binary' }),
  ...WHOLE.map(truncated),
  fc.constantFrom(
    '',
    'null',
    '[]',
    '{}',
    '{"error":[]}',
    '{"error":{"code":["amount_too_small"]}}',
    '{"error":{"code":"amount_too_small","code":"x"}}',
    '{"__proto__":{"error":{"code":"amount_too_small"}}}',
    '{"object":"list","data":[[[]]],"has_more":false}',
    '{"object":"list","data":{"0":{}},"has_more":"no"}',
    `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    `${'{"a":'.repeat(500)}1${'}'.repeat(500)}`,
    `{"error":{"code":"${'A'.repeat(60_000)}"}}`,
    `${WHOLE[0]}${' '.repeat(100_000)}`,
    '<html><body>502 Bad Gateway</body></html>',
  ),
);

const STATUSES = [200, 202, 204, 301, 400, 401, 402, 403, 404, 409, 429, 500, 502, 599] as const;

const askAll = async (strict: boolean) => {
  const call = callOf(account(peer.baseUrl, { strictSignatures: strict }), http);
  const known = order({ channelTransactionId: INTENT_ID });
  const [scan, card, byId, byNumber, closed, returned, askedReturn] = await Promise.all([
    stripe.createPayment(payment(), call),
    stripe.createPayment(cardPayment(), call),
    stripe.queryPayment(known, call),
    stripe.queryPayment(order({ channelOrderNo: order().channelOrderNo.replace(/1$/, '2') }), call),
    stripe.closePayment?.(known, call),
    stripe.createRefund?.(refund(), call),
    stripe.queryRefund?.(refund(), call),
  ]);
  return { created: [scan, card], asked: [byId, byNumber], closed, refunds: [returned, askedReturn] };
};

const provesNothing = async (strict = false): Promise<void> => {
  const { created, asked, closed, refunds } = await askAll(strict);
  for (const { outcome, action, orderNotFound } of [...created, ...asked]) {
    expect(outcome.kind).toBe('unknown');
    if (outcome.kind === 'unknown') expect(outcome.cause).not.toBe('');
    expect(action).toBeUndefined();
    expect(orderNotFound).toBe(false);
  }
  expect(closed).toMatchObject({ end: 'undecided', repeat: true, seen: { outcome: { kind: 'unknown' } } });
  for (const report of refunds) expect(report).toMatchObject({ state: 'unknown', refundNotFound: false });
};

test('answers that nothing vouches for prove nothing, whatever they hold', async () => {
  const heads = fc.constantFrom<Record<string, string>>(
    {},
    { 'content-type': 'application/json' },
    { 'request-id': 'req_1' },
    { ...HEADERS, 'content-type': 'text/html' },
    { ...HEADERS, 'request-id': '' },
    { ...HEADERS, 'request-id': 'forged id' },
  );
  const bodies = fc.oneof(garbage, fc.constantFrom(...WHOLE), ...WHOLE.map(damage));
  await fc.assert(
    fc.asyncProperty(bodies, heads, fc.constantFrom(...STATUSES), async (body, headers, status) => {
      peer.answer = () => ({ status, headers, body: status === 204 ? '' : body });
      await provesNothing();
    }),
    { numRuns: 100 },
  );
});

test('a strict account believes no answer at all', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...WHOLE), fc.constantFrom(...STATUSES), async (body, status) => {
      peer.answer = () => ({ status, headers: HEADERS, body: status === 204 ? '' : body });
      await provesNothing(true);
    }),
    { numRuns: 60 },
  );
});

test('garbage from Stripe itself proves nothing', async () => {
  // 401 alone is proved by its type, which garbage may spell; the table has its own tests.
  await fc.assert(
    fc.asyncProperty(garbage, fc.constantFrom(...STATUSES), async (body, status) => {
      peer.answer = () => ({ status, headers: HEADERS, body: status === 204 ? '' : body });
      await provesNothing();
    }),
    { numRuns: 100 },
  );
});

test('answers with one member that is something else, or cut and mended, pay only what was asked', async () => {
  const bodies = fc.oneof(...OBJECTS.map(mistyped), ...WHOLE.map(damage));
  await fc.assert(
    fc.asyncProperty(bodies, fc.constantFrom(...STATUSES), async (body, status) => {
      peer.answer = () => ({ status, headers: HEADERS, body: status === 204 ? '' : body });
      const { created, asked, closed, refunds } = await askAll(false);
      for (const report of [...created, ...asked, closed?.seen]) {
        const outcome = report?.outcome;
        if (outcome?.kind === 'succeeded') {
          expect(outcome.paid).toEqual(order().amount);
          expect(body).toContain(order().channelOrderNo);
          expect(status).toBe(200);
        }
        if (outcome?.kind === 'failed_definite') {
          expect([200, 400, 401]).toContain(status);
          expect(body).toMatch(status === 200 ? /canceled/ : /amount_too_small|invalid_request_error/);
        }
        if (outcome?.kind === 'unknown') expect(outcome.cause).not.toBe('');
      }
      for (const report of refunds) {
        if (report?.state === 'succeeded') expect(report.refunded).toEqual(refund().amount);
      }
    }),
    { numRuns: 300 },
  );
});

const EVENT = event('payment_intent.succeeded', paidIntent({ latest_charge: 'ch_1' }));
const EVENT_TEXT = JSON.stringify(EVENT);
const parse = (headers: Record<string, string>, body: Uint8Array) =>
  parseNotification({ headers, body: Buffer.from(body) }, callOf(account(peer.baseUrl), http));

test('webhooks whose signature is stripped, damaged or of other bytes are refused, each with a reason', () => {
  const good = webhook(EVENT_TEXT);
  const header = good.headers['stripe-signature'];
  const headers = fc.oneof(
    fc.constant(''),
    fc.string(),
    fc.string({ unit: 'binary' }),
    damage(header),
    fc.constantFrom(...header.split(',')),
  );
  const bodies = fc.oneof(
    fc.constant(good.body),
    damage(EVENT_TEXT).map(Buffer.from),
    fc.uint8Array({ maxLength: 200 }),
  );
  fc.assert(
    fc.property(headers, bodies, (sent, body) => {
      const isRight = verifyWebhook(sent, body, [WEBHOOK_SECRET], NOW_S) === 'verified';
      const report = parse({ 'stripe-signature': sent }, body);
      // Only the very bytes with the very signature pass; what stands beside v1 is not covered by it.
      if (isRight) expect(Buffer.from(body).equals(good.body)).toBe(true);
      else expect(report).toMatchObject({ kind: 'refused', refusal: expect.stringMatching(/signature|stale/) });
    }),
    { numRuns: 2_000 },
  );
});

test('webhooks that are signed and hold anything do not crash, and are news of a success only where they say one', () => {
  const bodies = fc.oneof(fc.json(), damage(EVENT_TEXT), mistyped(EVENT), garbage);
  fc.assert(
    fc.property(bodies, (text) => {
      const { headers, body } = webhook(text);
      const report = parse(headers, body);
      if (report.kind === 'refused') {
        expect(['unreadable', 'foreign_account']).toContain(report.refusal);
        expect(report.answerRetry.status).toBeGreaterThanOrEqual(400);
        return;
      }
      for (const { report: told } of report.payments) {
        if (told.outcome.kind === 'succeeded') expect(text).toContain('payment_intent.succeeded');
        if (told.outcome.kind === 'failed_definite') expect(text).toContain('canceled');
      }
    }),
    { numRuns: 2_000 },
  );
});
