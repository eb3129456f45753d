import { existsSync, readFileSync } from 'node:fs';
import { parseConfig, z } from '@tillmesh/config';
import { type AccountId, type DayUse, localDay } from '@tillmesh/domain';
import { writeWhole } from './write-whole.ts';

const Use = z.strictObject({
  day: z.string().max(10),
  minorUnits: z.string().regex(/^\d{1,18}$/),
  count: z.int().min(0),
});
const UseFile = z.strictObject({ reporters: z.record(z.string(), z.record(z.string(), Use)) });

/** Days differ by at most one around the world; two days ago is over everywhere. */
const KEPT_MS = 48 * 3_600_000;

/** What each process, those that are gone included, has let the accounts take on their days. */
export type DayUses = {
  /** Replaces what this process had told before. */
  set(reporter: string, accountId: AccountId, use: DayUse): void;
  /** Sum over all processes but one, of the latest day that any of them speaks of. */
  of(accountId: AccountId, except: string): DayUse;
  /** Forgets days that are over, and keeps the rest on disk. Does nothing where nothing has changed. */
  keep(nowMs: number): void;
};

const NOTHING: DayUse = { day: '', minorUnits: 0n, count: 0 };

const added = (sum: DayUse, use: DayUse): DayUse => {
  if (use.day > sum.day) return use;
  if (use.day < sum.day) return sum;
  return { day: sum.day, minorUnits: sum.minorUnits + use.minorUnits, count: sum.count + use.count };
};

/**
 * Opens the file; made when it is not there.
 *
 * @throws {ConfigError} where it is not what was written: limits would be exceeded unseen.
 */
export const openDayUses = (path: string): DayUses => {
  const kept = existsSync(path) ? parseConfig(UseFile, JSON.parse(readFileSync(path, 'utf8')), path).reporters : {};
  const byAccount = new Map<AccountId, Map<string, DayUse>>();
  let isChanged = false;
  const put = (reporter: string, accountId: AccountId, use: DayUse) => {
    const uses = byAccount.get(accountId) ?? new Map<string, DayUse>();
    byAccount.set(accountId, uses.set(reporter, use));
  };
  for (const [reporter, uses] of Object.entries(kept)) {
    for (const [accountId, { day, minorUnits, count }] of Object.entries(uses)) {
      put(reporter, accountId as AccountId, { day, minorUnits: BigInt(minorUnits), count });
    }
  }
  const forget = (nowMs: number) => {
    const oldest = localDay('UTC', nowMs - KEPT_MS);
    for (const [accountId, uses] of byAccount) {
      for (const [reporter, { day }] of uses) if (day < oldest) uses.delete(reporter);
      if (uses.size === 0) byAccount.delete(accountId);
    }
  };
  const toText = (): string => {
    const reporters: Record<string, Record<string, z.input<typeof Use>>> = {};
    for (const [accountId, uses] of byAccount) {
      for (const [reporter, { day, minorUnits, count }] of uses) {
        reporters[reporter] ??= {};
        reporters[reporter][accountId] = { day, minorUnits: String(minorUnits), count };
      }
    }
    return JSON.stringify({ reporters });
  };
  return {
    set: (reporter, accountId, use) => {
      if (use.day === '') return;
      const before = byAccount.get(accountId)?.get(reporter);
      if (before?.day === use.day && before.minorUnits === use.minorUnits && before.count === use.count) return;
      put(reporter, accountId, use);
      isChanged = true;
    },
    of: (accountId, except) => {
      let sum = NOTHING;
      for (const [reporter, use] of byAccount.get(accountId) ?? []) if (reporter !== except) sum = added(sum, use);
      return sum;
    },
    keep: (nowMs) => {
      if (!isChanged) return;
      forget(nowMs);
      writeWhole(path, `${toText()}\n`);
      isChanged = false;
    },
  };
};
