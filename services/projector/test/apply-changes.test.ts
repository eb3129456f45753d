import { ManualClock } from '@tillmesh/clock';
import { type AccountId, type ChannelId, fromOrderKey, money, type OrderKey } from '@tillmesh/domain';
import type { ListEntry } from '@tillmesh/merchant-lists';
import { type NewPayment, paymentAsWritten, type StoredPayment } from '@tillmesh/order-groups';
import { describe, expect, test } from 'vitest';
import { createApply } from '../src/apply-changes.ts';

const KEY = ((300n << 49n) | (1n << 15n)) as OrderKey;

const stored = (version: number): StoredPayment => ({
  payment: paymentAsWritten(fromOrderKey(KEY), { ...written, expireAtMs: 2_000 }, version),
  nextCheckAtMs: undefined,
  checkCount: 0,
  tokens: new Map(),
  jumpedFrom: undefined,
  jumpedTo: undefined,
  mapVersion: 1,
});

const written: NewPayment = {
  // Branded texts of the domain; what they are does not matter here.
  merchantId: 'm-1' as NewPayment['merchantId'],
  merchantOrderNo: 'o-1' as NewPayment['merchantOrderNo'],
  amount: money('CNY', 1n),
  kind: 'merchant_qr',
  wallet: 'wechat',
  subject: 'Tea',
  terminalId: '',
  storeId: '',
  traceparent: '',
  createdAtMs: 1_000,
  expireAtMs: 2_000,
  attempt: { accountId: 'a' as AccountId, channelId: 'wechat' as ChannelId, routeReason: '', token: 't' },
  firstCheckAfterMs: 1,
  source: 'test',
};

/** Does a job against a replica and a primary that show these versions; undefined: none. */
const apply = async (version: number, shown: { readonly nearby?: number; readonly primary?: number }) => {
  const applied: ListEntry[] = [];
  const asked: string[] = [];
  await createApply({
    changes: {
      payments: async (_tag, _keys, way) => {
        asked.push(way);
        const found = shown[way];
        return new Map(found === undefined ? [] : [[KEY, stored(found)]]);
      },
    },
    store: {
      apply: async (entries) => {
        applied.push(...entries);
      },
    },
    clock: new ManualClock(),
  })({ tag: 1, refs: [[String(KEY), version, null]] });
  return { versions: applied.map((entry) => entry.version), asked };
};

describe('a job', () => {
  test('takes what a replica shows where that is as new as the change', async () => {
    expect(await apply(2, { nearby: 3 })).toEqual({ versions: [3], asked: ['nearby'] });
  });

  test.each([1, undefined])(
    'asks the primary where a replica shows version %s of a payment that came to 2',
    async (nearby) => {
      const shown = nearby === undefined ? { primary: 2 } : { nearby, primary: 2 };
      expect(await apply(2, shown)).toEqual({ versions: [2], asked: ['nearby', 'primary'] });
    },
  );

  test('leaves out a payment that the primary does not have either: its new group tells of it', async () => {
    expect(await apply(1, {})).toEqual({ versions: [], asked: ['nearby', 'primary'] });
  });
});
