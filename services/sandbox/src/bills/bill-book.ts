import type { Clock } from '@tillmesh/clock';
import type { Ledger, Movement } from '../ledger.ts';
import type { ChannelName } from '../script.ts';
import type { FaultOfBill, Plant, Plants } from './plants.ts';

const DAY_MS = 86_400_000;
const TEN_THOUSAND = 10_000n;

/** What a bill says of one movement of money. */
export type BillEntry = {
  readonly kind: Movement['kind'];
  readonly outTradeNo: string;
  readonly refundNo: string | undefined;
  readonly transactionId: string;
  readonly payerId: string;
  /** Never below zero; the kind says where it went. */
  readonly amountFen: bigint;
  /** What the channel takes; below zero: gives back. */
  readonly feeFen: bigint;
  readonly atMs: number;
  /** Undefined: what the channel says of money that moved. */
  readonly state: string | undefined;
  /** False for a second copy of a line that the bill's totals know once. */
  readonly inTotals: boolean;
};

export type BillAsked = {
  readonly channel: ChannelName;
  readonly accountId: string;
  /** yyyy-mm-dd in the channel's zone. */
  readonly day: string;
};

export type OpenedBill =
  | { readonly kind: 'no_such_day' | 'not_ready' | 'empty' }
  | { readonly kind: 'bill'; readonly entries: readonly BillEntry[]; readonly faults: ReadonlySet<FaultOfBill> };

/** What the channels' bills say: the ledger, with the discrepancies that were planted. */
export interface BillBook {
  /** @param asked whose bill, of which day. A bill that is not made yet counts for no use of a plant. */
  open(asked: BillAsked): OpenedBill;
}

/** When each channel has its bills, and by which clock its days go (research, 1.7, 2.1). */
const MAKING: Readonly<Record<ChannelName, { readonly aheadOfUtcMs: number; readonly readyAfterMs: number }>> = {
  wechat: { aheadOfUtcMs: 8 * 3_600_000, readyAfterMs: 10 * 3_600_000 },
  alipay: { aheadOfUtcMs: 8 * 3_600_000, readyAfterMs: 9 * 3_600_000 },
  // Settled from 23:00 to 23:00.
  unionpay: { aheadOfUtcMs: 9 * 3_600_000, readyAfterMs: 10 * 3_600_000 },
  stripe: { aheadOfUtcMs: 0, readyAfterMs: 0 },
};

const dayBeginsMs = (day: string, aheadOfUtcMs: number): number | undefined => {
  const ms = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== day ? undefined : ms - aheadOfUtcMs;
};

const dayOf = (ms: number, aheadOfUtcMs: number): string => new Date(ms + aheadOfUtcMs).toISOString().slice(0, 10);

/** A half of a fen is one. */
const feeOf = (fen: bigint, perTenThousand: number): bigint =>
  (fen * BigInt(perTenThousand) + TEN_THOUSAND / 2n) / TEN_THOUSAND;

export const createBillBook = (deps: {
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly plants: Plants;
  /** Factor on the time from a day's beginning to its bill: 1 is the channels' own pace, 0 gives the bill of the day that is not over. */
  readonly timeScale: number;
  readonly feesPerTenThousand: Readonly<Record<ChannelName, number>>;
}): BillBook => {
  const { clock, ledger, plants, feesPerTenThousand } = deps;

  const entryOf = (movement: Movement): BillEntry => {
    const { kind, outTradeNo, refundNo, transactionId, payerId, amount, atMs, channel } = movement;
    const fee = feeOf(amount, feesPerTenThousand[channel]);
    return {
      kind,
      outTradeNo,
      refundNo,
      transactionId,
      payerId,
      amountFen: amount,
      feeFen: kind === 'charge' ? fee : -fee,
      atMs,
      state: undefined,
      inTotals: true,
    };
  };

  const addedEntry = (plant: ReturnType<Plants['linesOf']>[number], beginsMs: number): BillEntry[] => {
    const { discrepancy } = plant;
    if (discrepancy.do !== 'add_line') return [];
    const { outTradeNo, refundNo, amountFen } = discrepancy;
    const fee = feeOf(BigInt(amountFen), feesPerTenThousand[plant.channel]);
    return [
      {
        kind: refundNo === undefined ? 'charge' : 'refund',
        outTradeNo,
        refundNo,
        transactionId: `9900${outTradeNo.replace(/[^0-9]/g, '').slice(0, 24)}`,
        payerId: 'nobody',
        amountFen: BigInt(amountFen),
        feeFen: refundNo === undefined ? fee : -fee,
        atMs: beginsMs + DAY_MS / 2,
        state: undefined,
        inTotals: true,
      },
    ];
  };

  /** What a plant makes of the line that it aims at. */
  const changed = (
    entry: BillEntry,
    { discrepancy }: Plant & ReturnType<Plants['linesOf']>[number],
  ): readonly BillEntry[] => {
    switch (discrepancy.do) {
      case 'leave_out':
        return [];
      case 'other_amount':
        return [{ ...entry, amountFen: BigInt(discrepancy.amountFen) }];
      case 'other_state':
        return [{ ...entry, state: discrepancy.state }];
      case 'other_fee':
        return [{ ...entry, feeFen: BigInt(discrepancy.feeFen) }];
      case 'other_order_no':
        return [{ ...entry, outTradeNo: discrepancy.to }];
      case 'twice':
        return [entry, { ...entry, inTotals: discrepancy.inTotals }];
      case 'add_line':
      case 'next_day':
        return [entry];
    }
  };

  return {
    open: ({ channel, accountId, day }) => {
      const { aheadOfUtcMs, readyAfterMs } = MAKING[channel];
      const beginsMs = dayBeginsMs(day, aheadOfUtcMs);
      if (beginsMs === undefined) return { kind: 'no_such_day' };
      if (clock.nowMs() < beginsMs + (DAY_MS + readyAfterMs) * deps.timeScale) return { kind: 'not_ready' };
      const faults = plants.takeFaults(channel, accountId, day);
      if (faults.has('not_ready')) return { kind: 'not_ready' };
      const lines = plants.linesOf(channel, accountId);
      const aimedAt = ({ outTradeNo, refundNo, kind }: BillEntry) =>
        lines.filter(
          ({ discrepancy }) =>
            discrepancy.outTradeNo === outTradeNo &&
            discrepancy.refundNo === (kind === 'refund' ? refundNo : undefined) &&
            discrepancy.do !== 'add_line',
        );
      const entries: BillEntry[] = [];
      for (const movement of ledger.movements()) {
        if (movement.channel !== channel || movement.accountId !== accountId) continue;
        let entry = entryOf(movement);
        const plantsOfLine = aimedAt(entry);
        if (plantsOfLine.some(({ discrepancy }) => discrepancy.do === 'next_day')) {
          // A second after the next day's beginning.
          const nextMs = dayBeginsMs(dayOf(entry.atMs, aheadOfUtcMs), aheadOfUtcMs) ?? 0;
          entry = { ...entry, atMs: nextMs + DAY_MS + 1_000 };
        }
        if (dayOf(entry.atMs, aheadOfUtcMs) !== day) continue;
        let result: readonly BillEntry[] = [entry];
        for (const plant of plantsOfLine) {
          if (plant.day === undefined || plant.day === day) result = result.flatMap((one) => changed(one, plant));
        }
        entries.push(...result);
      }
      entries.push(...lines.filter((plant) => plant.day === day).flatMap((plant) => addedEntry(plant, beginsMs)));
      return entries.length === 0 && faults.size === 0 ? { kind: 'empty' } : { kind: 'bill', entries, faults };
    },
  };
};
