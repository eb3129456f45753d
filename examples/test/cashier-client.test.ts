import { create, toJsonString } from '@bufbuild/protobuf';
import { systemClock } from '@tillmesh/clock';
import { CashierService, CreatePaymentRequestSchema } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentSchema, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { bind, type Implementation, notYet, notYetStream, rpcErrors, serve } from '@tillmesh/rpc';
import { createLog } from '@tillmesh/telemetry';
import { expect, onTestFinished, test } from 'vitest';
import { type Cashier, connect, follow, refund, takeByCode, untilItRests } from '../src/cashier-client.ts';

const clock = systemClock;
const ORDER_NO = '1261122199989210010010002';
const SALE = {
  merchantId: 'demo-cafe',
  merchantOrderNo: 'A1',
  minorUnits: 1_230n,
  currency: 'CNY',
  subject: 'Tea',
  terminalId: 'till-1',
};

/** A cashier that says what the test tells it to, over a real connection. */
const cashierThat = async (handlers: Partial<Implementation<typeof CashierService>>): Promise<Cashier> => {
  const all: Implementation<typeof CashierService> = {
    createPayment: notYet('CreatePayment'),
    getPayment: notYet('GetPayment'),
    watchPayment: notYetStream('WatchPayment'),
    continuePayment: notYet('ContinuePayment'),
    closePayment: notYet('ClosePayment'),
    createRefund: notYet('CreateRefund'),
    getRefund: notYet('GetRefund'),
    ...handlers,
  };
  const log = createLog('test', 'silent');
  const server = await serve({ services: [bind(CashierService, all)], host: '127.0.0.1', port: 0, log });
  const cashier = connect(`127.0.0.1:${server.port}`);
  onTestFinished(async () => {
    cashier.close();
    await server.drain(200);
  });
  return cashier;
};

const PAYING = create(PaymentSchema, {
  orderNo: ORDER_NO,
  state: PaymentState.PAYING,
  version: 1,
  amount: { currency: 'CNY', minorUnits: 1_230n },
});

const paymentThat = (state: PaymentState, version: number) => ({ payment: { orderNo: ORDER_NO, state, version } });

const take = (cashier: Cashier) => takeByCode(cashier, SALE, '130000000000000000', clock);

test('a call that nobody can decide yet is made again with the very same request', async () => {
  const requests: string[] = [];
  const cashier = await cashierThat({
    createPayment: async (request) => {
      requests.push(toJsonString(CreatePaymentRequestSchema, request));
      if (requests.length < 3) throw rpcErrors.repeatSameNumber('ask again', { retryAfterMs: 10 });
      return paymentThat(PaymentState.SUCCEEDED, 2);
    },
  });
  expect(await take(cashier)).toMatchObject({ state: PaymentState.SUCCEEDED });
  expect(requests).toHaveLength(3);
  expect(new Set(requests).size).toBe(1);
});

test('the service says how long to wait, and is not asked before', async () => {
  const calledAtMs: number[] = [];
  const cashier = await cashierThat({
    createPayment: async () => {
      calledAtMs.push(clock.monotonicMs());
      if (calledAtMs.length === 1) throw rpcErrors.notReady('starting', { retryAfterMs: 700 });
      return paymentThat(PaymentState.SUCCEEDED, 2);
    },
  });
  await take(cashier);
  const [first = 0, second = 0] = calledAtMs;
  expect(second - first).toBeGreaterThanOrEqual(690);
});

test.each([
  ['a refusal', () => rpcErrors.merchantOrderNoReused('used', { metadata: { field: 'amount', order_no: ORDER_NO } })],
  ['a bug of the service', () => rpcErrors.internal('failed')],
  ['a deadline that was too short from the beginning', () => rpcErrors.deadlineTooShort('too short')],
])('%s is not repeated', async (_what, refusal) => {
  let calls = 0;
  const cashier = await cashierThat({
    createPayment: async () => {
      calls += 1;
      throw refusal();
    },
  });
  await expect(take(cashier)).rejects.toMatchObject({ reason: refusal().reason });
  expect(calls).toBe(1);
});

test('a stream that breaks is opened again, and no change is told twice', async () => {
  let streams = 0;
  const cashier = await cashierThat({
    async *watchPayment() {
      streams += 1;
      yield paymentThat(PaymentState.PAYING, 2);
      if (streams === 1) throw rpcErrors.notReady('draining', { retryAfterMs: 10 });
      yield paymentThat(PaymentState.SUCCEEDED, 3);
    },
  });
  const seen = [];
  for await (const { version } of follow(cashier, PAYING, { clock, withinMs: 10_000 })) seen.push(version);
  expect(seen).toEqual([2, 3]);
  expect(streams).toBe(2);
});

test('a declined payment is left, though its stream stays open', async () => {
  const cashier = await cashierThat({
    async *watchPayment(_request, { signal }) {
      yield paymentThat(PaymentState.DECLINED, 2);
      await clock.sleep(60_000, signal);
    },
  });
  expect(await untilItRests(cashier, PAYING, { clock, withinMs: 30_000 })).toMatchObject({
    state: PaymentState.DECLINED,
  });
});

test('a payment that goes on for longer than the till waits is given as it stands', async () => {
  const cashier = await cashierThat({
    async *watchPayment(_request, { signal }) {
      yield paymentThat(PaymentState.PAYING, 2);
      await clock.sleep(60_000, signal);
    },
  });
  expect(await untilItRests(cashier, PAYING, { clock, withinMs: 500 })).toMatchObject({
    state: PaymentState.PAYING,
    version: 2,
  });
});

test('a refund is asked about until it rests, and asked for once', async () => {
  const asked: string[] = [];
  const cashier = await cashierThat({
    createRefund: async ({ merchantRefundNo, amount }) => {
      asked.push(`create ${merchantRefundNo} ${amount?.minorUnits}`);
      return { refund: { refundNo: ORDER_NO, merchantRefundNo, state: RefundState.PROCESSING } };
    },
    getRefund: async ({ ref }) => {
      asked.push(`get ${ref.case}`);
      return { refund: { refundNo: ORDER_NO, merchantRefundNo: 'R1', state: RefundState.SUCCEEDED } };
    },
  });
  const wish = { merchantRefundNo: 'R1', minorUnits: 200n, reason: 'One cake less' };
  const done = await refund(cashier, PAYING, wish, { clock, withinMs: 30_000 });
  expect(done.state).toBe(RefundState.SUCCEEDED);
  expect(asked).toEqual(['create R1 200', 'get refundNo']);
});
