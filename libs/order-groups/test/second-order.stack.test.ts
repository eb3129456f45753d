import { systemClock } from '@tillmesh/clock';
import { groupTagOf, money, type OrderNo } from '@tillmesh/domain';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGroupClients, type GroupClients } from '../src/group-clients.ts';
import { type NewPayment, type OrderGroups, placementOf } from '../src/index.ts';
import type { OrderGroup } from '../src/order-group.ts';
import { createOrderNumberSource } from '../src/order-number-source.ts';
import { createRowCodec } from '../src/payment-rows.ts';
import { openRowKeys } from '../src/row-keys.ts';
import { secondOrderRefundNo } from '../src/second-order.ts';
import { createSqlOrderGroup } from '../src/sql-order-group.ts';
import { attemptNews, succeeded } from './attempt-news.ts';
import { type GroupsUnderTest, startGroups } from './groups-under-test.ts';
import { newPayment } from './new-payment.ts';

// The protocol never makes two payable orders of one number; what if it did is made here behind its back, in real groups.

let underTest: GroupsUnderTest;
let groups: OrderGroups;
let clients: GroupClients;
const seat = { workerId: 200, afterMs: 0, untilMs: () => Number.POSITIVE_INFINITY };
const numbers = createOrderNumberSource({ clock: systemClock, seatOf: async () => seat });
const within = () => ({ atMs: systemClock.monotonicMs() + 5_000 });

beforeAll(async () => {
  underTest = await startGroups([1, 2]);
  // Swept when a test says so.
  groups = await underTest.open({ sweepEveryMs: 600_000 });
  const { app } = underTest.stack.accounts;
  clients = createGroupClients({
    map: underTest.map,
    account: { user: app.user, password: app.password.reveal(), database: 'tillmesh' },
    config: {
      pool: { connectionsMax: 4, waitersMax: 10, waitMsMax: 200, idleMin: 0 },
      circuit: { failuresToOpen: 3, windowMs: 60_000 },
      monitorEveryMs: 500,
      statementMsMax: 1_000,
    },
    instanceId: 200,
    clock: systemClock,
    log: createLog('test', 'silent'),
  });
  await clients.look();
});

afterAll(async () => {
  clients.close();
  await underTest.close();
});

const news = (transaction: string) => attemptNews(succeeded(transaction), { channelCode: '' });

const placeOf = (payment: NewPayment) => {
  const { home, buddy } = placementOf(underTest.map, payment.merchantId, payment.merchantOrderNo);
  if (buddy === undefined) throw new Error('two groups give every number a buddy');
  return { home, buddy };
};

/** The jumped order beside the one at home: bound, as if home had been seen empty. */
const jumpAnyway = async (payment: NewPayment): Promise<OrderNo> => {
  const { home, buddy } = placeOf(payment);
  const at: OrderGroup = createSqlOrderGroup({
    client: clients.of(buddy),
    rows: createRowCodec(openRowKeys(underTest.rowKeys)),
    batchRowsMax: 1,
    clock: systemClock,
  });
  const orderNo = await numbers.next(buddy);
  if (orderNo === undefined) throw new Error('no number could be drawn');
  expect(await at.insertJumped(orderNo, payment, home, 1, within())).toEqual({ kind: 'written' });
  expect(await at.bindClaim(orderNo, payment, within())).toBe('won');
  return orderNo;
};

const twoOrders = async (): Promise<{ payment: NewPayment; kept: OrderNo; second: OrderNo }> => {
  const payment = newPayment();
  const created = await groups.create(payment);
  if (created.kind !== 'payable') throw new Error('the order at home was not written');
  return { payment, second: created.orderNo, kept: await jumpAnyway(payment) };
};

const run = (tag: number, sql: string) =>
  clients
    .of(tag as never)
    .write(within(), (connection) => connection.run({ summary: 'a test', sql, text: true }, [], within()));

const trajectoryOf = async (orderNo: OrderNo) => {
  const { toOrderKey } = await import('@tillmesh/domain');
  const { rows } = await run(
    groupTagOf(orderNo),
    `SELECT event, state, code, source FROM trajectory WHERE order_no = ${toOrderKey(orderNo)} ORDER BY id`,
  );
  return rows;
};

