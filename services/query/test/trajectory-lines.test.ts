import { timestampMs } from '@bufbuild/protobuf/wkt';
import { formatOrderNo, groupTag, type Payment } from '@tillmesh/domain';
import type { Trajectory, TrajectoryRow } from '@tillmesh/order-groups';
import { expect, test } from 'vitest';
import { linesOf } from '../src/trajectory-lines.ts';

const orderNo = formatOrderNo({ day: 1, msOfDay: 1, groupTag: groupTag(3), workerId: 1, sequence: 1 });
const refundNo = formatOrderNo({ day: 1, msOfDay: 9, groupTag: groupTag(3), workerId: 1, sequence: 1 });

const attempt = (attemptNo: number, change: object) => ({
  attemptNo,
  accountId: 'wechat-a',
  channelId: 'wechat',
  state: 'started',
  channelTransactionId: undefined,
  ruleId: '',
  routeReason: 'the only one',
  startedAtMs: 1_000,
  settledAtMs: undefined,
  ...change,
});

const row = (change: Partial<TrajectoryRow>): TrajectoryRow => ({
  id: 1n,
  refundNo: undefined,
  happenedAtMs: 2_000,
  event: 'payment_noted',
  state: 'paying',
  version: 2,
  attemptNo: undefined,
  attemptState: undefined,
  learnedBy: undefined,
  code: '',
  source: 'cashier',
  ...change,
});

const trajectory = (rows: readonly TrajectoryRow[], change: object = {}): Trajectory => ({
  stored: {
    payment: {
      orderNo,
      merchantId: 'demo-cafe',
      merchantOrderNo: 'A-1',
      amount: { currency: 'CNY', minorUnits: 888n },
      kind: 'payment_code',
      wallet: 'wechat',
      attempts: [
        attempt(1, { state: 'failed', ruleId: 'wechat.v2.pay.NOTENOUGH', settledAtMs: 2_000 }),
        attempt(2, { state: 'succeeded', accountId: 'wechat-b', channelTransactionId: '42', settledAtMs: 4_000 }),
      ],
      createdAtMs: 1_000,
      expireAtMs: 61_000,
      terminalId: '',
      storeId: 'store-1',
      needsPerson: 'the channel never said',
      ...change,
    } as unknown as Payment,
    nextCheckAtMs: undefined,
    checkCount: 0,
    tokens: new Map(),
    jumpedFrom: groupTag(1),
    jumpedTo: undefined,
    mapVersion: 7,
  },
  createdBy: 'cashier',
  refunds: [],
  statements: [],
  rows,
  isCut: false,
});

test('the order itself tells of its creation and of its first attempt', () => {
  const [created, started, ...more] = linesOf(trajectory([]));
  expect(more).toEqual([]);
  expect(created).toMatchObject({ source: 'cashier', event: 'payment_created' });
  expect(created?.facts).toEqual({
    merchant_id: 'demo-cafe',
    merchant_order_no: 'A-1',
    amount: 'CNY 888',
    kind: 'payment_code',
    wallet: 'wechat',
    group: '3',
    avoided_group: '1',
    map_version: '7',
    store_id: 'store-1',
    expire_at: '1970-01-01T00:01:01.000Z',
    version: '1',
  });
  expect(started).toMatchObject({
    event: 'attempt_started',
    facts: { attempt_no: '1', account_id: 'wechat-a', channel_order_no: `${orderNo}1`, route_reason: 'the only one' },
  });
});

test('the end of an attempt names what allowed it, a further attempt why its account was chosen', () => {
  const lines = linesOf(
    trajectory([
      row({ event: 'payment_moved', state: 'declined', attemptNo: 1, attemptState: 'failed', code: 'NOTENOUGH' }),
      row({ id: 2n, happenedAtMs: 3_000, version: 3, attemptNo: 2, attemptState: 'started' }),
      row({ id: 3n, happenedAtMs: 3_500, version: 4, attemptNo: 2, attemptState: 'unknown', source: 'cashier' }),
      row({
        id: 4n,
        happenedAtMs: 4_000,
        event: 'payment_moved',
        state: 'succeeded',
        version: 5,
        attemptNo: 2,
        attemptState: 'succeeded',
        learnedBy: 'query',
        source: 'syncer',
      }),
    ]),
  ).slice(2);
  expect(lines.map(({ event }) => event)).toEqual([
    'payment_moved',
    'attempt_started',
    'payment_noted',
    'payment_moved',
  ]);
  expect(lines[0]?.facts).toMatchObject({ rule_id: 'wechat.v2.pay.NOTENOUGH', code: 'NOTENOUGH' });
  expect(lines[1]?.facts).toMatchObject({ account_id: 'wechat-b', channel_order_no: `${orderNo}2` });
  expect(lines[2]?.facts).not.toHaveProperty('channel_transaction_id');
  expect(lines[3]?.facts).toMatchObject({ learned_by: 'query', channel_transaction_id: '42' });
  expect(lines[3]).toMatchObject({ source: 'syncer' });
  expect(lines.map(({ happenedAt }) => timestampMs(happenedAt as never))).toEqual([2_000, 3_000, 3_500, 4_000]);
});

test('a refund is told with its amount where it begins, and a call for a person with its words', () => {
  const lines = linesOf({
    ...trajectory([
      row({ refundNo, event: 'refund_created', state: 'requested', version: 1, attemptNo: 2 }),
      row({ id: 2n, refundNo, event: 'refund_moved', state: 'succeeded', version: 2, attemptNo: 2 }),
      row({ id: 3n, code: 'needs_person', version: 6 }),
    ]),
    refunds: [
      {
        refund: {
          refundNo,
          merchantRefundNo: 'R-1',
          amount: { currency: 'CNY', minorUnits: 100n },
          cause: 'merchant',
          channelRefundId: '99',
          version: 2,
        } as never,
        checkCount: 0,
        needsPerson: '',
      },
    ],
  }).slice(2);
  expect(lines[0]?.facts).toMatchObject({ refund_no: refundNo, merchant_refund_no: 'R-1', amount: 'CNY 100' });
  expect(lines[0]?.facts).not.toHaveProperty('channel_refund_id');
  expect(lines[1]?.facts).toMatchObject({ refund_no: refundNo, channel_refund_id: '99', state: 'succeeded' });
  expect(lines[2]?.facts).toMatchObject({ code: 'needs_person', needs_person: 'the channel never said' });
});

test('what a person said is told with the evidence and with nothing of the payment’s state', () => {
  const lines = linesOf({
    ...trajectory([row({ event: 'person_said', state: 'succeeded', attemptNo: 1, learnedBy: 'person', code: 'Ann' })]),
    statements: [
      {
        person: 'Ann',
        outcome: 'succeeded',
        channelTransactionId: '42' as never,
        happenedAtMs: 1_500,
        evidence: 'bill, line 7',
        saidAtMs: 2_000,
      },
    ],
  }).slice(2);
  expect(lines[0]?.facts).toEqual({
    attempt_no: '1',
    outcome: 'succeeded',
    person: 'Ann',
    channel_transaction_id: '42',
    money_moved_at: '1970-01-01T00:00:01.500Z',
    evidence: 'bill, line 7',
  });
});
