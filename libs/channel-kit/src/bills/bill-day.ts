const DAY_MS = 86_400_000;

/** A day of a zone: from `beginsMs` to just before `endsMs`, ms since 1970. */
export type BillDay = { readonly beginsMs: number; readonly endsMs: number };

/**
 * The bounds of a day, `yyyy-mm-dd`; undefined for a day that no calendar has.
 *
 * @param aheadOfUtcMs the zone of the bill's days, which has no summer time: 8 h for China, 0 for UTC.
 */
export const billDayOf = (day: string, aheadOfUtcMs: number): BillDay | undefined => {
  const [, year = '', month = '', date = ''] = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/.exec(day) ?? [];
  const utcMs = Date.UTC(Number(year), Number(month) - 1, Number(date));
  if (Number.isNaN(utcMs) || new Date(utcMs).toISOString().slice(0, 10) !== day) return undefined;
  return { beginsMs: utcMs - aheadOfUtcMs, endsMs: utcMs - aheadOfUtcMs + DAY_MS };
};
