import type { Clock } from '@tillmesh/clock';
import type { z } from '@tillmesh/config';
import type { GroupTag } from '@tillmesh/domain';
import type { Log } from '@tillmesh/telemetry';
import type { Account } from './connection.ts';
import { createGroupClients } from './group-clients.ts';
import { type GroupDescription, type GroupMap, holderOf } from './group-map.ts';
import type { MapView } from './group-maps.ts';
import { createMapKeeper } from './map-keeper.ts';
import { type MigrationReport, migrateGroups } from './migrate.ts';
import { type MoveProgress, type MoveReport, moveGroup } from './move/move-group.ts';
import { MoveRefused } from './move/move-refused.ts';
import { openForChanges, readEpoch } from './move/source-fence.ts';
import type { GroupAdministrationConfig } from './order-groups.ts';
import { type GroupSchema, readSchemas } from './schema-version.ts';

/** What a move needs of whoever asks for it. */
export type MoveRequest = {
  readonly source: GroupTag;
  readonly target: GroupTag;
  /** Copies everything once more. */
  readonly again: boolean;
  /**
   * Asks an order store to put `state` for the source in force over the map of this version. Throws MoveRefused where that was certainly not
   * begun.
   */
  readonly changeMap: (state: 'migrating' | 'retired', expectedVersion: number) => Promise<void>;
  /** How long the map that retires the group is asked for and waited for, ms; a minute unless told. */
  readonly switchMsMax?: number;
  readonly onProgress: (progress: MoveProgress) => void;
};

/** What an operator does with the order groups, beside what an order store does for everybody. */
export type GroupAdministration = {
  /** The map in force, and those that are still consulted; asks the groups first. */
  map(): Promise<MapView>;
  schemas(): Promise<readonly GroupSchema[]>;
  /** Brings groups to the latest schema, also those that are not on the map yet. */
  migrate(groups: readonly GroupDescription[], onDone: (report: MigrationReport) => void): Promise<void>;
  /** Takes a group's orders to another one and retires it. @throws {MoveRefused} with what to do. */
  move(request: MoveRequest): Promise<MoveReport>;
  close(): void;
};

const POOL = { connectionsMax: 6, waitersMax: 20, waitMsMax: 1_000, idleMin: 1 };
const STATEMENT_MS_MAX = 1_000;
const MONITOR_EVERY_MS = 500;
/** Longer than any window may be: whoever moves orders wants to know all earlier maps. */
const IDEMPOTENCY_MS = 2_400 * 3_600_000;
const MAP_WITHIN_MS = 60_000;
const LOOK_AGAIN_MS = 200;

/** The tags whose orders a group holds: its own, and those of retired groups that led here. */
export const tagsHeldBy = (map: GroupMap, tag: GroupTag): GroupTag[] =>
  map.groups.map((group) => group.tag).filter((candidate) => holderOf(map, candidate) === tag);

/** Why orders cannot go from one group to another by this map; undefined where they can. */
export const whyNotMovable = (map: GroupMap, source: GroupTag, target: GroupTag): string | undefined => {
  const from = map.groups.find(({ tag }) => tag === source);
  const to = map.groups.find(({ tag }) => tag === target);
  if (from === undefined) return `group ${source} is not on the map`;
  if (to === undefined) return `group ${target} is not on the map`;
  if (from.state === 'retired') return `group ${source} is retired already: group ${from.successor} has its orders`;
  if (source === target) return `group ${source} cannot be its own successor`;
  if (from.state === 'open') return `group ${source} takes new orders; first: npm run groups -- close ${source}`;
  if (from.state === 'migrating' && from.successor !== target)
    return `the orders of group ${source} are on their way to group ${from.successor}; go on with that one`;
  if (to.state !== 'open') return `group ${target} is ${to.state}; orders go to an open one`;
  const others = map.groups.filter(({ state, successor }) => state === 'migrating' && successor === source);
  return others.length === 0
    ? undefined
    : `the orders of group ${others.map(({ tag }) => tag).join(' and ')} are on their way to group ${source}; let them arrive first`;
};

