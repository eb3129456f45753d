import { create } from '@bufbuild/protobuf';
import { type Duration, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { systemClock, systemRandom } from '@tillmesh/clock';
import {
  checkEntry,
  createMemoryQueue,
  createRedisQueue,
  createShardOwner,
  type RedisConnection,
} from '@tillmesh/delay-queue';
import { formatOrderNo, groupTag } from '@tillmesh/domain';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import {
  type Payment,
  PaymentKind,
  PaymentSchema,
  PaymentState,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundSchema, RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { createRateLimiter } from '@tillmesh/rate-limits';
import { bind, type Implementation, notYet, notYetStream, type RpcClient, type RpcServer, serve } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectChannels } from '../src/channels.ts';
import { createItemChecker } from '../src/check-item.ts';
import { limitOf } from '../src/check-limits.ts';
import { createPaymentChecker } from '../src/check-payment.ts';
import { createRefundChecker } from '../src/check-refund.ts';
import { SyncerConfig } from '../src/config.ts';
import { findWork } from '../src/find-work.ts';
import { createFlows } from '../src/flows.ts';
import { createLanes } from '../src/lanes.ts';
import { createTiers } from '../src/tiers.ts';
import { type LocalRedis, startLocalRedis } from './local-redis.ts';

const clock = systemClock;
const log = createLog('test', 'silent');
const HUNG = 1_000;
const GOOD = 60;
const DUE_MS = 500;
/** The step of the good channel's plan; a payment that the channel knows of is told at the first look that is not late. */
const STEP_MS = 2_000;
const amount = { currency: 'CNY', minorUnits: 1_234n };
const verified = { transport: Transport.ANSWERED, signature: SignatureState.VERIFIED } as const;

let local: LocalRedis;
let redis: RedisConnection;
const servers: RpcServer[] = [];
const hanging = new AbortController();
let hung = 0;

const unasked: Implementation<typeof ChannelService> = {
  describeChannel: notYet('DescribeChannel'),
  createPayment: notYet('CreatePayment'),
  queryPayment: notYet('QueryPayment'),
  closePayment: notYet('ClosePayment'),
  reversePayment: notYet('ReversePayment'),
  createRefund: notYet('CreateRefund'),
  queryRefund: notYet('QueryRefund'),
  parseNotification: notYet('ParseNotification'),
  buildPayerAuth: notYet('BuildPayerAuth'),
  resolvePayer: notYet('ResolvePayer'),
  refreshAccounts: notYet('RefreshAccounts'),
  fetchBill: notYetStream('FetchBill'),
};

const channel = async (channelId: string, handlers: Partial<Implementation<typeof ChannelService>>) => {
  const server = await serve({
    services: [bind(ChannelService, { ...unasked, ...handlers })],
    host: '127.0.0.1',
    port: 0,
    log,
  });
  servers.push(server);
  return { channelId, target: `127.0.0.1:${server.port}` };
};

beforeAll(async () => {
  local = await startLocalRedis();
  ({ redis } = local);
});

afterAll(async () => {
  hanging.abort();
  await Promise.all(servers.map((server) => server.drain(0)));
  await local.close();
});

const numberOf = (index: number): string =>
  formatOrderNo({ day: 400, msOfDay: index, groupTag: groupTag(1), workerId: 0, sequence: 0 });

/** Rows as the order groups have them, of payments that are under way at a channel. */
const someOrders = () => {
  const payments = new Map<string, Payment>();
  const settledAtMs = new Map<string, number>();
  const add = (channelId: string, index: number): string => {
    const orderNo = numberOf(index);
    const nowMs = clock.nowMs();
    const payment = create(PaymentSchema, {
      orderNo,
      merchantId: 'demo-cafe',
      amount,
      kind: PaymentKind.MERCHANT_QR,
      state: PaymentState.PAYING,
      createdAt: timestampFromMs(nowMs),
      expireAt: timestampFromMs(nowMs + 600_000),
      attempts: [
        {
          attemptNo: 1,
          channelOrderNo: `${orderNo}1`,
          channelId,
          accountId: `${channelId}-1`,
          state: AttemptState.PENDING_PAYER,
          startedAt: timestampFromMs(nowMs),
        },
      ],
    });
    payments.set(orderNo, payment);
    return orderNo;
  };
  const orderStore = {
    claimDue: async () => ({ items: [], unreachableGroupTags: [] }),
    getOrder: async ({ payment }: { payment: { ref: { value: string } } }) => ({
      payment: payments.get(payment.ref.value),
      traceparent: '',
      checkCount: 0,
      nextCheckAt: timestampFromMs(clock.nowMs()),
    }),
    applyAttemptResult: async (news: { orderNo: string; result: { outcome: OutcomeKind } }) => {
      const payment = payments.get(news.orderNo);
      if (payment !== undefined && news.result.outcome === OutcomeKind.SUCCEEDED) {
        payment.state = PaymentState.SUCCEEDED;
        for (const attempt of payment.attempts) attempt.state = AttemptState.SUCCEEDED;
        settledAtMs.set(news.orderNo, clock.monotonicMs());
      }
      return { payment };
    },
    scheduleCheck: async () => ({}),
    getRefund: async ({ ref }: { ref: { value: string } }) => ({
      refund: create(RefundSchema, {
        refundNo: ref.value,
        orderNo: numberOf(0),
        merchantId: 'demo-cafe',
        amount,
        attemptNo: 1,
        state: RefundState.PROCESSING,
        createdAt: timestampFromMs(clock.nowMs()),
      }),
      payment: payments.get(numberOf(0)),
      traceparent: '',
      checkCount: 0,
    }),
    applyRefundResult: async ({ refundNo, result }: { refundNo: string; result: { state: RefundState } }) => {
      settledAtMs.set(refundNo, clock.monotonicMs());
      return { refund: create(RefundSchema, { refundNo, state: result.state }) };
    },
  };
  return { add, settledAtMs, orderStore: orderStore as unknown as RpcClient<typeof OrderStoreService> };
};

test('while one channel hangs, payments of another and a refund of the same one come to their end in time, and nothing of it is lost', async () => {
  const orders = someOrders();
  const duration = (ms: number): Pick<Duration, 'seconds' | 'nanos'> => ({ seconds: BigInt(ms / 1_000), nanos: 0 });
  const describe = (channelId: string) => async () => ({
    channelId,
    pollPlans: [{ kind: PaymentKind.MERCHANT_QR, firstAfter: duration(1_000), step: duration(STEP_MS) }],
  });
  const channels = [
    await channel('hung', {
      describeChannel: describe('hung'),
      queryPayment: async (_request, call) => {
        hung += 1;
        await clock.sleep(600_000, AbortSignal.any([call.signal, hanging.signal])).catch(() => undefined);
        return {};
      },
      queryRefund: async () => ({ result: { ...verified, state: RefundState.SUCCEEDED, refunded: amount } }),
    }),
    await channel('good', {
      describeChannel: describe('good'),
      queryPayment: async () => ({
        result: { ...verified, outcome: OutcomeKind.SUCCEEDED, channelTransactionId: 'tx', paid: amount },
      }),
    }),
  ];
  const config = SyncerConfig.parse({
    server: { port: 0 },
    orderStore: { target: '127.0.0.1:1' },
    channels,
    checkLimits: { channels: { hung: { payments: { perSecond: 100, burst: 100 } } } },
  });
  const stop = new AbortController();
  const connected = connectChannels(config.channels, createLanes(clock).channel, 1, clock);
  const queue = createRedisQueue(redis, `test-${systemRandom.hex(4)}`);
  const tiers = createTiers({ near: createMemoryQueue(clock), queue });
  const processes = () => 1;
  const flows = createFlows({
    placesMax: config.checksMax,
    limitOf: (flow) => limitOf(config.checkLimits, flow),
    limiter: createRateLimiter({ redis, processes, clock }),
    processes,
    clock,
    random: systemRandom,
  });
  const { orderStore } = orders;
  const check = createItemChecker({
    orderStore,
    flows,
    checkPayment: createPaymentChecker({ orderStore, channels: connected, clock }),
    checkRefund: createRefundChecker({ orderStore, channels: connected, clock }),
    counts: { inFlight: 0, done: 0, settled: 0, failed: 0 },
    alarms: { raise: () => undefined, end: () => undefined },
    budgetMs: config.checkMsMax,
    personAfterMs: { payment: 600_000, refund: 600_000 },
    clock,
    log,
  });
  const loops = findWork({
    config,
    orderStore,
    redis,
    tiers,
    owner: createShardOwner({ redis, name: 'check', worker: systemRandom.hex(8), clock, log }),
    check: (item) => check(item, 'scheduled'),
    flows,
    alarms: { raise: () => undefined, end: () => undefined },
    report: { lastSweepAtMs: undefined, oldestOverdueMs: 0 },
    brownout: { isOn: false },
    clock,
    log,
    signal: stop.signal,
  });
  const give = (number: string, kind: 'payment' | 'refund', afterMs: number) =>
    queue.add([checkEntry({ kind, number }, afterMs)]);

  await Promise.all(Array.from({ length: HUNG }, (_, n) => give(orders.add('hung', n), 'payment', DUE_MS)));
  await expect.poll(() => hung).toBeGreaterThan(0);

  const beganMs = clock.monotonicMs();
  const good = Array.from({ length: GOOD }, (_, n) => orders.add('good', HUNG + n));
  const refunds = Array.from({ length: 5 }, (_, n) => numberOf(HUNG + GOOD + n));
  await Promise.all(good.map((number, n) => give(number, 'payment', DUE_MS + 100 * n)));
  await Promise.all(refunds.map((number, n) => give(number, 'refund', DUE_MS + 500 * n)));
  const wanted = [...good, ...refunds];
  await expect.poll(() => wanted.filter((number) => !orders.settledAtMs.has(number)), { timeout: 15_000 }).toEqual([]);
  const lateMs = wanted.map((number, index) => {
    const dueMs = index < GOOD ? DUE_MS + 100 * index : DUE_MS + 500 * (index - GOOD);
    return (orders.settledAtMs.get(number) ?? Number.NaN) - beganMs - dueMs;
  });
  expect(Math.max(...lateMs)).toBeLessThan(STEP_MS);

  const told = flows.status().find(({ channelId, kind }) => channelId === 'hung' && kind === 'payment');
  expect(told?.inFlight).toBeLessThanOrEqual(config.checksMax);
  expect(told?.waiting).toBeGreaterThan(HUNG / 2);
  expect(told?.longestWaitMs).toBeGreaterThan(1_000);
  const looks = await Promise.all(Array.from({ length: queue.shardCount }, (_, shard) => queue.look(shard)));
  expect(looks.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThanOrEqual(HUNG);
  stop.abort();
  hanging.abort();
  await Promise.all(loops);
  connected.close();
});
