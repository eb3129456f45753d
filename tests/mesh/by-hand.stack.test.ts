import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { durationFromMs, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { AlarmService } from '@tillmesh/proto/tillmesh/alarm/v1/alarm_service_pb.ts';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { LearnedBy, OutcomeKind, SignatureState, Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type RunBatchResponse, SyncService } from '@tillmesh/proto/tillmesh/sync/v1/sync_service_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { afterAll, beforeAll, expect, test } from 'vitest';

// No channel runs here: what is open stays open until somebody does something about it.
const clock = systemClock;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-by-hand-'));
let mesh: Mesh;
let orderStore: RpcClient<typeof OrderStoreService>;
let syncer: RpcClient<typeof SyncService>;

beforeAll(async () => {
  mesh = await startMesh({ folder, services: ['order-store', 'syncer'], env: process.env, clock, logLevel: 'warn' });
  const options = { caller: 'test', capMs: 20_000, clock };
  orderStore = createClient(OrderStoreService, { target: mesh.address('order-store'), ...options });
  syncer = createClient(SyncService, { target: mesh.address('syncer'), ...options });
}, 120_000);

afterAll(async () => {
  orderStore?.close();
  syncer?.close();
  await mesh?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

type Opened = { readonly kind?: PaymentKind; readonly channelId?: string };

const open = async (merchantId: string, opened: Opened = {}): Promise<string> => {
  const { kind = PaymentKind.MERCHANT_QR, channelId = 'wechat' } = opened;
  const { payment } = await orderStore.createOrder({
    merchantId,
    merchantOrderNo: systemRandom.hex(12),
    amount: { currency: 'CNY', minorUnits: 1_234n },
    kind,
    wallet: Wallet.WECHAT,
    subject: 'Tea',
    expireAt: timestampFromMs(clock.nowMs() + 600_000),
    attempt: { accountId: 'a', channelId, routeReason: 'test', token: systemRandom.hex(16) },
    firstCheckAfter: durationFromMs(300_000),
  });
  return payment?.orderNo ?? '';
};

const read = (orderNo: string) => orderStore.getOrder({ payment: { ref: { case: 'orderNo', value: orderNo } } });

const batch = async (request: Parameters<(typeof syncer)['runBatch']>[0]): Promise<RunBatchResponse[]> => {
  const told: RunBatchResponse[] = [];
  for await (const progress of syncer.runBatch(request)) told.push(progress);
  return told;
};

const reasonOf = async (work: PromiseLike<unknown>): Promise<unknown> => {
  try {
    await work;
    return 'no error';
  } catch (error) {
    return (error as { readonly reason?: string }).reason;
  }
};

test('a batch finds what is open and fits, page by page over all groups; what would check everything has to say so', async () => {
  await Promise.all(Array.from({ length: 7 }, () => open('demo-cafe')));
  await Promise.all(Array.from({ length: 3 }, () => open('demo-books', { channelId: 'closed-down' })));
  expect((await batch({ merchantId: 'demo-cafe', dryRun: true })).at(-1)).toMatchObject({
    matched: 7n,
    done: 0n,
    finished: true,
  });
  expect((await batch({ everything: true, dryRun: true })).at(-1)).toMatchObject({ matched: 10n });
  expect((await batch({ channelId: 'alipay', dryRun: true })).at(-1)).toMatchObject({ matched: 0n });
  const before = timestampFromMs(clock.nowMs() - 3_600_000);
  expect((await batch({ createdBefore: before, dryRun: true })).at(-1)).toMatchObject({ matched: 0n });
  expect(await reasonOf(batch({}))).toBe('REQUEST_INVALID');
  expect(await reasonOf(batch({ dryRun: true }))).toBe('REQUEST_INVALID');
  expect(await reasonOf(batch({ everything: true, merchantId: 'demo-cafe' }))).toBe('REQUEST_INVALID');
  // Nobody knows the channel any more: every check says so, and every payment stays as it is.
  expect((await batch({ merchantId: 'demo-books' })).at(-1)).toMatchObject({ matched: 3n, done: 3n, settled: 0n });

  const seen = new Set<string>();
  for (let pageToken = '', pages = 0; ; pages += 1) {
    const page = await orderStore.listOpenWork({ merchantId: 'demo-cafe', pageSize: 2, pageToken });
    expect(page.items.length).toBeLessThanOrEqual(2);
    for (const { item } of page.items) seen.add(item.value ?? '');
    pageToken = page.nextPageToken;
    if (pageToken === '' || pages > 20) break;
  }
  expect(seen.size).toBe(7);
  expect(await reasonOf(orderStore.listOpenWork({ pageSize: 2, pageToken: 'elsewhere' }))).toBe('REQUEST_INVALID');
});

test('the status tells how much is open, how old it is, and whose till waits', async () => {
  const before = await syncer.getSyncStatus({});
  await open('demo-cafe', { kind: PaymentKind.PAYMENT_CODE });
  const after = await syncer.getSyncStatus({});
  expect(after.openPayments).toBe(before.openPayments + 1n);
  expect(after).toMatchObject({ aboutToBreach: 0n, breached: 0n, openRefunds: 0n, unreachableGroupTags: [] });
  expect(clock.nowMs() - timestampMs(after.oldestCreatedAt ?? timestampFromMs(0))).toBeLessThan(120_000);
  // As a till sees it that waits for a second: all that is older than that.
  await clock.sleep(1_100);
  const impatient = { tillPatience: durationFromMs(1_000), warnBefore: durationFromMs(500) };
  expect(await orderStore.countOpenWork(impatient)).toMatchObject({ breached: 1n, aboutToBreach: 0n });
  const patient = { tillPatience: durationFromMs(60_000), warnBefore: durationFromMs(59_500) };
  expect(await orderStore.countOpenWork(patient)).toMatchObject({ breached: 0n, aboutToBreach: 1n });
  const noPatience = { tillPatience: durationFromMs(1_000), warnBefore: durationFromMs(1_000) };
  expect(await reasonOf(orderStore.countOpenWork(noPatience))).toBe('REQUEST_INVALID');
});

test('what is handed to a person is looked at once a day, and says who took it and why', async () => {
  const orderNo = await open('demo-cafe');
  const item = { case: 'orderNo', value: orderNo } as const;
  await syncer.handToPerson({ item, person: 'Ann', reason: 'the channel asks for a letter' });
  const { payment, nextCheckAt } = await read(orderNo);
  expect(payment).toMatchObject({ state: PaymentState.PAYING, needsPerson: 'Ann: the channel asks for a letter' });
  expect(timestampMs(nextCheckAt ?? timestampFromMs(0)) - clock.nowMs()).toBeGreaterThan(23 * 3_600_000);
  expect((await syncer.getSyncStatus({})).withPerson).toBe(1n);
  const nobody = { case: 'orderNo', value: `${orderNo.slice(0, 24)}${(Number(orderNo[24]) + 1) % 10}` } as const;
  expect(await reasonOf(syncer.handToPerson({ item: nobody, person: 'Ann', reason: 'why' }))).toBe(
    'ORDER_NO_MALFORMED',
  );
});

test('two persons who say the same settle a payment; one does not, and who says otherwise stops it', async () => {
  const orderNo = await open('demo-cafe');
  const item = { case: 'orderNo', value: orderNo } as const;
  const paid = {
    item,
    attemptNo: 1,
    outcome: OutcomeKind.SUCCEEDED,
    channelTransactionId: '4200001234',
    happenedAt: timestampFromMs(1_780_000_000_000),
    evidence: 'merchant platform, bill of that day, line 7',
  };
  const unpaid = { item, attemptNo: 1, outcome: OutcomeKind.FAILED_DEFINITE, evidence: 'a call with the channel' };

  expect(await syncer.settleByPerson({ ...paid, person: 'Ann' })).toMatchObject({
    awaitsSecondPerson: true,
    changed: false,
  });
  expect(await syncer.settleByPerson({ ...paid, person: 'ann ' })).toMatchObject({ awaitsSecondPerson: true });
  expect((await read(orderNo)).payment).toMatchObject({ state: PaymentState.PAYING });
  expect(await syncer.settleByPerson({ ...unpaid, person: 'Bob' })).toMatchObject({
    contradictingPersons: ['ann', 'Bob'],
  });
  expect((await read(orderNo)).payment).toMatchObject({ state: PaymentState.PAYING });
  expect(await syncer.settleByPerson({ ...paid, person: 'Bob' })).toMatchObject({
    changed: true,
    awaitsSecondPerson: false,
  });
  expect((await read(orderNo)).payment).toMatchObject({ state: PaymentState.SUCCEEDED, learnedBy: LearnedBy.PERSON });
  // The answer was lost and the words are said again: nothing is done twice.
  expect(await syncer.settleByPerson({ ...paid, person: 'Bob' })).toMatchObject({
    changed: false,
    note: 'the payment is succeeded',
  });
  expect(await reasonOf(syncer.handToPerson({ item, person: 'Ann', reason: 'too late' }))).toBe('PAYMENT_STATE');
});

test('a refund that nobody can settle is settled by two persons as well', async () => {
  const orderNo = await open('demo-cafe');
  const item = { case: 'orderNo', value: orderNo } as const;
  const words = { evidence: 'bill', channelTransactionId: '42', happenedAt: timestampFromMs(1_780_000_000_000) };
  for (const person of ['Ann', 'Bob'])
    await syncer.settleByPerson({ item, attemptNo: 1, outcome: OutcomeKind.SUCCEEDED, person, ...words });
  const { refund } = await orderStore.createRefund({
    orderNo,
    merchantRefundNo: 'R-1',
    firstCheckAfter: durationFromMs(300_000),
  });
  const ofRefund = { case: 'refundNo', value: refund?.refundNo ?? '' } as const;
  const said = { item: ofRefund, outcome: OutcomeKind.SUCCEEDED, ...words };
  expect(await syncer.settleByPerson({ ...said, person: 'Ann' })).toMatchObject({ awaitsSecondPerson: true });
  expect(await syncer.settleByPerson({ ...said, person: 'Bob' })).toMatchObject({
    changed: true,
    note: 'the refund is succeeded',
  });
});

test('words that do not fit together are refused, and nobody settles by a call that only claims to be a person', async () => {
  const orderNo = await open('demo-cafe');
  const item = { case: 'orderNo', value: orderNo } as const;
  const base = { item, attemptNo: 1, evidence: 'e', person: 'Ann' };
  const happenedAt = timestampFromMs(1_780_000_000_000);
  const wrong = [
    { ...base, outcome: OutcomeKind.SUCCEEDED },
    { ...base, outcome: OutcomeKind.SUCCEEDED, channelTransactionId: '1' },
    { ...base, outcome: OutcomeKind.FAILED_DEFINITE, channelTransactionId: '1', happenedAt },
    {
      ...base,
      outcome: OutcomeKind.SUCCEEDED,
      channelTransactionId: '1',
      happenedAt: timestampFromMs(clock.nowMs() + 900_000),
    },
    { ...base, outcome: OutcomeKind.UNKNOWN },
    { ...base, outcome: OutcomeKind.FAILED_DEFINITE, person: '  ' },
    { ...base, outcome: OutcomeKind.FAILED_DEFINITE, evidence: '' },
    { ...base, outcome: OutcomeKind.FAILED_DEFINITE, attemptNo: 0 },
  ];
  for (const request of wrong) expect(await reasonOf(syncer.settleByPerson(request))).toBe('REQUEST_INVALID');
  const noAttempt = { ...base, outcome: OutcomeKind.FAILED_DEFINITE, attemptNo: 2 };
  expect(await reasonOf(syncer.settleByPerson(noAttempt))).toBe('PAYMENT_UNKNOWN');
  const claimed = orderStore.applyAttemptResult({
    orderNo,
    attemptNo: 1,
    result: { outcome: OutcomeKind.FAILED_DEFINITE },
    learnedBy: LearnedBy.PERSON,
    nextCheckAfter: durationFromMs(1_000),
  });
  expect(await reasonOf(claimed)).toBe('REQUEST_INVALID');
  expect((await read(orderNo)).payment).toMatchObject({ state: PaymentState.PAYING });
});

test('news that contradicts what is known moves nothing and raises an alarm, once, with the payment’s number', async () => {
  const orderNo = await open('demo-cafe');
  const tooMuch = {
    orderNo,
    attemptNo: 1,
    result: {
      outcome: OutcomeKind.SUCCEEDED,
      transport: Transport.ANSWERED,
      signature: SignatureState.VERIFIED,
      channelTransactionId: '42',
      paid: { currency: 'CNY', minorUnits: 9_999n },
      paidAt: timestampFromMs(1_780_000_000_000),
    },
    learnedBy: LearnedBy.QUERY,
    nextCheckAfter: durationFromMs(300_000),
  };
  await orderStore.applyAttemptResult(tooMuch);
  const { payment } = await orderStore.applyAttemptResult(tooMuch).then((answer) => answer);
  expect(payment).toMatchObject({ state: PaymentState.PAYING });
  const alarms = createClient(AlarmService, {
    target: mesh.address('order-store'),
    caller: 'test',
    capMs: 5_000,
    clock,
  });
  try {
    const { alarms: standing } = await alarms.listAlarms({});
    expect(standing).toMatchObject([{ name: 'contradiction', labels: { order_no: orderNo }, times: 2n }]);
  } finally {
    alarms.close();
  }
});
