import { z } from '@tillmesh/config';
import { LocalStackError } from './local-stack-error.ts';
import { readIfThere, writeWholeFile } from './whole-file.ts';

/** Why a node takes no part in its group. */
export type Exclusion = {
  /** A clause for a person: `it was the primary and did not answer`. */
  readonly reason: string;
  /**
   * It may have acknowledged a write that no other replica has: before it is made anew, only the primary's life stands
   * for that write, and whoever promotes has to know.
   */
  readonly mayHoldMore: boolean;
};

const RolesFile = z.strictObject({
  primary: z.string(),
  excluded: z.record(z.string(), z.strictObject({ reason: z.string(), mayHoldMore: z.boolean() })),
});

/** Who is what in a group. Every change is on the disk before the call comes back. */
export type GroupRoles = {
  primary(): string;
  /** Why a node is left out; undefined for the primary and for those that follow it. */
  exclusionOf(name: string): Exclusion | undefined;
  /** Makes another node the primary and leaves some out, in one step. */
  appoint(primary: string, excluded: ReadonlyMap<string, Exclusion>): void;
  exclude(name: string, exclusion: Exclusion): void;
  /** Takes a node back as one that follows. */
  admit(name: string): void;
};

const read = (file: string, names: readonly string[]): z.infer<typeof RolesFile> => {
  const text = readIfThere(file);
  // A group that was never changed has no file: the first node is its primary.
  if (text === undefined) return { primary: names[0] ?? '', excluded: {} };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = RolesFile.safeParse(value);
  if (parsed.success && names.includes(parsed.data.primary)) return parsed.data;
  // Taking the first node instead could make a diverged one the primary.
  throw new LocalStackError(
    'replication_broken',
    `${file} does not say who is the primary: write {"primary": "<one of ${names.join(', ')}>", "excluded": {}} into it`,
  );
};

/**
 * Who is primary of a group and who is left out, from a file that survives everything.
 *
 * @throws {LocalStackError} `replication_broken` when the file is there and cannot be understood.
 */
export const openGroupRoles = (file: string, names: readonly string[]): GroupRoles => {
  let roles = read(file, names);
  const change = (next: z.infer<typeof RolesFile>) => {
    writeWholeFile(file, `${JSON.stringify(next, undefined, 2)}\n`);
    roles = next;
  };
  const without = (name: string) => Object.entries(roles.excluded).filter(([other]) => other !== name);
  return {
    primary: () => roles.primary,
    exclusionOf: (name) => roles.excluded[name],
    appoint: (primary, excluded) => change({ primary, excluded: Object.fromEntries(excluded) }),
    exclude: (name, exclusion) =>
      change({ ...roles, excluded: Object.fromEntries([...without(name), [name, exclusion]]) }),
    admit: (name) => {
      if (roles.excluded[name] !== undefined) change({ ...roles, excluded: Object.fromEntries(without(name)) });
    },
  };
};
