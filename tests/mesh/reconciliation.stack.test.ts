import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { AlarmService } from '@tillmesh/proto/tillmesh/alarm/v1/alarm_service_pb.ts';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { BillKind } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import {
  DiscrepancyClass,
  ReconcilerService,
  type Report,
} from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { createClient, type RpcClient, toRpcError } from '@tillmesh/rpc';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSandboxControl, type SandboxControl } from '../../scripts/demo/sandbox-control.ts';

// A day's bill of the simulated channel with everything that the sandbox can plant in its lines, compared with real books.

const clock = systemClock;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-reconciliation-'));
const ACCOUNT = 'wechat-a';
const AMOUNT = 1_000n;
let mesh: Mesh;
let cashier: RpcClient<typeof CashierService>;
let reconciler: RpcClient<typeof ReconcilerService>;
let alarms: RpcClient<typeof AlarmService>;
let sandbox: SandboxControl;

beforeAll(async () => {
  mesh = await startMesh({
    folder,
    env: process.env,
    clock,
    logLevel: 'info',
    groupTags: [1],
    settings: {
      // Today's bill, of what has moved so far.
      sandbox: { bills: { timeScale: 0 } },
      reconciler: { boundaryMs: 0, schedule: { everyMs: 500, daysBack: 2 } },
    },
    // Two over one folder, as two pods over one volume.
    instances: { reconciler: 2 },
    services: ['sandbox', 'order-store', 'routing', 'channel-wechat', 'cashier', 'syncer', 'reconciler'],
  });
  cashier = createClient(CashierService, { target: mesh.address('cashier'), caller: 'till', capMs: 40_000 });
  reconciler = createClient(ReconcilerService, { target: mesh.address('reconciler'), caller: 'test', capMs: 20_000 });
  alarms = createClient(AlarmService, { target: mesh.address('reconciler'), caller: 'test', capMs: 5_000 });
  sandbox = createSandboxControl(mesh.address('sandbox-control'));
}, 120_000);

afterAll(async () => {
  for (const client of [cashier, reconciler, alarms]) client?.close();
  await mesh?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const beijingDay = (daysFromNow = 0): string =>
  new Date(clock.nowMs() + (8 + 24 * daysFromNow) * 3_600_000).toISOString().slice(0, 10);

const pay = async (): Promise<string> => {
  const { payment } = await cashier.createPayment({
    merchantId: 'demo-cafe',
    merchantOrderNo: `BILL-${systemRandom.hex(6)}`,
    amount: { currency: 'CNY', minorUnits: AMOUNT },
    subject: 'Flat white',
    kind: PaymentKind.PAYMENT_CODE,
    wallet: Wallet.WECHAT,
    paymentCode: await sandbox.paymentCode('wechat'),
  });
  expect(payment?.state).toBe(PaymentState.SUCCEEDED);
  return payment?.orderNo ?? '';
};

const giveBack = async (orderNo: string): Promise<string> => {
  const asked = {
    payment: { ref: { case: 'orderNo', value: orderNo } },
    merchantRefundNo: `BACK-${systemRandom.hex(6)}`,
    amount: { currency: 'CNY', minorUnits: 300n },
    reason: 'cold',
  } as const;
  let refund = (await cashier.createRefund(asked)).refund;
  const endMs = clock.monotonicMs() + 30_000;
  while (refund?.state !== RefundState.SUCCEEDED && clock.monotonicMs() < endMs) {
    await clock.sleep(200);
    refund = (await cashier.createRefund(asked)).refund;
  }
  expect(refund?.state).toBe(RefundState.SUCCEEDED);
  return refund?.refundNo ?? '';
};

const plant = async (day: string, discrepancies: readonly object[]): Promise<void> => {
  const response = await fetch(`http://${mesh.address('sandbox-control')}/control/bills/plants`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ channel: 'wechat', account: ACCOUNT, day, discrepancies }),
  });
  expect(response.status, await response.text()).toBe(200);
};

const billOf = (day: string) => ({ channelId: 'wechat', accountId: ACCOUNT, day });

const nameOf = (wanted: DiscrepancyClass): string =>
  Object.entries(DiscrepancyClass).find(([, value]) => value === wanted)?.[0] ?? 'none';

let asked = 0;
const compareOnce = async (day: string): Promise<Report | undefined> => {
  let last: Report | undefined;
  for await (const step of reconciler.runReconciliation({ bill: billOf(day), kind: BillKind.TRADE }, { capMs: 60_000 }))
    last = step.report;
  asked += 1;
  return last;
};

/** Asks again while the schedule's own comparisons have all places. */
const compare = async (day: string): Promise<Report | undefined> => {
  const endMs = clock.monotonicMs() + 30_000;
  for (;;)
    try {
      return await compareOnce(day);
    } catch (error) {
      if (toRpcError(error).reason !== 'LANE_FULL' || clock.monotonicMs() > endMs) throw error;
      await clock.sleep(200);
    }
};

/** Comparisons of both reconcilers beside those that this test has asked for. */
const comparedBySchedule = async (): Promise<number> => {
  const processes = mesh.processes().filter(({ service }) => service === 'reconciler');
  const texts = await Promise.all(
    processes.map(async ({ metricsPort }) => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()),
  );
  const counts = [...texts.join('\n').matchAll(/^tillmesh_reconciliations_total\{[^}]*end="compared"[^}]*\} (\d+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0) - asked;
};

