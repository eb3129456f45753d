import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ManualClock } from '@tillmesh/clock';
import {
  type AccountId,
  type AttemptNo,
  firstOrderKeyAt,
  fromOrderKey,
  type OrderKey,
  toChannelOrderNo,
  toOrderKey,
} from '@tillmesh/domain';
import type { Books, StoredPayment } from '@tillmesh/order-groups';
import {
  type BillLine,
  BillLineKind,
  BillLineSchema,
  BillLineState,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { DiscrepancyClass } from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { createLog } from '@tillmesh/telemetry';
import { afterAll, describe, expect, test } from 'vitest';
import type { Channel } from '../src/channels.ts';
import { compareBill } from '../src/compare-bill.ts';
import { discrepancyMessage } from '../src/report-messages.ts';
import { openReportStore } from '../src/report-store.ts';
import { newProgress } from '../src/runs.ts';
import { dueDays, isToCompare } from '../src/schedule.ts';

const folder = mkdtempSync(join(tmpdir(), 'tillmesh-compare-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HOUR_MS = 3_600_000;
const DAY = '2026-03-04';
const BEGINS_MS = Date.UTC(2026, 2, 4);
const CALENDAR = { aheadOfUtcMs: 0, readyAfterMs: HOUR_MS };
const ACCOUNT = 'a' as AccountId;

type State = 'succeeded' | 'processing' | 'failed';
/** A payment of one attempt, made and settled at this hour of the day. */
const paymentAt = (hour: number, state: State): StoredPayment => {
  const atMs = BEGINS_MS + hour * HOUR_MS;
  const orderNo = fromOrderKey((firstOrderKeyAt(atMs) | (1n << 15n)) as OrderKey);
  const payment = {
    orderNo,
    merchantId: 'm',
    amount: { currency: 'CNY', minorUnits: 1_000n },
    paidAtMs: state === 'succeeded' ? atMs : undefined,
    attempts: [{ attemptNo: 1, accountId: ACCOUNT, state, startedAtMs: atMs, settledAtMs: atMs }],
  };
  // What the comparison reads of a payment; the rest of it is the store's.
  return { payment } as unknown as StoredPayment;
};
const numberOf = ({ payment }: StoredPayment): string => toChannelOrderNo(payment.orderNo, 1 as AttemptNo);

const lineOf = (stored: StoredPayment, hour: number, more: MessageInitShape<typeof BillLineSchema> = {}): BillLine =>
  create(BillLineSchema, {
    kind: BillLineKind.PAYMENT,
    channelOrderNo: numberOf(stored),
    amountMinorUnits: 1_000n,
    currency: 'CNY',
    happenedAt: timestampFromMs(BEGINS_MS + hour * HOUR_MS),
    state: BillLineState.SUCCEEDED,
    ...more,
  });

const compare = async (
  payments: readonly StoredPayment[],
  bills: Readonly<Record<string, readonly BillLine[]>>,
  options: { readonly nowHour?: number; readonly onRetry?: () => void } = {},
) => {
  const clock = new ManualClock(BEGINS_MS + (options.nowHour ?? 72) * HOUR_MS);
  const books: Books = {
    tags: () => [1 as never],
    payments: async (_tag, { after, before }) => ({
      items: payments.filter(
        ({ payment }) => after < toOrderKey(payment.orderNo) && toOrderKey(payment.orderNo) < before,
      ),
      lastKey: undefined,
      isEnd: true,
      tampered: 0,
    }),
    refunds: async () => ({ items: [], lastKey: undefined, isEnd: true, tampered: 0 }),
  };
  const asked: string[] = [];
  const channel: Channel = {
    channelId: 'c',
    describe: async () => ({ accountIds: [ACCOUNT], calendar: CALENDAR }),
    fetchBill: async ({ day }, take) => {
      const lines = bills[day];
      if (lines === undefined) return { kind: 'absent' };
      for (const line of lines) await take(line);
      return { kind: 'whole', rawSha256: 'ab' };
    },
  };
  const compared = await compareBill(
    { channel, accountId: ACCOUNT, day: DAY },
    {
      books,
      syncer: {
        retryNow: async ({ item }) => {
          asked.push(String(item?.value));
          options.onRetry?.();
          return { $typeName: 'tillmesh.sync.v1.RetryNowResponse', settled: true, note: 'it was paid' };
        },
      },
      settings: { fees: [], feeToleranceMinor: 0, boundaryMs: 600_000, paymentsBackMs: 24 * HOUR_MS, refundsBackMs: 0 },
      spoolFolder: join(folder, 'spool'),
      clock,
      log: createLog('test', 'silent'),
    },
    newProgress(),
    new AbortController().signal,
  );
  return { ...compared, asked, seen: compared.found.map((one) => `${one.class} ${one.isOpen ? 'open' : 'done'}`) };
};

describe('a bill and the books', () => {
  test('what stands in the next day’s bill is on two days, and nothing is left to do', async () => {
    const late = paymentAt(12, 'succeeded');
    const { seen, report } = await compare([late], { [DAY]: [], '2026-03-05': [lineOf(late, 24.1)] });
    expect(seen).toEqual(['cross_day done']);
    expect(report.awaitsNextBill).toBe(false);
  });

  test('what stands in the next day’s bill with another amount is told as such', async () => {
    const late = paymentAt(23.95, 'succeeded');
    const { seen } = await compare([late], { '2026-03-05': [lineOf(late, 24.1, { amountMinorUnits: 7n })] });
    expect(seen).toEqual(['cross_day done', 'amount open']);
  });

  test('what lies near the day’s end waits for the next bill, and is long once that does not have it', async () => {
    const late = paymentAt(23.95, 'succeeded');
    const early = await compare([late], {}, { nowHour: 26 });
    expect([early.seen, early.report.awaitsNextBill]).toEqual([['cross_day open'], true]);
    const later = await compare([late], {});
    expect([later.seen, later.report.awaitsNextBill]).toEqual([['long open'], false]);
  });

  test('what the bill knows and we do not is asked for again, and is done when it is known', async () => {
    const payments = [paymentAt(9, 'processing')];
    const [open] = payments;
    if (open === undefined) throw new Error('there is one');
    const bills = { [DAY]: [lineOf(open, 9)] };
    const repaired = await compare(payments, bills, {
      onRetry: () => {
        payments[0] = paymentAt(9, 'succeeded');
      },
    });
    expect([repaired.seen, repaired.asked]).toEqual([['short done'], [open.payment.orderNo]]);
    payments[0] = open;
    expect((await compare(payments, bills)).seen).toEqual(['short open']);
  });

  test('what we believe has failed is nobody’s to repair but a person’s', async () => {
    const failed = paymentAt(9, 'failed');
    const { seen, asked } = await compare([failed], { [DAY]: [lineOf(failed, 9)] });
    expect([seen, asked]).toEqual([['short open'], []]);
  });

  test('a payment that was taken and given back at the till is no discrepancy', async () => {
    const failed = paymentAt(9, 'failed');
    const back = lineOf(failed, 9, { kind: BillLineKind.REFUND, amountMinorUnits: -1_000n });
    const { seen, report } = await compare([failed], { [DAY]: [lineOf(failed, 9), back] });
    expect([seen, report.reversed]).toEqual([[], 2n]);
    const part = lineOf(failed, 9, { kind: BillLineKind.REFUND, amountMinorUnits: -999n });
    expect((await compare([failed], { [DAY]: [lineOf(failed, 9), part] })).seen.toSorted()).toEqual([
      'short open',
      'unknown_order open',
    ]);
  });

  test('an order that is older than what is read is found by its number', async () => {
    const old = paymentAt(-40, 'processing');
    const { seen, asked } = await compare([old], { [DAY]: [lineOf(old, 3)] });
    expect([seen, asked]).toEqual([['short open'], [old.payment.orderNo]]);
  });

  test('a line whose number is none of ours stays unknown, and the files of the comparison are gone', async () => {
    const mine = paymentAt(9, 'succeeded');
    const { seen } = await compare([mine], { [DAY]: [lineOf(mine, 9), lineOf(mine, 9, { channelOrderNo: 'x' })] });
    expect(seen).toEqual(['unknown_order open']);
    expect(readdirSync(join(folder, 'spool'))).toEqual([]);
  });
});

test('a report takes the place of the one before with its discrepancies, in pages and by class', async () => {
  const store = openReportStore(join(folder, 'reports'));
  const key = { channelId: 'c', accountId: 'a', day: DAY };
  const all = { class: DiscrepancyClass.UNSPECIFIED, skip: 0, limit: 100 };
  expect([await store.list(), await store.read(key), await store.discrepancies(key, all)]).toEqual([[], undefined, []]);
  const payments = [paymentAt(9, 'succeeded'), paymentAt(10, 'succeeded'), paymentAt(11, 'succeeded')];
  for (const count of [3, 2]) {
    const { report, found } = await compare(payments.slice(0, count), {});
    await store.write(report, found.map(discrepancyMessage));
    expect(await store.read(key)).toEqual(report);
    expect(await store.discrepancies(key, all)).toEqual(found.map(discrepancyMessage));
  }
  const [, second] = await store.discrepancies(key, all);
  expect(await store.discrepancies(key, { ...all, skip: 1 })).toEqual([second]);
  expect(await store.discrepancies(key, { ...all, class: DiscrepancyClass.AMOUNT })).toEqual([]);
  expect(await store.list()).toEqual([key]);
  expect(readdirSync(join(folder, 'reports', 'c', 'a'))).toHaveLength(2);
});

describe('the schedule', () => {
  test('has the days whose bills the channel has promised by now', () => {
    const at = (hour: number) => dueDays(BEGINS_MS + hour * HOUR_MS, CALENDAR, 2).map(({ day }) => day);
    expect(at(0.5)).toEqual(['2026-03-02']);
    expect(at(1)).toEqual(['2026-03-02', '2026-03-03']);
  });

  test('compares a bill again when the one that it waits for is there, once', async () => {
    const [day] = dueDays(BEGINS_MS + 26 * HOUR_MS, CALENDAR, 1);
    if (day === undefined) throw new Error('it is due');
    const { report } = await compare([paymentAt(23.95, 'succeeded')], {}, { nowHour: 26 });
    const at = (hour: number, what = report) => isToCompare(what, day, BEGINS_MS + hour * HOUR_MS);
    expect([isToCompare(undefined, day, 0), at(27), at(48.9), at(49)]).toEqual([true, false, false, true]);
    // It was there and could not be read: a person hears of what is open, and nobody asks every minute.
    const again = { ...report, madeAt: timestampFromMs(BEGINS_MS + 49 * HOUR_MS) };
    expect(at(90, again)).toBe(false);
    const final = await compare([paymentAt(23.95, 'succeeded')], {});
    expect(at(90, final.report)).toBe(false);
  });
});
