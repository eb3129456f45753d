import { durationMs } from '@bufbuild/protobuf/wkt';
import { systemClock } from '@tillmesh/clock';
import {
  type BillEnd,
  BillKind,
  type BillLine,
  BillLineKind,
  BillLineState,
} from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { expect, test } from 'vitest';
import { AMOUNT_FEN, cny, eventually, newOrderNo, paid, placed, present, type World } from './attempts.ts';

const PART_FEN = 234;

/** The channel's bills. */
export const registerBillRules = (world: World): void => {
  const dayNow = async (): Promise<string> => {
    const { billPlans } = await world().client.describeChannel({});
    const aheadMs = durationMs(present(billPlans[0]?.dayAheadOfUtc));
    return new Date(systemClock.nowMs() + aheadMs).toISOString().slice(0, 10);
  };
  const fetchBill = async (day: string, kind: BillKind = BillKind.TRADE) => {
    const lines: BillLine[] = [];
    let end: BillEnd | undefined;
    const stream = world().client.fetchBill({ accountId: world().accountId, day, kind }, { capMs: 30_000 });
    for await (const { part } of stream) {
      expect(end).toBeUndefined();
      if (part.case === 'lines') lines.push(...part.value.lines);
      if (part.case === 'end') end = part.value;
    }
    return { lines, end };
  };
  /** Payments and a refund, and the days on which they may have been made. */
  const trade = async () => {
    const days = new Set([await dayNow()]);
    const payments = [await paid(world()), await paid(world())];
    const unpaid = await placed(world());
    const [first] = payments;
    const refundNo = newOrderNo().slice(0, 25);
    const refund = { order: present(first).order, refundNo, amount: cny(PART_FEN), reason: 'contract' };
    await world().client.createRefund(refund);
    const state = await eventually(
      async () => present((await world().client.queryRefund(refund)).result).state,
      (now) => now === RefundState.SUCCEEDED,
    );
    expect(state).toBe(RefundState.SUCCEEDED);
    days.add(await dayNow());
    return { days: [...days], payments, unpaid, refund };
  };

  test('the bill tells each settled payment and refund exactly once, to the cent, and nothing that nobody paid', async () => {
    const { days, payments, unpaid, refund } = await trade();
    const bills = await Promise.all(days.map((day) => fetchBill(day)));
    for (const { end, lines } of bills) expect(end).toMatchObject({ lines: BigInt(lines.length), repeatedLines: 0n });
    const lines = bills.flatMap((bill) => bill.lines);
    const about = (no: string, kind: BillLineKind) =>
      lines.filter((line) => line.channelOrderNo === no && line.kind === kind);
    for (const { channelOrderNo, order } of payments) {
      const [line, ...others] = about(channelOrderNo, BillLineKind.PAYMENT);
      expect(others).toEqual([]);
      expect(line).toMatchObject({
        amountMinorUnits: BigInt(AMOUNT_FEN),
        currency: order.amount.currency,
        state: BillLineState.SUCCEEDED,
        repeatedLine: false,
      });
      expect(line?.feeMinorUnits).toBeGreaterThanOrEqual(0n);
      const saidMs = Number(present(line?.happenedAt).seconds) * 1_000;
      expect(Math.abs(saidMs - systemClock.nowMs())).toBeLessThan(120_000);
    }
    const [back, ...others] = about(refund.order.channelOrderNo, BillLineKind.REFUND);
    expect(others).toEqual([]);
    expect(back).toMatchObject({
      refundNo: refund.refundNo,
      amountMinorUnits: BigInt(-PART_FEN),
      state: BillLineState.SUCCEEDED,
    });
    expect(lines.filter(({ channelOrderNo }) => channelOrderNo === unpaid.channelOrderNo)).toEqual([]);
    const numbers = new Set(lines.map(({ lineNumber }) => lineNumber));
    expect(numbers.size).toBe(lines.length);
  });

  test('a day without trade has no lines, or no bill; another account has its own', async () => {
    const of = async (accountId: string, day: string) => {
      const lines: BillLine[] = [];
      const stream = world().client.fetchBill({ accountId, day, kind: BillKind.TRADE }, { capMs: 30_000 });
      for await (const { part } of stream) if (part.case === 'lines') lines.push(...part.value.lines);
      return lines;
    };
    for (const [accountId, day] of [
      [world().accountId, '2026-01-02'],
      [world().otherAccountId, await dayNow()],
    ] as const) {
      const seen = await of(accountId, day).catch((error: unknown) => (error as { reason?: string }).reason);
      expect([[], 'BILL_ABSENT', 'BILL_NOT_READY']).toContainEqual(seen);
    }
  });

  test('a bill that is broken in any way never comes to its end', async () => {
    const { days } = await trade();
    expect(world().billFaults.length).toBeGreaterThan(0);
    for (const [fault, flaw] of world().billFaults) {
      for (const day of days) {
        await world().breakBill(day, fault);
        const error = await fetchBill(day).then(
          ({ end }) => end,
          (thrown: unknown) => thrown,
        );
        const expected =
          flaw === undefined ? { reason: 'BILL_NOT_READY' } : { reason: 'BILL_BROKEN', metadata: { flaw } };
        expect(error, fault).toMatchObject(expected);
      }
    }
    for (const day of days) expect((await fetchBill(day)).end).toBeDefined();
  });
};
