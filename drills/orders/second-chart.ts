import type { Mark } from '../second-table.ts';
import type { ReadSample } from './order-load.ts';
import type { OrderSample } from './order-till.ts';

/** What began within one second of a load. */
export type Second = {
  readonly second: number;
  readonly begun: number;
  /** Answered with an order by the first answer, within its time. */
  readonly succeeded: number;
  readonly slowestMs: number;
  readonly p99Ms: number;
  /** Orders by the group that took them. */
  readonly byGroup: ReadonlyMap<number, number>;
  readonly reads: number;
  readonly readsFailed: number;
  readonly readsFromReplicas: number;
  readonly marks: readonly string[];
};

const quantile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;

/** Sums up a load by the second in which orders and reads began. */
export const bySeconds = (
  samples: readonly OrderSample[],
  reads: readonly ReadSample[],
  marks: readonly Mark[],
  withinMs: number,
): Second[] => {
  const last = Math.floor(Math.max(0, ...[...samples, ...reads].map(({ atMs }) => atMs)) / 1_000);
  const own = <T extends { readonly atMs: number }>(all: readonly T[], second: number): T[] =>
    all.filter(({ atMs }) => Math.floor(atMs / 1_000) === second);
  return Array.from({ length: last + 1 }, (_, second) => {
    const orders = own(samples, second);
    const readHere = own(reads, second);
    const took = orders.map(({ firstTookMs }) => firstTookMs).toSorted((a, b) => a - b);
    const byGroup = new Map<number, number>();
    for (const { groupTag } of orders) {
      if (groupTag !== undefined) byGroup.set(groupTag, (byGroup.get(groupTag) ?? 0) + 1);
    }
    return {
      second,
      begun: orders.length,
      succeeded: orders.filter(({ firstError, firstTookMs }) => firstError === undefined && firstTookMs <= withinMs)
        .length,
      slowestMs: took.at(-1) ?? 0,
      p99Ms: quantile(took, 0.99),
      byGroup,
      reads: readHere.length,
      readsFailed: readHere.filter(({ error }) => error !== undefined).length,
      readsFromReplicas: readHere.filter(({ fromReplica }) => fromReplica).length,
      marks: own(marks, second).map(({ text }) => text),
    };
  });
};

/** The part of a second's orders that succeeded; 1 where none began. */
export const successOf = ({ begun, succeeded }: Second): number => (begun === 0 ? 1 : succeeded / begun);

const BAR_CELLS = 30;
const LATENCY_CELLS = 10;

const bar = (value: number, max: number, cells: number): string =>
  '█'.repeat(Math.round((Math.min(value, max) / Math.max(max, 1e-9)) * cells)).padEnd(cells);

/** The request curve in a terminal: each group's share as a run of its tag, and how long the slowest took. */
export const terminalChart = (seconds: readonly Second[], groupTags: readonly number[], withinMs: number): string[] => {
  const most = Math.max(1, ...seconds.map(({ begun }) => begun));
  const line = (each: Second): string => {
    const shares = groupTags
      .map((tag) => String(tag % 10).repeat(Math.round(((each.byGroup.get(tag) ?? 0) / most) * BAR_CELLS)))
      .join('');
    return [
      String(each.second).padStart(4),
      String(each.begun).padStart(6),
      `${(successOf(each) * 100).toFixed(2).padStart(6)} %`,
      shares.padEnd(BAR_CELLS + 2),
      `${String(Math.round(each.slowestMs)).padStart(5)} ms ${bar(each.slowestMs, withinMs, LATENCY_CELLS)}`,
      `${String(each.reads - each.readsFailed).padStart(4)}/${String(each.reads).padEnd(4)}`,
      `${String(each.readsFromReplicas).padStart(4)}  `,
      each.marks.join('; '),
    ]
      .join(' ')
      .trimEnd();
  };
  return [
    `   s  begun  success ${'orders by group'.padEnd(BAR_CELLS + 2)} slowest${' '.repeat(LATENCY_CELLS + 2)} reads     by replicas`,
    ...seconds.map(line),
  ];
};