test('each discrepancy that is planted in a bill is found in its class, and nothing else is', async () => {
  const day = beijingDay();
  const [clean, left, amount, fee, renamed, twice, late, back] = [
    await pay(),
    await pay(),
    await pay(),
    await pay(),
    await pay(),
    await pay(),
    await pay(),
    await pay(),
  ];
  const refundNo = await giveBack(back);
  expect(await compare(day)).toMatchObject({ equal: 9n, classes: [], ourSums: [{ minorUnits: 8n * AMOUNT - 300n }] });

  const numberOf = (orderNo: string): string => `${orderNo}1`;
  await plant(day, [
    { do: 'leave_out', outTradeNo: numberOf(left) },
    { do: 'add_line', outTradeNo: 'NOBODY0000000001', amountFen: 77 },
    { do: 'other_amount', outTradeNo: numberOf(amount), amountFen: 1_001 },
    { do: 'other_state', outTradeNo: numberOf(back), refundNo, state: 'PROCESSING' },
    { do: 'other_fee', outTradeNo: numberOf(fee), feeFen: 60 },
    { do: 'other_order_no', outTradeNo: numberOf(renamed), to: 'SOMEBODY00000001' },
    { do: 'twice', outTradeNo: numberOf(twice) },
    { do: 'next_day', outTradeNo: numberOf(late) },
  ]);
  const report = await compare(day);
  expect(report).toMatchObject({ ours: 9n, awaitsNextBill: true, tamperedRows: 0n, unlisted: 0n });
  const { discrepancies } = await reconciler.getReport({ bill: billOf(day) });
  const seen = discrepancies.map(
    ({ class: name, channelOrderNo, refundNo: refund }) => `${nameOf(name)} ${channelOrderNo} ${refund}`,
  );
  expect(seen.toSorted()).toEqual(
    [
      `LONG ${numberOf(left)} `,
      `LONG ${numberOf(renamed)} `,
      // It stands in the bill of tomorrow, which nobody can have today.
      `LONG ${numberOf(late)} `,
      'UNKNOWN_ORDER NOBODY0000000001 ',
      'UNKNOWN_ORDER SOMEBODY00000001 ',
      `AMOUNT ${numberOf(amount)} `,
      `STATE ${numberOf(back)} ${refundNo}`,
      `FEE ${numberOf(fee)} `,
      `DUPLICATE ${numberOf(twice)} `,
    ].toSorted(),
  );
  expect(seen.join()).not.toContain(clean);
  expect(discrepancies.find((one) => one.class === DiscrepancyClass.AMOUNT)).toMatchObject({
    ours: { amountMinorUnits: AMOUNT, state: 'settled' },
    bill: { amountMinorUnits: 1_001n, state: 'succeeded' },
    open: true,
  });
  const standing = (await alarms.listAlarms({})).alarms.filter((alarm) => alarm.name === 'reconciliation_mismatch');
  expect(standing.map(({ labels }) => labels['class'] ?? '').toSorted()).toEqual([
    'amount',
    'duplicate',
    'fee',
    'long',
    'state',
    'unknown_order',
  ]);
  expect(standing[0]?.labels).toMatchObject({ account: ACCOUNT, day });
  expect(readdirSync(join(folder, 'run', 'reconciler', 'spool'))).toEqual([]);
});

test('what is due is compared by itself; a day of which there is no bill has a report that says so', async () => {
  // Yesterday's is due from ten in the morning on, the one before at any time.
  const day = beijingDay(-2);
  const daysDue = clock.nowMs() < Date.parse(`${beijingDay()}T10:00:00+08:00`) ? 1 : 2;
  await expect
    .poll(async () => (await reconciler.listReports({ day })).reports.map(({ bill }) => bill?.accountId))
    .toEqual(['wechat-a', 'wechat-b']);
  const { report } = await reconciler.getReport({ bill: billOf(day) });
  expect(report).toMatchObject({ billAbsent: true, classes: [], equal: 0n });
  // The other one has the same reports, and each bill was compared by one of the two.
  const [, second] = mesh.processes().filter(({ service }) => service === 'reconciler');
  const other = createClient(ReconcilerService, {
    target: `127.0.0.1:${second?.port}`,
    caller: 'test',
    capMs: 20_000,
  });
  try {
    expect((await other.getReport({ bill: billOf(day) })).report).toEqual(report);
  } finally {
    other.close();
  }
  await expect.poll(comparedBySchedule).toBe(2 * daysDue);
  // Two further looks find nothing left to compare.
  await clock.sleep(1_200);
  expect(await comparedBySchedule()).toBe(2 * daysDue);
});

test('what cannot be compared is refused by name, and the report before stays', async () => {
  const day = beijingDay();
  await expect(compare('2026-02-30')).rejects.toMatchObject({ reason: 'REQUEST_INVALID' });
  await expect(reconciler.getReport({ bill: billOf('2026-02-03') })).rejects.toMatchObject({
    reason: 'REPORT_UNKNOWN',
  });
  await plant(day, [{ do: 'truncated' }]);
  await expect(compare(day)).rejects.toMatchObject({ reason: 'BILL_BROKEN' });
  expect((await reconciler.getReport({ bill: billOf(day) })).report?.equal).toBe(3n);
});