const reopenClaims = () =>
  Promise.all(underTest.map.groups.map(({ tag }) => run(tag, 'UPDATE jump_claim SET is_closed = FALSE')));

describe('two paid orders of one merchant order number', () => {
  test('give the money of the one at home back, once, however often they are met', async () => {
    const { payment, kept, second } = await twoOrders();
    await groups.payments.apply(second, news('tx-home'));
    await groups.payments.apply(kept, news('tx-jumped'));
    const other = await underTest.open({ sweepEveryMs: 600_000 });
    await Promise.all([groups.sweep(), other.sweep()]);
    // As after a crash between the refund and the end of the claim.
    await reopenClaims();
    expect(await groups.sweep()).toMatchObject({ twoOrders: 1 });
    expect(await groups.sweep()).toMatchObject({ twoOrders: 0 });

    const refund = await groups.refunds.readOfOrder(second, secondOrderRefundNo(kept));
    expect(refund?.refund).toMatchObject({
      state: 'requested',
      cause: 'surplus',
      amount: money('CNY', 1_234n),
      reason: `order ${kept} has the same merchant order number and was paid as well`,
    });
    expect((await groups.payments.read(second))?.stored.payment).toMatchObject({
      refundReserved: money('CNY', 1_234n),
      refunded: money('CNY', 0n),
    });
    expect((await groups.payments.read(kept))?.stored.payment).toMatchObject({ refundReserved: money('CNY', 0n) });
    expect(await trajectoryOf(second)).toEqual([
      { event: 'payment_moved', state: 'succeeded', code: '', source: 'test' },
      { event: 'payment_noted', state: 'succeeded', code: 'second_order_refund', source: 'sweep' },
      { event: 'refund_created', state: 'requested', code: '', source: 'sweep' },
    ]);
    // Readers are led to the one that keeps its money.
    const read = await groups.payments.readOfMerchant(payment.merchantId, payment.merchantOrderNo, false);
    expect(read?.stored.payment.orderNo).toBe(kept);

    // The syncer finds it as it finds every refund, and what the channel says ends it.
    const due = await groups.claimDue({ limit: 100, visibilityMs: 60_000, overdueByMs: 0 });
    expect(due.items).toContainEqual(expect.objectContaining({ kind: 'refund', number: refund?.refund.refundNo }));
    await groups.refunds.apply(refund?.refund.refundNo as OrderNo, {
      news: { state: 'succeeded', refunded: money('CNY', 1_234n) },
      learnedBy: 'query',
      channelRefundId: 'cr-1',
      channelCode: '',
      nextCheckAfterMs: 5_000,
      source: 'test',
    });
    expect((await groups.payments.read(second))?.stored.payment.refunded).toEqual(money('CNY', 1_234n));
  });

  test('give back only what the merchant has not given back itself', async () => {
    const { kept, second } = await twoOrders();
    await groups.payments.apply(second, news('tx-home'));
    await groups.payments.apply(kept, news('tx-jumped'));
    await groups.refunds.create({
      orderNo: second,
      merchantRefundNo: 'R1' as never,
      amount: money('CNY', 1_000n),
      cause: 'merchant',
      reason: 'too cold',
      firstCheckAfterMs: 5_000,
      source: 'test',
    });
    await groups.sweep();
    const refund = await groups.refunds.readOfOrder(second, secondOrderRefundNo(kept));
    expect(refund?.refund.amount).toEqual(money('CNY', 234n));
  });

  test('are waited for while the number’s own order may still be paid: nothing goes back, and the alarm stays', async () => {
    const { kept, second } = await twoOrders();
    await groups.payments.apply(second, news('tx-home'));
    expect(await groups.sweep()).toMatchObject({ twoOrders: 1 });
    expect(await groups.sweep()).toMatchObject({ twoOrders: 1 });
    expect(await groups.refunds.readOfOrder(second, secondOrderRefundNo(kept))).toBeUndefined();
    await groups.payments.apply(kept, news('tx-jumped'));
    await groups.sweep();
    expect(await groups.refunds.readOfOrder(second, secondOrderRefundNo(kept))).toBeDefined();
  });
});
