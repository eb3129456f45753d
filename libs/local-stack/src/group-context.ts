import type { Clock } from '@tillmesh/clock';
import type { AllAccounts } from './accounts.ts';
import type { GroupRoles } from './group-roles.ts';
import type { MariadbProcess } from './mariadb-node.ts';

/** What everything that is done to a running group needs to know. */
export type GroupContext = {
  readonly tag: number;
  readonly clock: Clock;
  readonly accounts: AllAccounts;
  readonly processes: readonly MariadbProcess[];
  readonly roles: GroupRoles;
  /** Where a node finds the present primary: its server's own port, or a proxy before it. */
  readonly wayToPrimary: (from: MariadbProcess) => Promise<{ readonly host: string; readonly port: number }>;
  /** Whether somebody on another machine could reach the node's server, if it answers. */
  readonly isReachable: (node: MariadbProcess) => boolean;
  readonly onProgress: (line: string) => void;
  /** Aborted when the group is stopped: whatever is under way ends. */
  readonly closing: AbortSignal;
  /** True while the primary is up and read-only, because no replica has come yet: it opens with the first. */
  primaryWaits: boolean;
};

/** The node that takes writes, or will when it is up. */
export const primaryOf = ({ processes, roles }: GroupContext): MariadbProcess => {
  const primary = processes.find(({ name }) => name === roles.primary());
  // The roles were checked against the names when they were read.
  if (primary === undefined) throw new Error(`${roles.primary()} is no node of this group`);
  return primary;
};

/** The nodes that follow the primary, running or not. */
export const followersOf = ({ processes, roles }: GroupContext): readonly MariadbProcess[] =>
  processes.filter(({ name }) => name !== roles.primary() && roles.exclusionOf(name) === undefined);

/** The nodes that are left out. */
export const excludedOf = ({ processes, roles }: GroupContext): readonly MariadbProcess[] =>
  processes.filter(({ name }) => name !== roles.primary() && roles.exclusionOf(name) !== undefined);
