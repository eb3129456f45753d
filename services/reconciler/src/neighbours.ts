import type { BillLine } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { BillEntry, BookEntry, MatchRules } from '@tillmesh/reconciliation';
import type { BillDay } from './channels.ts';
import { billEntry } from './entries.ts';
import { compareOne, type Found, newlyFound } from './found.ts';

/** More are not looked for: then something else is wrong than the end of a day. */
export const LOOKED_FOR_MAX = 10_000;

/** What a neighbouring bill is: not made yet, or read, or not to be had. */
type Look = 'not_ready' | 'read' | 'failed';

const keyOf = ({ kind, channelOrderNo, refundNo }: BookEntry | BillEntry): string =>
  `${kind} ${channelOrderNo} ${refundNo}`;

/**
 * Looks in the neighbouring days' bills for what is missing in this one. What stands there is `cross_day` and done, or differs in its own way; what stands nowhere is `long`.
 * While the next day's bill is not there, what lies near the day's end stays open as `cross_day`.
 *
 * @returns all discrepancies, and whether the next day's bill has to be looked at later.
 */
export const lookInNeighbours = async (
  found: readonly Found[],
  deps: {
    readonly before: BillDay;
    readonly after: BillDay;
    readonly rules: MatchRules;
    readonly nowMs: number;
    readonly fetch: (day: BillDay, take: (line: BillLine) => Promise<void>) => Promise<unknown>;
    readonly onFailed: (day: BillDay, error: unknown) => void;
  },
): Promise<{ readonly found: readonly Found[]; readonly awaitsNextBill: boolean }> => {
  const { before, after, rules, nowMs, fetch, onFailed } = deps;
  const isMissing = (one: Found): boolean => one.theirs === undefined && one.ours !== undefined;
  const missing = new Map(
    found.filter(isMissing).flatMap(({ ours }) => (ours === undefined ? [] : [[keyOf(ours), ours] as const])),
  );
  if (missing.size === 0 || missing.size > LOOKED_FOR_MAX) return { found, awaitsNextBill: false };

  const there = new Map<string, { readonly line: BillEntry; readonly day: string }>();
  const look = async (day: BillDay): Promise<Look> => {
    if (nowMs < day.readyAtMs) return 'not_ready';
    const seen = new Map<string, BillEntry>();
    try {
      await fetch(day, async (line) => {
        const entry = billEntry(line);
        if (entry !== undefined && missing.has(keyOf(entry)) && !seen.has(keyOf(entry))) seen.set(keyOf(entry), entry);
      });
    } catch (error) {
      onFailed(day, error);
      return 'failed';
    }
    for (const [key, line] of seen) there.set(key, { line, day: day.day });
    return 'read';
  };
  const looked = { before: await look(before), after: await look(after) };

  const decided: Found[] = [];
  let awaits = false;
  for (const one of found) {
    const { ours } = one;
    if (!isMissing(one) || ours === undefined) {
      decided.push(one);
      continue;
    }
    const elsewhere = there.get(keyOf(ours));
    if (elsewhere !== undefined) {
      const note = `it stands in the bill of ${elsewhere.day}`;
      const differences = await compareOne(ours, elsewhere.line, rules);
      decided.push({ class: 'cross_day', ours, theirs: elsewhere.line, note, isOpen: false });
      for (const { class: other } of differences) {
        if (other !== 'cross_day')
          decided.push({ ...newlyFound({ class: other, ours, theirs: elsewhere.line }), note });
      }
      continue;
    }
    const unread = [
      looked.before === 'failed' ? before : undefined,
      looked.after === 'read' ? undefined : after,
    ].filter((day) => day !== undefined);
    if (unread.length === 0) {
      decided.push({ ...one, class: 'long', note: 'it stands in neither neighbouring bill' });
      continue;
    }
    awaits = true;
    decided.push({ ...one, note: `the bill of ${unread.map(({ day }) => day).join(' and ')} was not read yet` });
  }
  return { found: decided, awaitsNextBill: awaits };
};
