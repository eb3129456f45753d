import { fromOrderKey, groupTag, type MerchantId, type OrderKey, type OrderNo } from '@tillmesh/domain';
import type { NewEvent } from '@tillmesh/merchant-events';
import type { Change, StoredPayment } from '@tillmesh/order-groups';
import { expect, test } from 'vitest';
import { createRecorder, toldOf } from '../src/record-events.ts';

const KEY = 1_234_567_890_123n as OrderKey;
const ORDER_NO = fromOrderKey(KEY);
const REFUND_NO = fromOrderKey((KEY + 1n) as OrderKey);

const change = (id: bigint, event: string, state: string, version: number, refundNo?: OrderNo): Change => ({
  id,
  key: KEY,
  version: refundNo === undefined ? version : 0,
  happenedAtMs: 1_000 + Number(id),
  line: { event, state, version, refundNo },
});

test('merchants are told of ends, in the order in which they were begun', () => {
  const told = toldOf([
    change(9n, 'refund_moved', 'succeeded', 2, REFUND_NO),
    change(4n, 'payment_moved', 'paying', 2),
    change(5n, 'payment_moved', 'succeeded', 3),
    change(6n, 'payment_noted', 'succeeded', 4),
    change(7n, 'refund_created', 'requested', 1, REFUND_NO),
    { ...change(8n, 'x', 'y', 1), line: undefined },
  ]);
  expect(told.map(({ facts: { number, version, kind } }) => [number, version, kind])).toEqual([
    [ORDER_NO, 3, 'payment_succeeded'],
    [REFUND_NO, 2, 'refund_succeeded'],
  ]);
});

test('an event goes to the endpoints that want such events, and is recorded where there is none', async () => {
  const recorded: NewEvent[] = [];
  const merchantId = 'shop' as MerchantId;
  const webhook = { url: 'https://shop.example/', signing: 'ed25519', keyIds: ['k'] } as const;
  const record = createRecorder({
    changes: {
      // Not yet at the replica.
      payments: async (_, __, way) =>
        new Map(way === 'nearby' ? [] : [[KEY, { payment: { merchantId } } as unknown as StoredPayment]]),
    },
    store: {
      record: async (events) => {
        recorded.push(...events);
        return [];
      },
    },
    endpoints: {
      of: () => [
        { ...webhook, endpointId: 'all', kinds: [] },
        { ...webhook, endpointId: 'refunds', kinds: ['refund_succeeded'] },
      ],
    },
    queue: { give: async () => undefined },
  });
  await record(groupTag(1), [
    change(5n, 'payment_moved', 'failed', 3),
    change(9n, 'refund_moved', 'succeeded', 2, REFUND_NO),
  ]);
  expect(recorded.map(({ kind, endpointIds, merchantId: of }) => [kind, endpointIds, of])).toEqual([
    ['payment_failed', ['all'], 'shop'],
    ['refund_succeeded', ['all', 'refunds'], 'shop'],
  ]);
});
