import { type Clock, systemClock } from '@tillmesh/clock';
import { DAY_MS, type OrderNo, toOrderKey } from '@tillmesh/domain';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openConnection } from '../src/connection.ts';
import { type GroupMap, migrateGroup, type NewPayment, type OrderGroups, placementOf } from '../src/index.ts';
import { DAILY_TABLES, DAYS_AHEAD, dayOf, partitionedDays } from '../src/partitions.ts';
import { attemptNews, succeeded } from './attempt-news.ts';
import { administer, see } from './conformance/node-control.ts';
import { type GroupsUnderTest, startGroups } from './groups-under-test.ts';
import { newPayment } from './new-payment.ts';

let underTest: GroupsUnderTest;
let groups: OrderGroups;
const today = dayOf(systemClock.nowMs());

beforeAll(async () => {
  underTest = await startGroups([1, 2]);
  groups = await underTest.open();
});

afterAll(async () => {
  await underTest.close();
});

const localGroup = (tag: number) => {
  const group = underTest.stack.groups.find((candidate) => candidate.tag === tag);
  if (group === undefined) throw new Error(`no group ${tag}`);
  return group;
};
const described = (tag: number): GroupMap['groups'][number] => {
  const group = underTest.map.groups.find((candidate) => candidate.tag === tag);
  if (group === undefined) throw new Error(`no group ${tag}`);
  return group;
};

const inDays = (days: number): Clock => ({ ...systemClock, nowMs: () => systemClock.nowMs() + days * DAY_MS });

const account = () => {
  const { user, password } = underTest.stack.accounts.migrate;
  return { user, password: password.reveal(), database: 'tillmesh' };
};
const migrate = (tag: number, days = 0, retentionDays?: number) =>
  migrateGroup({ group: described(tag), account: account(), retentionDays, clock: inDays(days) });

const daysOf = async (tag: number) => {
  const deadline = { atMs: systemClock.monotonicMs() + 5_000 };
  const connection = await openConnection(localGroup(tag).primary(), account(), deadline, systemClock);
  try {
    return await partitionedDays(connection, deadline);
  } finally {
    connection.cut();
  }
};

const createAt = async (tag: number): Promise<{ payment: NewPayment; orderNo: OrderNo }> => {
  for (;;) {
    const payment = newPayment();
    if (placementOf(underTest.map, payment.merchantId, payment.merchantOrderNo).home !== tag) continue;
    const created = await groups.create(payment);
    if (created.kind !== 'payable') throw new Error('the order was not written');
    return { payment, orderNo: created.orderNo };
  }
};

const pay = (orderNo: OrderNo) => groups.payments.apply(orderNo, attemptNews(succeeded()));

const rowsIn = (tag: number, table: string, partition: string) =>
  see(localGroup(tag).primary(), `SELECT COUNT(*) FROM ${table} PARTITION (${partition})`);

const codes = async () => [...new Set((await groups.findings()).map(({ code }) => code))];

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, place) => from + place);

describe('days to come', () => {
  test('have their partitions in every table, five weeks in advance, and a second run makes none', async () => {
    expect([...(await daysOf(1)).keys()]).toEqual([...DAILY_TABLES]);
    for (const days of (await daysOf(1)).values()) expect(days).toEqual(range(today - 1, today + DAYS_AHEAD));
    expect(await migrate(1)).toMatchObject({ partitions: 0, retention: undefined });
    expect(await codes()).toEqual([]);
  });

  test('that have none are told of; their orders are written all the same and move into their day once it is made', async () => {
    const future = range(today, today + DAYS_AHEAD).map((day) => `d${day}`);
    for (const table of DAILY_TABLES) {
      await administer(localGroup(1).primary(), `ALTER TABLE ${table} DROP PARTITION ${future.join(', ')}`);
    }
    await expect.poll(codes, { timeout: 10_000 }).toEqual(['no_partition']);
    const { orderNo } = await createAt(1);
    await pay(orderNo);
    expect(await rowsIn(1, 'payment', 'later')).toBe('1');
    expect(await rowsIn(1, 'trajectory', 'later')).toBe('1');

    expect(await migrate(1)).toMatchObject({ partitions: future.length * DAILY_TABLES.length });
    expect(await rowsIn(1, 'payment', 'later')).toBe('0');
    expect(await rowsIn(1, 'payment', `d${today}`)).toBe('1');
    expect(await rowsIn(1, 'trajectory', `d${today}`)).toBe('1');
    expect((await groups.payments.read(orderNo))?.stored.payment.state).toBe('succeeded');
    await expect.poll(codes, { timeout: 10_000 }).toEqual([]);
  });

  test('are made up for by a group that was down while the others got theirs', async () => {
    const { orderNo } = await createAt(2);
    await localGroup(2).primary().kill('SIGKILL');
    // 40 days later: nothing of what was made in advance is left.
    await expect(migrate(2, 40)).rejects.toThrow('database: ');
    expect((await migrate(1, 40)).partitions).toBeGreaterThan(0);
    await localGroup(2).primary().start();
    await migrate(2, 40);
    for (const days of (await daysOf(2)).values()) {
      expect(days).toEqual([...range(today - 1, today + DAYS_AHEAD), ...range(today + 39, today + 40 + DAYS_AHEAD)]);
    }
    expect((await groups.payments.read(orderNo))?.stored.payment.state).toBe('paying');
    await expect
      .poll(() => groups.status().map(({ circuit }) => circuit), { timeout: 10_000 })
      .toEqual(['closed', 'closed']);
    await createAt(2);
    // The days between have none of their own: what came then lies with the first that has.
    expect(await rowsIn(2, 'payment', `d${today}`)).toBe('2');
  });
});

describe('old days', () => {
  test('are dropped whole once nothing of them is open, with the merchants’ numbers, which may be used again', async () => {
    const { payment, orderNo } = await createAt(1);
    await pay(orderNo);
    const open = await createAt(1);
    const kept = await migrate(1, 30, 30);
    expect(kept.retention).toMatchObject({ held: undefined });
    expect(await rowsIn(1, 'payment', `d${today}`)).toBe('3');

    // The day is over, but one of its payments is not.
    const held = await migrate(1, 31, 30);
    expect(held.retention).toMatchObject({ dropped: 0, held: { day: today, open: 1 } });
    expect((await groups.payments.read(open.orderNo))?.stored.payment.state).toBe('paying');

    await pay(open.orderNo);
    const dropped = await migrate(1, 31, 30);
    expect(dropped.retention).toMatchObject({ dropped: DAILY_TABLES.length, rows: 3, held: undefined });
    expect((await daysOf(1)).get('payment')?.[0]).toBe(today + 1);
    expect(await groups.payments.read(orderNo)).toBeUndefined();
    const again = await groups.create({ ...payment, attempt: { ...payment.attempt, token: 'another' } });
    expect(again).toMatchObject({ kind: 'payable', way: 'home' });
    // Of the other group nothing was asked.
    expect(await see(localGroup(2).primary(), 'SELECT COUNT(*) FROM merchant_order')).toBe('2');
    expect(
      await see(localGroup(1).primary(), `SELECT COUNT(*) FROM trajectory WHERE order_no = ${toOrderKey(orderNo)}`),
    ).toBe('0');
  });
});