/** Opens the groups for an operator. */
export const createGroupAdministration = async (options: {
  readonly config: Omit<z.output<typeof GroupAdministrationConfig>, 'map'> & { readonly map: GroupMap };
  readonly clock: Clock;
  readonly log: Log;
}): Promise<GroupAdministration> => {
  const { config, clock, log } = options;
  const account: Account = { user: config.user, password: config.password.reveal(), database: config.database };
  const groups = createGroupClients({
    map: config.map,
    account,
    config: {
      pool: POOL,
      circuit: { failuresToOpen: 1_000, windowMs: 60_000 },
      monitorEveryMs: MONITOR_EVERY_MS,
      statementMsMax: STATEMENT_MS_MAX,
    },
    instanceId: undefined,
    clock,
    log,
  });
  const keeper = createMapKeeper({
    seed: config.map,
    groups,
    idempotencyMs: IDEMPOTENCY_MS,
    statementMsMax: STATEMENT_MS_MAX,
    clock,
    log,
  });
  const look = async (): Promise<MapView> => {
    await groups.look();
    await keeper.refresh();
    // Groups that a newer map has brought.
    await groups.look();
    return keeper.current();
  };
  await look();

  const awaitMap = async (isThere: (map: GroupMap) => boolean): Promise<boolean> => {
    const endMs = clock.monotonicMs() + MAP_WITHIN_MS;
    while (!isThere((await look()).map)) {
      if (clock.monotonicMs() > endMs) return false;
      await clock.sleep(LOOK_AGAIN_MS);
    }
    return true;
  };
  const stateOf = (map: GroupMap, tag: GroupTag) => map.groups.find((group) => group.tag === tag)?.state;

  /** What a run that died in its last step has left: the group takes no changes. */
  const reopen = async (source: GroupTag, version: number): Promise<void> => {
    const within = () => ({ atMs: clock.monotonicMs() + STATEMENT_MS_MAX });
    const client = groups.of(source);
    if (await client.write(within(), (connection) => openForChanges(connection, version, within()))) return;
    throw new MoveRefused(
      `group ${source} is being changed by somebody else; look at the map and run the same command again`,
    );
  };

  /**
   * Asks for the map that retires the group until it is in force.
   *
   * @throws {MoveRefused} where it was refused when it was first asked for: only then it is certain that nobody brings it into force.
   */
  const switchOver = async (source: GroupTag, msMax: number, ask: () => Promise<void>): Promise<void> => {
    const endMs = clock.monotonicMs() + msMax;
    let isCertain = true;
    let last: unknown;
    while (clock.monotonicMs() < endMs) {
      try {
        await ask();
      } catch (error) {
        if (isCertain && error instanceof MoveRefused) throw error;
        last = error;
      }
      isCertain = false;
      if (stateOf((await look()).map, source) === 'retired') return;
      await clock.sleep(LOOK_AGAIN_MS);
    }
    throw new Error(
      `nobody knows whether the map that retires group ${source} comes into force; the group takes no changes until it does. See that all groups and an order store answer, and run the same command again`,
      { cause: last },
    );
  };

  const move: GroupAdministration['move'] = async (request) => {
    const { source, target, again, changeMap, switchMsMax = MAP_WITHIN_MS, onProgress } = request;
    const { map } = await look();
    const why = whyNotMovable(map, source, target);
    if (why !== undefined) throw new MoveRefused(why);
    const within = { atMs: clock.monotonicMs() + STATEMENT_MS_MAX };
    const epoch = await groups.of(source).write(within, (connection) => readEpoch(connection, within));
    // A version of its own: what a dead run has asked for comes too late from now on, and the group may be opened again.
    if (stateOf(map, source) !== 'migrating' || !epoch.takesChanges) {
      await changeMap('migrating', map.version);
      const isThere = await awaitMap((now) => now.version > map.version);
      if (!isThere)
        throw new MoveRefused('the group map does not change; look whether all groups answer, and try again');
    }
    const { map: now } = keeper.current();
    if (!epoch.takesChanges) await reopen(source, now.version);
    return moveGroup({
      source: groups.of(source),
      target: groups.of(target),
      tags: tagsHeldBy(now, source),
      mapVersion: async () => (await look()).map.version,
      again,
      clock,
      onProgress,
      switchOver: (version) => switchOver(source, switchMsMax, () => changeMap('retired', version)),
    });
  };

  return {
    map: look,
    schemas: async () => {
      await look();
      return readSchemas(groups, { atMs: clock.monotonicMs() + STATEMENT_MS_MAX });
    },
    migrate: (which, onDone) => migrateGroups({ groups: which, account, clock, onDone }),
    move,
    close: () => {
      keeper.close();
      groups.close();
    },
  };
};
