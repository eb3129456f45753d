import { ManualClock, seededRandom } from '@tillmesh/clock';
import { fromOrderKey, type MerchantId, type MerchantWebhook, type OrderKey } from '@tillmesh/domain';
import { createLane } from '@tillmesh/lane';
import type { Chain, Claimed, Due, EventStore } from '@tillmesh/merchant-events';
import { DatabaseError, OWN_CODES, type PaymentWithRefunds } from '@tillmesh/order-groups';
import { expect, test } from 'vitest';
import { RETRY_DELAYS_MS } from '../src/retry-schedule.ts';
import { createTeller, type DeadLetterAlarm } from '../src/tell-merchant.ts';
import type { Sent, Webhook } from '../src/webhook-sender.ts';
import { parseSigningKey } from '../src/webhook-signature.ts';
import { aPayment } from './a-payment.ts';

const ORDER_NO = fromOrderKey(1_234_567_890_123n as OrderKey);
const MERCHANT = 'shop' as MerchantId;
const CHAIN: Chain = { merchantId: MERCHANT, endpointId: 'main', orderNo: ORDER_NO };
const KEY = parseSigningKey('k-1', 'hmac-sha256', Buffer.alloc(32, 5).toString('base64'));
const WEBHOOK: MerchantWebhook = {
  endpointId: 'main',
  url: 'https://shop.example/hooks',
  signing: 'hmac-sha256',
  keyIds: ['k-1'],
  kinds: [],
};
const DAY_MS = 24 * 3_600_000;

type Held = { event: Claimed; state: 'waiting' | 'delivered' | 'dead'; nextAtMs: number };

const aTeller = (
  options: {
    readonly answers?: () => Sent;
    readonly webhooks?: readonly MerchantWebhook[];
    readonly groupAway?: boolean;
  } = {},
) => {
  const clock = new ManualClock();
  const event = (seq: bigint, version: number): Held => ({
    event: {
      orderNo: ORDER_NO,
      number: ORDER_NO,
      seq,
      version,
      kind: 'payment_succeeded',
      happenedAtMs: 0,
      attempts: 0,
      givesUpAtMs: clock.nowMs() + DAY_MS,
    },
    state: 'waiting',
    nextAtMs: 0,
  });
  const held = [event(1n, 2), event(2n, 3)];
  const of = ({ seq }: Due): Held => held.find((each) => each.event.seq === seq) ?? event(0n, 0);
  let claims = 0;
  // The store's rules in memory; that the database keeps them is shown by its own test.
  const store: Pick<EventStore, 'claim' | 'settle' | 'postpone'> = {
    claim: async () => {
      claims += 1;
      const first = held.find(({ state }) => state === 'waiting');
      if (first === undefined || first.nextAtMs > clock.nowMs()) return { kind: 'nothing' };
      return { kind: 'claimed', event: first.event };
    },
    settle: async (due, _, state) => {
      of(due).state = state;
    },
    postpone: async (due, _, __, untilMs, countsAs) => {
      const one = of(due);
      one.nextAtMs = untilMs;
      one.event = { ...one.event, attempts: one.event.attempts + countsAs };
    },
  };
  const sent: Webhook[] = [];
  const dead: DeadLetterAlarm[] = [];
  let sentAtMs: number[] = [];
  const lane = createLane(
    {
      name: 'endpoint',
      concurrentMax: 4,
      queuedMax: 4,
      queueWaitMsMax: 100,
      timeoutMs: 1_000,
      callsMin: 1_000,
      halfOpenAfterMs: 1_000,
    },
    clock,
  );
  const tell = createTeller({
    store,
    changes: {
      paymentWithRefunds: async () => {
        if (options.groupAway === true) throw new DatabaseError(OWN_CODES.noPrimary, 'not_written');
        return { stored: { payment: aPayment(ORDER_NO, MERCHANT, 3) }, refunds: [] } as unknown as PaymentWithRefunds;
      },
    },
    endpoints: { of: () => options.webhooks ?? [WEBHOOK] },
    laneOf: () => lane,
    sender: {
      send: async (webhook) => {
        sent.push(webhook);
        sentAtMs = [...sentAtMs, clock.nowMs()];
        return options.answers?.() ?? { kind: 'acknowledged', status: 204 };
      },
    },
    keys: [KEY],
    claimMs: 10_000,
    retryTimeScale: 1,
    onDead: (alarm) => dead.push(alarm),
    claimer: 'test',
    clock,
    random: seededRandom(1),
  });
  /** Comes again whenever it is told to, for so long. */
  const keepTelling = async (forMs: number): Promise<void> => {
    const endMs = clock.nowMs() + forMs;
    for (let rounds = 0; rounds < 5_000; rounds += 1) {
      const againAtMs = (await tell(CHAIN)) ?? held.find(({ state }) => state === 'waiting')?.nextAtMs;
      if (againAtMs === undefined || againAtMs > endMs) return;
      await clock.advance(Math.max(1, againAtMs - clock.nowMs()));
    }
  };
  return { clock, held, sent, dead, lane, claims: () => claims, sentAtMs: () => sentAtMs, tell, keepTelling };
};

