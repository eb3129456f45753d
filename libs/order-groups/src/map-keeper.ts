import { type Clock, repeat } from '@tillmesh/clock';
import { gauge, type Log, withoutSpans } from '@tillmesh/telemetry';
import { optionalWhole, text, whole } from './columns.ts';
import type { Connection, Deadline } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupClient } from './group-client.ts';
import type { GroupClients } from './group-clients.ts';
import { type GroupMap, GroupMapConfig } from './group-map.ts';
import type { GroupMaps, MapView } from './group-maps.ts';
import { SELECT_MAPS } from './group-statements.ts';

/** A version of the map as the groups keep it. */
export type KeptMap = {
  readonly map: GroupMap;
  /** Undefined while it is prepared: not every group was told of it. */
  readonly activatedAtMs: number | undefined;
};

const versionGauge = gauge('tillmesh_group_map_version', 'The version of the group map by which orders are placed.');

/** So often groups are asked for a map that nobody has spoken of. */
const REFRESH_EVERY_MS = 5_000;
/** So often it is looked whether a group admits writers of a newer map. */
const NOTICE_EVERY_MS = 250;
/** Between two looks by somebody who was told that there is a newer map. */
const LOOK_AGAIN_MS = 20;
/** In so many ways at most the maps of the last window have placed orders: each is consulted for a number. A change beyond is refused. */
export const EARLIER_MAPS_MAX = 16;

/** The map as text, in the form that groups keep. */
export const mapText = (map: GroupMap): string => JSON.stringify(map);

const mapOf = (content: string): GroupMap => GroupMapConfig.parse(JSON.parse(content));

/** Reads the versions of the map that a server has, above one that is known. */
export const readMaps = async (
  connection: Connection,
  above: number,
  deadline: Deadline,
): Promise<readonly KeptMap[]> => {
  const { rows } = await connection.run(SELECT_MAPS, [above], deadline);
  return rows.map((row) => ({
    map: mapOf(text(row, 'content')),
    activatedAtMs:
      text(row, 'state') === 'active' ? (optionalWhole(row, 'activated_at') ?? whole(row, 'version')) : undefined,
  }));
};

/** Follows the group map that the groups themselves keep. */
export type MapKeeper = GroupMaps & {
  /** Asks the groups for newer versions. */
  refresh(): Promise<void>;
  /** A version that was begun and is not in force yet. */
  prepared(): GroupMap | undefined;
  close(): void;
};

/**
 * Creates the keeper. The map that the configuration names is only where to begin: the newest that any group knows to be in force
 * counts.
 *
 * @param idempotencyMs how long after a change numbers are looked for where the map before it placed them.
 */
export const createMapKeeper = (options: {
  readonly seed: GroupMap;
  readonly groups: GroupClients;
  readonly idempotencyMs: number;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly log: Log;
}): MapKeeper => {
  const { seed, groups, idempotencyMs, statementMsMax, clock, log } = options;
  const stop = new AbortController();
  const kept = new Map<number, KeptMap>([[seed.version, { map: seed, activatedAtMs: 0 }]]);
  let view: MapView = { map: seed, earlier: [] };
  let viewedAtMs = clock.monotonicMs();

  const active = (): KeptMap[] =>
    [...kept.values()]
      .filter(({ activatedAtMs }) => activatedAtMs !== undefined)
      .sort((a, b) => b.map.version - a.map.version);

  /** A map is consulted as long as the one that replaced it is younger than the window. */
  const viewNow = (): MapView => {
    const [newest, ...older] = active();
    const nowMs = clock.nowMs();
    const earlier: GroupMap[] = [];
    let replacedAtMs = newest?.activatedAtMs ?? 0;
    for (const { map, activatedAtMs } of older) {
      if (nowMs - replacedAtMs >= idempotencyMs) break;
      earlier.push(map);
      replacedAtMs = activatedAtMs ?? 0;
    }
    return { map: newest?.map ?? seed, earlier };
  };

  const current = (): MapView => {
    // What is earlier grows old by itself.
    if (view.earlier.length > 0 && clock.monotonicMs() - viewedAtMs > REFRESH_EVERY_MS) {
      view = viewNow();
      viewedAtMs = clock.monotonicMs();
    }
    return view;
  };

  const learn = (found: readonly KeptMap[]): void => {
    for (const one of found) {
      const known = kept.get(one.map.version);
      if (known?.activatedAtMs === undefined) kept.set(one.map.version, one);
    }
    const before = view.map.version;
    view = viewNow();
    viewedAtMs = clock.monotonicMs();
    if (view.map.version === before) return;
    groups.follow(view.map);
    versionGauge.set({}, view.map.version);
    log.info({ from: before, to: view.map.version }, 'the group map has changed');
  };

  const ask = async (client: GroupClient): Promise<void> => {
    const deadline = { atMs: clock.monotonicMs() + statementMsMax };
    try {
      const { value } = await client.read(deadline, (connection, until) =>
        readMaps(connection, view.map.version, until),
      );
      learn(value);
    } catch (error) {
      // A group that is away cannot tell; the others can.
      if (!(error instanceof DatabaseError)) throw error;
    }
  };

  let refreshing: Promise<void> | undefined;
  const refresh = (): Promise<void> => {
    refreshing ??= withoutSpans(async () => {
      await Promise.all(groups.all().map(ask));
    }).finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  };

  let refreshedAtMs = clock.monotonicMs();
  const refreshWhereDue = async (): Promise<void> => {
    const isTold = groups.all().some((client) => client.mapVersion() > view.map.version);
    if (!isTold && clock.monotonicMs() - refreshedAtMs < REFRESH_EVERY_MS) return;
    refreshedAtMs = clock.monotonicMs();
    await refresh();
  };

  repeat({
    clock,
    everyMs: NOTICE_EVERY_MS,
    signal: stop.signal,
    task: refreshWhereDue,
    onError: (error) => log.error({ err: error }, 'could not ask for the group map'),
  }).catch((error: unknown) => log.error({ err: error }, 'the group map is followed no more'));

  versionGauge.set({}, seed.version);
  return {
    current,
    refresh,
    newerThan: async (version, deadline) => {
      while (view.map.version <= version) {
        if (clock.monotonicMs() + LOOK_AGAIN_MS >= deadline.atMs || stop.signal.aborted) return false;
        await refresh();
        if (view.map.version <= version) await clock.sleep(LOOK_AGAIN_MS);
      }
      return true;
    },
    prepared: () => {
      const next = [...kept.values()].filter(
        ({ map, activatedAtMs }) => activatedAtMs === undefined && map.version > view.map.version,
      );
      return next.sort((a, b) => a.map.version - b.map.version)[0]?.map;
    },
    close: () => stop.abort(new Error('the map keeper was closed')),
  };
};
