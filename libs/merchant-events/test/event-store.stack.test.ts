import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '@tillmesh/clock';
import { fromOrderKey, groupTag, type MerchantEventKind, type MerchantId, type OrderKey } from '@tillmesh/domain';
import { type LocalStack, startLocalStack } from '@tillmesh/local-stack';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Chain, createEventStore, type Due, type EventStore, KEPT_MS, type NewEvent } from '../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-event-store-'));
let stack: LocalStack;
let store: EventStore;
let aheadMs = 0;
/** The machine's clock, ahead where a test wants it. */
const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };

const open = (name: 'events' | 'read'): EventStore => {
  const { user, password } = stack.accounts[name];
  const endpoints = (stack.groups[0]?.nodes ?? []).map(({ host, port }) => ({ host, port }));
  const limits = { connectionsMax: 8, waitersMax: 50, statementMsMax: 5_000 };
  return createEventStore({ config: { endpoints, user, password, database: 'tillmesh_events', ...limits }, clock });
};

beforeAll(async () => {
  stack = await startLocalStack({ folder, groupTags: [1], redis: false, clock: systemClock });
  store = open('events');
  await store.prepare();
  // A second time finds everything there.
  await store.prepare();
});

afterAll(async () => {
  store.close();
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

let lastKey = 1_000_000_000n;
const anOrder = () => {
  lastKey += 1_000n;
  return fromOrderKey(lastKey as OrderKey);
};
const event = (
  merchant: string,
  orderNo: ReturnType<typeof anOrder>,
  version: number,
  endpointIds: readonly string[] = ['main'],
  kind: MerchantEventKind = 'payment_succeeded',
): NewEvent => ({
  merchantId: merchant as MerchantId,
  orderNo,
  number: orderNo,
  version,
  kind,
  happenedAtMs: clock.nowMs() + 1_000,
  endpointIds,
});
const chainOf = ({ merchantId, orderNo }: NewEvent, endpointId = 'main'): Chain => ({
  merchantId,
  endpointId,
  orderNo,
});
const claimed = async (chain: Chain, claimer = 'me', forMs = 60_000) => {
  const answer = await store.claim(chain, claimer, forMs);
  return answer.kind === 'claimed' ? answer.event : undefined;
};
const settled = async (chain: Chain, state: 'delivered' | 'dead' = 'delivered', claimer = 'me'): Promise<void> => {
  const found = await claimed(chain, claimer);
  if (found === undefined) throw new Error('nothing to settle');
  await store.settle({ ...chain, ...found } satisfies Due, claimer, state, { status: 500, why: 'status_500' });
};

describe('the store of events', () => {
  test('records each event once, however often and from wherever it comes, in one order', async () => {
    const orders = Array.from({ length: 100 }, anOrder);
    const events = orders.flatMap((orderNo) => [event('once', orderNo, 2), event('once', orderNo, 3)]);
    const other = open('events');
    const due = (await Promise.all([store, other, store].map((one) => one.record(events)))).flat();
    other.close();
    expect(due).toHaveLength(events.length);
    const { events: read } = await store.after('once' as MerchantId, 0n, 1_000);
    expect(read.map(({ number, version }) => [number, version])).toEqual(
      events.map(({ number, version }) => [number, version]),
    );
  });

  test('passes over what happened before it began', async () => {
    const old = { ...event('old', anOrder(), 2), happenedAtMs: systemClock.nowMs() - 3_600_000 };
    expect(await store.record([old])).toEqual([]);
    expect((await store.after('old' as MerchantId, 0n, 10)).events).toEqual([]);
  });

  test('gives the events of a payment one after the other, each to one claimer', async () => {
    const orderNo = anOrder();
    const events = [event('chain', orderNo, 2), event('chain', orderNo, 3), event('chain', orderNo, 4)];
    await store.record(events);
    const chain = chainOf(event('chain', orderNo, 2));
    const answers = await Promise.all(Array.from({ length: 8 }, (_, place) => claimed(chain, `claimer-${place}`)));
    const won = answers.filter((each) => each !== undefined);
    expect(won.map(({ version }) => version)).toEqual([2]);
    const claimer = `claimer-${answers.findIndex((each) => each !== undefined)}`;
    const first = won[0];
    if (first === undefined) throw new Error('nobody won');
    await store.settle({ ...chain, ...first }, 'somebody else', 'delivered', { status: 200, why: '' });
    expect(await claimed(chain)).toBeUndefined();
    await store.settle({ ...chain, ...first }, claimer, 'delivered', { status: 200, why: '' });
    expect((await claimed(chain))?.version).toBe(3);
  });

  test('gives an event to another when its claimer has died', async () => {
    const one = event('crash', anOrder(), 2);
    await store.record([one]);
    expect((await claimed(chainOf(one), 'dies', 200))?.version).toBe(2);
    expect(await claimed(chainOf(one), 'lives')).toBeUndefined();
    await expect
      .poll(async () => (await store.overdue(clock.nowMs(), 1_000)).some(({ orderNo }) => orderNo === one.orderNo))
      .toBe(true);
    expect((await claimed(chainOf(one), 'lives'))?.version).toBe(2);
  });

  test('puts off what failed, and the rest of the payment with it, but no other payment', async () => {
    const [one, other] = [anOrder(), anOrder()];
    await store.record([event('later', one, 2), event('later', one, 3), event('later', other, 2)]);
    const chain = chainOf(event('later', one, 2));
    const first = await claimed(chain);
    if (first === undefined) throw new Error('nothing to claim');
    await store.postpone({ ...chain, ...first }, 'me', { status: 503, why: 'status_503' }, clock.nowMs() + 400, 1);
    expect(await claimed(chain)).toBeUndefined();
    expect(await claimed(chainOf(event('later', other, 2)))).toBeDefined();
    await expect.poll(async () => (await claimed(chain))?.attempts).toBe(1);
  });

  test('holds everything of a paused merchant, also what comes then, and frees it with the day of tries that it had', async () => {
    const [before, during] = [event('paused', anOrder(), 2), event('paused', anOrder(), 2)];
    const [due] = await store.record([before]);
    expect(due).toBeDefined();
    expect(await store.pause('paused' as MerchantId, 'a reason')).toBe(1);
    expect(await store.record([during])).toEqual([]);
    expect(await claimed(chainOf(before))).toBeUndefined();
    expect(await claimed(chainOf(during))).toBeUndefined();
    expect(await store.deliveriesOf('paused' as MerchantId)).toMatchObject({ waiting: 2, pauseReason: 'a reason' });
    aheadMs = 3_600_000;
    expect(await store.resume('paused' as MerchantId)).toBe(2);
    expect(await store.resume('paused' as MerchantId)).toBeUndefined();
    const freed = await claimed(chainOf(before));
    expect((freed?.givesUpAtMs ?? 0) - clock.nowMs()).toBeGreaterThan(23.9 * 3_600_000);
    aheadMs = 0;
  });

  test('keeps what was given up, and tells it again when it is asked to', async () => {
    const one = event('dead', anOrder(), 2);
    await store.record([one]);
    await settled(chainOf(one), 'dead');
    const merchantId = 'dead' as MerchantId;
    expect(await store.deliveriesOf(merchantId)).toMatchObject({
      waiting: 0,
      dead: 1,
      deadLetters: [{ number: one.number, endpointId: 'main', attempts: 1, lastStatus: 500, lastWhy: 'status_500' }],
    });
    expect(await store.replay(merchantId, 'dead', 0, one.happenedAtMs, 10)).toBe(0);
    expect(await store.replay(merchantId, 'dead', 0, one.happenedAtMs + 1, 10)).toBe(1);
    expect((await claimed(chainOf(one)))?.attempts).toBe(0);
    expect(await store.resend(merchantId, one, ['second'])).toBe(true);
    expect((await claimed(chainOf(one, 'second')))?.version).toBe(2);
    expect(await store.resend('other' as MerchantId, one, ['second'])).toBe(false);
  });

  test('is read by an account that may not write', async () => {
    const one = event('read', anOrder(), 2, []);
    await store.record([one]);
    const reader = open('read');
    expect((await reader.after('read' as MerchantId, 0n, 10)).events).toHaveLength(1);
    await expect(reader.pause('read' as MerchantId, 'no')).rejects.toThrow();
    reader.close();
  });

  test('keeps the place of a follower', async () => {
    const tag = groupTag(1);
    expect(await store.readCursor(tag)).toBeUndefined();
    await store.saveCursor(tag, '{"changes":1}', 5);
    await store.saveCursor(tag, '{"changes":2}', 6);
    expect(await store.readCursor(tag)).toBe('{"changes":2}');
  });

  test('forgets what is old, except what still waits, and says so to whoever asks from there', async () => {
    const [gone, waits] = [event('forgotten', anOrder(), 2), event('forgotten', anOrder(), 2)];
    await store.record([gone, waits]);
    await settled(chainOf(gone));
    const [first] = (await store.after('forgotten' as MerchantId, 0n, 10)).events;
    aheadMs = KEPT_MS + 60_000;
    for (let rounds = 0; rounds < 20 && (await store.forget()); rounds += 1);
    const { events, isForgotten } = await store.after('forgotten' as MerchantId, (first?.seq ?? 0n) - 1n, 10);
    expect(isForgotten).toBe(true);
    expect(events.map(({ number }) => number)).toEqual([waits.number]);
    aheadMs = 0;
  });
});
