import type { Clock } from '@tillmesh/clock';
import type { Secret } from '@tillmesh/config';
import {
  type AccountId,
  type ChannelId,
  groupTag,
  type MerchantId,
  type MerchantOrderNo,
  money,
} from '@tillmesh/domain';
import type { LocalStack } from '@tillmesh/local-stack';
import { createOrderGroups, type GroupMap, type NewPayment, type OrderGroups } from '@tillmesh/order-groups';
import { createLog } from '@tillmesh/telemetry';

const MERCHANTS = 200;

/** The map of a local stack's groups, all open. */
export const mapOf = (stack: LocalStack): GroupMap => ({
  version: 1,
  groups: stack.groups.map(({ tag, nodes }) => ({
    tag: groupTag(tag),
    state: 'open',
    endpoints: nodes.map(({ host, port }) => ({ host, port })),
  })),
});

/** The n-th order of a bench; its merchant is one of 200 unless told. */
export const newPayment = (
  number: number,
  nowMs: number,
  merchant: string = `merchant-${number % MERCHANTS}`,
): NewPayment => ({
  merchantId: merchant as MerchantId,
  merchantOrderNo: `bench-${number}-${nowMs}` as MerchantOrderNo,
  amount: money('CNY', 1_234n),
  kind: 'payment_code',
  wallet: 'wechat',
  subject: 'A cup of tea and a piece of cake',
  terminalId: 'till-1',
  storeId: 'store-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  createdAtMs: nowMs,
  expireAtMs: nowMs + 300_000,
  attempt: {
    accountId: 'wechat-a' as AccountId,
    channelId: 'wechat' as ChannelId,
    routeReason: 'the first of two by rank',
    token: 'abcdefgh12345678',
  },
  firstCheckAfterMs: 5_000,
  source: 'cashier',
});

/** Opens the groups of a local stack as an order store would. */
export const openGroups = async (
  stack: LocalStack,
  batchRowsMax: number,
  clock: Clock,
  rowKey: Secret,
): Promise<OrderGroups> => {
  const { app } = stack.accounts;
  const groups = createOrderGroups({
    config: {
      map: mapOf(stack),
      user: app.user,
      password: app.password,
      database: 'tillmesh',
      rowKeys: { current: 1, keys: [{ id: 1, keyFile: rowKey }] },
      connectionBudget: { serverMax: 200, reserved: 20, instancesMax: 2, others: 0 },
      connectionsMax: 40,
      idleMin: 16,
      waitersMax: 1_000,
      waitMsMax: 1_000,
      statementMsMax: 1_000,
      homeMsMax: 900,
      failuresToOpen: 100,
      monitorEveryMs: 500,
      idempotencyHours: 1,
      batchRowsMax,
      sweepEveryMs: 60_000,
    },
    clock,
    log: createLog('bench', 'error'),
  });
  await groups.look();
  return groups;
};