test('the events of a payment are told one after the other, with the payment as it is now', async () => {
  const { tell, sent, held } = aTeller();
  expect(await tell(CHAIN)).toBeUndefined();
  expect(sent.map(({ headers }) => headers['webhook-id'])).toEqual([
    `${ORDER_NO}.2.payment_succeeded`,
    `${ORDER_NO}.3.payment_succeeded`,
  ]);
  expect(JSON.parse(sent[0]?.body.toString() ?? '')).toMatchObject({ event_version: 2, payment: { version: 3 } });
  expect(held.map(({ state }) => state)).toEqual(['delivered', 'delivered']);
});

test('what is refused fourteen times by the schedule is given up with an alarm, and the next is told', async () => {
  const { keepTelling, dead, sentAtMs, held } = aTeller({
    answers: () => ({ kind: 'refused', why: 'status_500', status: 500 }),
  });
  await keepTelling(3 * DAY_MS);
  const times = sentAtMs().slice(0, 14);
  expect(times.slice(1).map((ms, place) => ms - (times[place] ?? 0))).toEqual(RETRY_DELAYS_MS);
  expect(held.map(({ state }) => state)).toEqual(['dead', 'dead']);
  expect(dead[0]).toEqual({
    eventId: `${ORDER_NO}.2.payment_succeeded`,
    merchantId: MERCHANT,
    endpointId: 'main',
    kind: 'payment_succeeded',
    attempts: 14,
    why: 'status_500',
  });
});

for (const [what, webhooks, why] of [
  ['an endpoint that left the routing table', [], 'endpoint_not_in_routing_table'],
  ['a key that the notifier does not have', [{ ...WEBHOOK, keyIds: ['k-2'] }], 'key_unknown'],
  ['a key of the other kind', [{ ...WEBHOOK, signing: 'ed25519' as const }], 'key_of_other_kind'],
] as const) {
  test(`nothing is sent because of ${what}; it is given up after a day, not before`, async () => {
    const { keepTelling, dead, sent } = aTeller({ webhooks });
    await keepTelling(DAY_MS - 120_000);
    expect(dead).toEqual([]);
    await keepTelling(DAY_MS);
    expect(dead[0]).toMatchObject({ why, attempts: 0 });
    expect(sent).toEqual([]);
  });
}

test('while an order group is away nothing is sent and no try is counted', async () => {
  const { tell, sent, held, clock } = aTeller({ groupAway: true });
  const againAtMs = await tell(CHAIN);
  expect(againAtMs).toBeGreaterThan(clock.nowMs());
  expect(sent).toEqual([]);
  expect(held[0]).toMatchObject({ state: 'waiting', event: { attempts: 0 } });
});

test('while the lane of an endpoint is open most of what waits does not even ask the store, and all of it is told afterwards', async () => {
  const { tell, sent, lane, claims, clock, keepTelling } = aTeller();
  lane.setControl('forced_open');
  for (let times = 0; times < 160; times += 1) {
    expect(await tell(CHAIN)).not.toBe(clock.nowMs());
    await clock.advance(100_000);
  }
  expect(sent).toEqual([]);
  expect(claims()).toBeGreaterThan(0);
  expect(claims()).toBeLessThan(40);
  lane.setControl('auto');
  await keepTelling(120_000);
  expect(sent).toHaveLength(2);
});
