import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { parseConfig, z } from '@tillmesh/config';
import type { AccountId } from '@tillmesh/domain';

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
      // Written beside and renamed: after a crash the file is the old one or the new one, never half of one.
      const beside = `${path}.new`;
      const file = openSync(beside, 'w', 0o600);
      try {
        writeSync(file, `${JSON.stringify({ switches: Object.fromEntries(next) }, null, 2)}\n`);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(beside, path);
      switches.set(accountId, value);
    },
  };
};
