import { existsSync, readFileSync } from 'node:fs';
import { parseConfig, z } from '@tillmesh/config';
import type { AccountId } from '@tillmesh/domain';
import { writeWhole } from './write-whole.ts';

/** What an operator has said of an account. */
export type Switch = { readonly enabled: boolean; readonly note: string };

const SwitchFile = z.strictObject({
  switches: z.record(z.string(), z.strictObject({ enabled: z.boolean(), note: z.string().max(255) })),
});

/** Operators' switches; each is on disk before it is answered. */
export type Switches = {
  of(accountId: AccountId): Switch | undefined;
  set(accountId: AccountId, value: Switch): void;
};

/** Opens the file. One routing process owns it; cashiers hold what it said last while that process is away. */
export const openSwitches = (path: string): Switches => {
  const kept = existsSync(path) ? parseConfig(SwitchFile, JSON.parse(readFileSync(path, 'utf8')), path).switches : {};
  const switches = new Map(Object.entries(kept));
  return {
    of: (accountId) => switches.get(accountId),
    set: (accountId, value) => {
      const next = new Map(switches).set(accountId, value);
      writeWhole(path, `${JSON.stringify({ switches: Object.fromEntries(next) }, null, 2)}\n`);
      switches.set(accountId, value);
    },
  };
};
