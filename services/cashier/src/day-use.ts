import { type DayUse, localDay } from '@tillmesh/domain';

/** Zones begin their days at whole minutes. */
const DAY_KNOWN_MS = 60_000;

/** What this process has let one account take on its present day. */
export type DayCounter = {
  /** Counts a payment; the answer takes it back, on the day on which it was counted alone. */
  add(minorUnits: bigint): () => void;
  now(): DayUse;
};

/** Tells days by the minute: asking for a time zone's calendar with every payment would cost more than the whole choice. */
export const createDays = (nowMs: () => number): ((timeZone: string) => string) => {
  const known = new Map<string, { readonly minute: number; readonly day: string }>();
  return (timeZone) => {
    const atMs = nowMs();
    const minute = Math.floor(atMs / DAY_KNOWN_MS);
    const before = known.get(timeZone);
    if (before?.minute === minute) return before.day;
    const day = localDay(timeZone, atMs);
    known.set(timeZone, { minute, day });
    return day;
  };
};

/** Counts from midnight to midnight. @param today the account's day, such as `2026-11-27` */
export const createDayCounter = (today: () => string): DayCounter => {
  let use: DayUse = { day: '', minorUnits: 0n, count: 0 };
  const now = (): DayUse => {
    const day = today();
    if (use.day !== day) use = { day, minorUnits: 0n, count: 0 };
    return use;
  };
  return {
    now,
    add: (minorUnits) => {
      const { day } = now();
      const change = (sign: 1n | -1n) => {
        if (now().day !== day) return;
        use = { day, minorUnits: use.minorUnits + sign * minorUnits, count: use.count + Number(sign) };
      };
      change(1n);
      return () => change(-1n);
    },
  };
};
