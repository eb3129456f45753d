import type { LocalGroup, LocalNode } from '@tillmesh/local-stack';

/** A way in which the primary of a group can fail. */
export type GroupFault = {
  readonly name: string;
  readonly does: string;
  begin(primary: LocalNode): Promise<void>;
  /** Makes the machine of the former primary reachable again, its server ended: what an operator calls fencing. */
  fence(primary: LocalNode): Promise<void>;
};

/** The three faults of the published design's drill, and more than it: a frozen server and a network that swallows everything. */
export const GROUP_FAULTS: readonly GroupFault[] = [
  {
    name: 'kill',
    does: 'kill -9',
    begin: (primary) => primary.kill('SIGKILL'),
    fence: async () => undefined,
  },
  {
    name: 'freeze',
    does: 'SIGSTOP',
    begin: (primary) => primary.kill('SIGSTOP'),
    fence: (primary) => primary.kill('SIGKILL'),
  },
  {
    name: 'cut',
    does: 'cut off',
    begin: (primary) => primary.network().everything.cut(),
    fence: async (primary) => {
      // Ended before it is reachable: it would find writes of clients that nobody waits for any more.
      await primary.kill('SIGKILL');
      await primary.network().everything.heal();
    },
  },
];

/** Brings a former primary back as a replica; made anew where it has what the group does not. */
export const bringBack = async (group: LocalGroup, node: LocalNode): Promise<'followed' | 'rebuilt'> => {
  try {
    await node.start();
    if (group.replicas().includes(node)) return 'followed';
  } catch {
    // It has gone its own way: rebuild says why, if that fails too.
  }
  await node.rebuild();
  return 'rebuilt';
};
