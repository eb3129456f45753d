import { describe, expect, test } from 'vitest';
import type { AccountBills, FoundOne } from '../account-bills.ts';
import { type BookedLine, judgePlants, planPlants } from '../planted-bills.ts';

const CHANNELS = ['wechat', 'alipay', 'stripe', 'unionpay'] as const;
const NOW_MS = Date.UTC(2026, 10, 27, 12);

const accountOf = (channelId: string): AccountBills => ({
  channelId,
  accountId: `${channelId}-a`,
  dayOf: (ms) => new Date(ms).toISOString().slice(0, 10),
  isDue: () => true,
});

const lines = (kind: BookedLine['kind'], each: number): BookedLine[] =>
  CHANNELS.flatMap((channelId) =>
    Array.from({ length: each }, (_, place) => ({
      kind,
      account: accountOf(channelId),
      channelOrderNo: `${channelId} ${kind} ${place}`,
      refundNo: kind === 'refund' ? `back ${channelId} ${place}` : '',
      minorUnits: 1_000,
      atMs: NOW_MS,
    })),
  );

const planAll = (each: number) =>
  planPlants({
    channelIds: CHANNELS,
    paid: lines('payment', each),
    refunded: lines('refund', each),
    unpaid: lines('payment', 1).map((line) => ({ ...line, channelOrderNo: `unpaid ${line.channelOrderNo}` })),
    nowMs: NOW_MS,
  });

const asFound = (expected: Pick<FoundOne, 'class' | 'accountId' | 'channelOrderNo' | 'refundNo'>): FoundOne => ({
  ...expected,
  day: '2026-11-27',
  isOpen: true,
  note: '',
});

describe('what is planted', () => {
  test('is of every class, at every channel, of payments and of refunds, each on a line of its own', () => {
    const plans = planAll(10);
    const classes = new Set(plans.flatMap(({ planted }) => planted.expected.map((one) => one.class)));
    expect([...classes].toSorted()).toEqual(
      ['amount', 'cross_day', 'duplicate', 'fee', 'long', 'short', 'state', 'unknown_order'].toSorted(),
    );
    expect(new Set(plans.map(({ planted }) => planted.name)).size).toBe(plans.length);
    const aimed = plans.map(({ planted: { expected } }) => `${expected[0]?.channelOrderNo} ${expected[0]?.refundNo}`);
    expect(new Set(aimed).size).toBe(plans.length);
    for (const channelId of CHANNELS)
      expect(plans.filter(({ account }) => account.channelId === channelId).length).toBeGreaterThanOrEqual(14);
  });

  test('is less where there are fewer lines, and never on a line that is not there', () => {
    expect(planAll(0).map(({ planted }) => planted.name)).toEqual(
      CHANNELS.map((channelId) => `short, payment, ${channelId}`),
    );
    expect(planAll(1).length).toBeLessThan(planAll(10).length);
  });
});

describe('what was found', () => {
  const plans = planAll(10).map(({ planted }) => planted);
  const all = plans.flatMap(({ expected }) => expected.map(asFound));

  test('is all that was planted', () => {
    expect(judgePlants(plans, all, [])).toEqual({ missed: [], wrong: [] });
  });

  test.each(plans.map(({ name }, place) => [name, place] as const))('has to have %s', (name, place) => {
    const [first] = plans[place]?.expected ?? [];
    const others = all.filter((one) => one.channelOrderNo !== first?.channelOrderNo || one.refundNo !== first.refundNo);
    expect(judgePlants(plans, others, []).missed).toEqual([name]);
  });

  test('in another class is missed, and wrong', () => {
    const [first, ...rest] = all;
    if (first === undefined) throw new Error('nothing was planted');
    const elsewhere = { ...first, class: first.class === 'fee' ? 'amount' : 'fee' };
    const judged = judgePlants(plans, [elsewhere, ...rest], []);
    expect([judged.missed, judged.wrong]).toEqual([[plans[0]?.name], [elsewhere]]);
  });

  test('and was never planted is wrong, unless the drill itself is the cause', () => {
    const natural = asFound({ class: 'short', accountId: 'wechat-a', channelOrderNo: 'open', refundNo: '' });
    expect(judgePlants(plans, [...all, natural], []).wrong).toEqual([natural]);
    expect(judgePlants(plans, [...all, natural], [natural]).wrong).toEqual([]);
  });
});
