import { systemClock } from '@tillmesh/clock';
import { Secret } from '@tillmesh/config';
import { money } from '@tillmesh/domain';
import Stripe from 'stripe';
import { describe, expect, test } from 'vitest';
import { parseNotification } from '../src/notification.ts';
import {
  account,
  callOf,
  event,
  httpFor,
  INTENT_ID,
  intent,
  NOW_MS,
  NOW_S,
  order,
  paidIntent,
  refund,
  refundObject,
  WEBHOOK_SECRET,
  webhook,
} from './stripe-peer.ts';

const BASE_URL = 'https://api.stripe.com';
const call = (more: Parameters<typeof account>[1] = {}, nowMs = NOW_MS) =>
  callOf(account(BASE_URL, more), httpFor(BASE_URL), nowMs);
// In an event a charge is an id alone.
const paid = (more: object = {}) => paidIntent({ latest_charge: 'ch_1', ...more });
const newsOf = (content: object) => {
  const report = parseNotification(webhook(content), call());
  if (report.kind !== 'news') throw new Error(`refused: ${report.refusal}`);
  return report;
};

describe('an event', () => {
  test('of a payment is news, paid when the event says', () => {
    const news = newsOf(event('payment_intent.succeeded', paid()));
    expect(news).toMatchObject({ dedupeKey: event('x', {}).id, refunds: [], answerOk: { status: 200 } });
    expect(news.payments).toMatchObject([
      {
        channelOrderNo: order().channelOrderNo,
        report: {
          outcome: {
            kind: 'succeeded',
            paid: money('CNY', 8_880),
            channelTransactionId: INTENT_ID,
            paidAtMs: (NOW_S - 3) * 1_000,
          },
          facts: { signature: 'verified' },
        },
      },
    ]);
  });

  test('of what is no success is none: another type, no amount, no readable state', () => {
    const outcomeOf = (content: object) => newsOf(content).payments[0]?.report.outcome.kind;
    expect(outcomeOf(event('payment_intent.created', paid()))).toBe('unknown');
    expect(outcomeOf(event('payment_intent.succeeded', paid({ amount_received: null })))).toBe('unknown');
    expect(outcomeOf(event('payment_intent.succeeded', intent({ status: 'novel' })))).toBe('unknown');
    expect(outcomeOf(event('payment_intent.payment_failed', intent()))).toBe('pending_payer');
    expect(outcomeOf(event('payment_intent.processing', intent({ status: 'processing' })))).toBe('processing');
    expect(outcomeOf(event('payment_intent.canceled', intent({ status: 'canceled' })))).toBe('failed_definite');
    expect(outcomeOf(event('payment_intent.canceled', intent({ status: 'canceled', livemode: true })))).toBe('unknown');
  });

  test('of a refund is news of the refund', () => {
    const stateOf = (object: object) => newsOf(event('refund.updated', object)).refunds[0];
    expect(stateOf(refundObject())).toMatchObject({
      refundNo: refund().refundNo,
      report: { state: 'succeeded', refunded: money('CNY', 100) },
    });
    expect(stateOf(refundObject({ status: 'failed' }))?.report).toMatchObject({
      state: 'failed',
      ruleId: 'stripe.refund.status.failed',
    });
    expect(stateOf(refundObject({ status: 'novel' }))?.report.state).toBe('unknown');
  });

  test('that is not ours to know is taken, so that it is not repeated for days', () => {
    for (const content of [
      event('customer.created', { object: 'customer' }),
      event('payment_intent.succeeded', paid({ metadata: {} })),
      event('refund.created', refundObject({ metadata: {} })),
    ]) {
      expect(newsOf(content)).toMatchObject({ payments: [], refunds: [], answerOk: { status: 200 } });
    }
  });
});

describe('refused is', () => {
  const good = event('payment_intent.succeeded', paid());
  const refusalOf = (sent: ReturnType<typeof webhook>, used = call()) => {
    const report = parseNotification({ headers: { ...sent.headers }, body: sent.body }, used);
    return report.kind === 'refused' ? report.refusal : 'news';
  };

  test('what is not signed, signed by another, over other bytes, of another time or for another mode', () => {
    expect(refusalOf(webhook(good))).toBe('news');
    expect(refusalOf({ ...webhook(good), headers: {} as { 'stripe-signature': string } })).toBe('no_signature');
    expect(refusalOf(webhook(good, { secret: 'whsec_other' }))).toBe('bad_signature');
    expect(refusalOf({ ...webhook(good), body: Buffer.from(JSON.stringify(good)) })).toBe('bad_signature');
    expect(refusalOf(webhook(good, { seconds: NOW_S - 301 }))).toBe('stale');
    expect(refusalOf(webhook(good, { seconds: NOW_S + 301 }))).toBe('stale');
    expect(refusalOf(webhook({ ...good, livemode: true }))).toBe('foreign_account');
  });

  test('what is signed and cannot be read', () => {
    for (const content of [
      '',
      '[]',
      '{}',
      'null',
      '{"object":"event"}',
      `{"a":${'['.repeat(100)}${']'.repeat(100)}}`,
    ]) {
      expect(refusalOf(webhook(content))).toBe('unreadable');
    }
    expect(refusalOf(webhook({ ...good, id: 1 }))).toBe('unreadable');
    expect(refusalOf(webhook(event('payment_intent.succeeded', { object: 'charge' })))).toBe('unreadable');
    expect(refusalOf(webhook(event('refund.updated', { object: 'charge' })))).toBe('unreadable');
  });

  test('nothing of a secret that follows another, while both are known', () => {
    const next = new Secret('whsec_next_secret');
    const both = call({ webhookSecretFiles: [next, new Secret(WEBHOOK_SECRET)] });
    expect(refusalOf(webhook(good), both)).toBe('news');
    expect(refusalOf(webhook(good, { secret: next.reveal() }), both)).toBe('news');
  });
});

test('the official client and the adapter agree on which webhooks are authentic', () => {
  const good = webhook(event('payment_intent.succeeded', paid()), { seconds: Math.floor(systemClock.nowMs() / 1_000) });
  const header = good.headers['stripe-signature'];
  const variants = [
    header,
    header.replace(/v1=./, 'v1=x'),
    header.replace('t=', 't=1'),
    header.replace(/,v0=.*/, ''),
    `${header},v1=abc`,
    header.replace(/^t=[0-9]+,/, ''),
    'x',
  ];
  for (const variant of variants) {
    const theirs = () => Stripe.webhooks.constructEvent(good.body, variant, WEBHOOK_SECRET);
    const ours = parseNotification(
      { headers: { 'stripe-signature': variant }, body: good.body },
      call({}, systemClock.nowMs()),
    );
    if (ours.kind === 'news') expect(theirs).not.toThrow();
    else expect(theirs).toThrow();
  }
});
