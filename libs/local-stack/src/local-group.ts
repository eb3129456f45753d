import { DATABASE } from './accounts.ts';
import { excludedOf, followersOf, type GroupContext, primaryOf } from './group-context.ts';
import { openGroupRoles } from './group-roles.ts';
import { createLocalNode, type LocalNode } from './local-node.ts';
import { createMariadbProcess, type MariadbProcess, type NodePlace, type NodeSurroundings } from './mariadb-node.ts';
import { createGroupNetwork } from './node-network.ts';
import { LOCAL_HOST } from './ports.ts';
import { type Promotion, type PromotionOptions, promote } from './promote.ts';
import { startGroup } from './start-group.ts';
import { createTurns } from './turns.ts';

/** One order group: a primary and its replicas. */
export type LocalGroup = {
  readonly tag: number;
  readonly database: string;
  readonly nodes: readonly LocalNode[];
  primary(): LocalNode;
  /** The nodes that follow the primary, running or not; without those that are left out. */
  replicas(): readonly LocalNode[];
  /** The nodes that take no part, and why: a former primary that has not come back, a copy that was not finished. */
  excluded(): readonly { readonly node: LocalNode; readonly reason: string }[];
  /** Makes the most advanced replica the primary; callers at the same time share one promotion. See `promote`. */
  promote(options?: PromotionOptions): Promise<Promotion>;
};

/** A group with what only the stack itself does. */
export type ControlledGroup = LocalGroup & {
  /**
   * Starts all nodes and opens the primary; tells how many replicas acknowledge. `gate` bounds how many servers start at
   * the same moment.
   */
  startAll(gate: <T>(work: () => Promise<T>) => Promise<T>, signal?: AbortSignal): Promise<number>;
  /** Ends the primary first: while its replicas live, no session waits for an acknowledgement that cannot come. */
  stopAll(): Promise<void>;
};

const NODE_LETTERS = ['a', 'b', 'c'] as const;

/** The names of a group's nodes. */
export const namesOfGroup = (tag: number): readonly string[] => NODE_LETTERS.map((letter) => `g${tag}-${letter}`);

/** The places of a group's nodes; server ids differ over all groups. */
export const placesOfGroup = (
  tag: number,
  portOf: (name: string) => number,
  disks: Readonly<Record<string, number>> = {},
): readonly NodePlace[] =>
  namesOfGroup(tag).map((name, index) => ({
    name,
    groupTag: tag,
    serverId: tag * 10 + index + 1,
    port: portOf(name),
    diskMegabytes: disks[name],
  }));

/** One group as it will be; nothing is started. The first place is the primary's, until another is promoted. */
export const createLocalGroup = (options: {
  readonly tag: number;
  readonly places: readonly NodePlace[];
  readonly surroundings: NodeSurroundings;
  readonly onProgress: (line: string) => void;
  /** The ports of the proxies, by their names; without it there are none. */
  readonly proxyPortOf?: ((name: string) => number) | undefined;
}): ControlledGroup => {
  const { tag, places, surroundings, onProgress, proxyPortOf } = options;
  const { clock, accounts, folder } = surroundings;
  const names = places.map(({ name }) => name);
  const roles = openGroupRoles(folder.rolesFile(tag), names);
  const network =
    proxyPortOf && createGroupNetwork({ clock, nodes: places, portOf: proxyPortOf, primary: () => roles.primary() });
  const processes = places.map((place) =>
    createMariadbProcess(place, surroundings, async (state) => network?.serverIs(place.name, state)),
  );
  const closing = new AbortController();
  const context: GroupContext = {
    tag,
    clock,
    accounts,
    processes,
    roles,
    wayToPrimary: async ({ name }) =>
      (await network?.wayToPrimary(name)) ?? { host: LOCAL_HOST, port: primaryOf(context).port },
    isReachable: ({ name }) => network?.isAway(name) !== true,
    onProgress,
    closing: closing.signal,
    primaryWaits: false,
  };
  const turns = createTurns();
  let promoting: Promise<Promotion> | undefined;

  const nodes = new Map(processes.map((process) => [process, createLocalNode(process, context, { turns, network })]));
  const handle = (process: MariadbProcess) => nodes.get(process) as LocalNode;

  return {
    tag,
    database: DATABASE,
    nodes: [...nodes.values()],
    primary: () => handle(primaryOf(context)),
    replicas: () => followersOf(context).map(handle),
    excluded: () =>
      excludedOf(context).map((process) => ({
        node: handle(process),
        reason: context.roles.exclusionOf(process.name)?.reason ?? '',
      })),
    promote: (promotionOptions) => {
      promoting ??= turns
        .alone(() => promote(context, promotionOptions))
        .finally(() => {
          promoting = undefined;
        });
      return promoting;
    },
    startAll: (gate, signal) =>
      turns.alone(async () => {
        await network?.start();
        return startGroup(context, gate, signal);
      }),
    stopAll: async () => {
      closing.abort(new Error(`group ${tag} is stopped`));
      const stop = async () => {
        await primaryOf(context).stop();
        await Promise.all(processes.map((process) => process.stop()));
      };
      await stop();
      // What was under way ends by its servers' end; one that it was just starting is ended here.
      await turns.alone(stop);
      await Promise.all(processes.map((process) => process.leave()));
      await network?.close();
    },
  };
};
