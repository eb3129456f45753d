import type { Clock } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import type { Log } from '@tillmesh/telemetry';
import { optionalText } from './columns.ts';
import type { Deadline } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupClient } from './group-client.ts';
import type { GroupClients } from './group-clients.ts';
import { type GroupDescription, type GroupMap, mistakesOf } from './group-map.ts';
import { ACTIVATE_MAP, BUMP_EPOCH, INSERT_MAP, SELECT_EPOCH } from './group-statements.ts';
import { EARLIER_MAPS_MAX, type MapKeeper, mapText, readMaps } from './map-keeper.ts';
import { transaction } from './transaction.ts';

/** What to change about one group; a new tag adds a group. */
export type MapChange = GroupDescription & {
  /** The version that whoever asks has seen: another one in force by now refuses the change. */
  readonly expectedVersion: number;
  /** Why, for whoever reads the history. */
  readonly reason: string;
};

/** What became of a change. */
export type MapChanged =
  | { readonly kind: 'changed'; readonly map: GroupMap }
  /** Every reason at once; nothing was changed. */
  | { readonly kind: 'refused'; readonly why: readonly string[] }
  /** It was begun and not every group could be told; it goes on by itself as soon as they answer. */
  | { readonly kind: 'begun'; readonly missing: readonly GroupTag[] };

export type MapChanger = {
  change(change: MapChange): Promise<MapChanged>;
  /** Brings a change to its end that somebody has begun, and tells groups that were away of the map in force. */
  goOn(): Promise<void>;
};

const TOLD_WITHIN_MS = 5_000;

const merged = ({ version, groups }: GroupMap, change: MapChange): GroupMap => {
  const { expectedVersion: _version, reason: _reason, ...description } = change;
  const before = groups.find(({ tag }) => tag === change.tag);
  const endpoints = description.endpoints.length === 0 ? (before?.endpoints ?? []) : description.endpoints;
  const others = groups.filter(({ tag }) => tag !== change.tag);
  return {
    version: version + 1,
    groups: [...others, { ...description, endpoints }].sort((a, b) => a.tag - b.tag),
  };
};

/** In how many ways maps place orders: one that changes no open group places them as the one before. */
const placingsOf = (maps: readonly GroupMap[]): number => {
  const open = ({ groups }: GroupMap) => groups.filter(({ state }) => state === 'open').map(({ tag }) => tag);
  return new Set(maps.map((map) => open(map).join(' '))).size;
};

/**
 * Changes the group map at run time. Every group is told of the new version first, which shuts out writers of the old one; then it is
 * in force. A crash in between leaves a version that is prepared: any instance brings it to its end.
 */
export const createMapChanger = (options: {
  readonly keeper: MapKeeper;
  readonly groups: GroupClients;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly log: Log;
}): MapChanger => {
  const { keeper, groups, statementMsMax, clock, log } = options;
  const within = (ms: number): Deadline => ({ atMs: clock.monotonicMs() + ms });

  /** Writes the version and its whole history, and bumps the fence. True when the group has exactly this content. */
  const tell = async (client: GroupClient, map: GroupMap, reason: string): Promise<boolean> => {
    const deadline = within(statementMsMax);
    const known = keeper.current();
    const nowMs = clock.nowMs();
    return client.write(
      deadline,
      (connection) =>
        transaction(connection, deadline, async () => {
          for (const before of [...known.earlier, known.map].sort((a, b) => a.version - b.version)) {
            await connection.run(INSERT_MAP, [before.version, mapText(before), '', nowMs], deadline);
            await connection.run(ACTIVATE_MAP, [nowMs, before.version], deadline);
          }
          await connection.run(INSERT_MAP, [map.version, mapText(map), reason, nowMs], deadline);
          const there = (await readMaps(connection, map.version - 1, deadline))[0];
          const isSame = there !== undefined && mapText(there.map) === mapText(map);
          if (isSame) await connection.run(BUMP_EPOCH, [map.version, map.version], deadline);
          return { commit: isSame, value: isSame };
        }),
      (isSame) => isSame,
    );
  };

  const tellPatiently = async (client: GroupClient, map: GroupMap, reason: string): Promise<boolean | undefined> => {
    const end = within(TOLD_WITHIN_MS);
    for (;;) {
      try {
        return await tell(client, map, reason);
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        if (clock.monotonicMs() + 100 > end.atMs) return undefined;
        await clock.sleep(100);
      }
    }
  };

  const activate = async (map: GroupMap): Promise<void> => {
    const nowMs = clock.nowMs();
    const activated = await Promise.allSettled(
      groups.all().map((client) => {
        const deadline = within(statementMsMax);
        return client.write(deadline, (connection) => connection.run(ACTIVATE_MAP, [nowMs, map.version], deadline));
      }),
    );
    // One is enough: whoever reads it there knows that every group was told before.
    if (activated.every(({ status }) => status === 'rejected'))
      throw new DatabaseError('TILLMESH_MAP_NOT_ACTIVATED', 'ambiguous');
    await keeper.refresh();
  };

  /** Tells all groups, the one with the lowest tag first: of two changes at once it takes one. */
  const carryOut = async (map: GroupMap, reason: string): Promise<MapChanged> => {
    const holders = groups.all().toSorted((a, b) => a.tag - b.tag);
    const [arbiter, ...others] = holders;
    if (arbiter === undefined) return { kind: 'refused', why: ['there is no group'] };
    const first = await tellPatiently(arbiter, map, reason);
    if (first === false) return { kind: 'refused', why: [`somebody else has begun version ${map.version} of the map`] };
    // Without its word nobody knows which of two changes it is.
    if (first === undefined) return { kind: 'begun', missing: holders.map(({ tag }) => tag) };
    const told = await Promise.all(others.map((client) => tellPatiently(client, map, reason)));
    const missing = others.filter((_, place) => told[place] !== true).map(({ tag }) => tag);
    if (missing.length > 0) return { kind: 'begun', missing };
    await activate(map);
    log.info({ version: map.version, reason }, 'a new group map is in force');
    return { kind: 'changed', map };
  };

  /** Whether anything in the group may still change: then its orders cannot be somewhere else already. */
  const takesChanges = async (tag: GroupTag): Promise<boolean> => {
    const deadline = within(statementMsMax);
    const client = groups.of(tag);
    const { rows } = await client.write(deadline, (connection) => connection.run(SELECT_EPOCH, [], deadline));
    return optionalText(rows[0], 'mode') !== 'RO';
  };

  const objections = async (map: GroupMap, change: MapChange): Promise<string[]> => {
    const now = keeper.current();
    if (change.expectedVersion !== now.map.version) {
      return [
        `the map in force is version ${now.map.version}, not ${change.expectedVersion}: read it and decide again`,
      ];
    }
    const why = mistakesOf(map);
    if (placingsOf(now.earlier) >= EARLIER_MAPS_MAX) {
      why.push(
        `${EARLIER_MAPS_MAX} ways of placing of the idempotency window are still consulted; wait until some are older`,
      );
    }
    const before = now.map.groups.find(({ tag }) => tag === change.tag);
    if (before?.state === 'retired') why.push(`group ${change.tag} is retired; tags are never used again`);
    if (before === undefined && change.state !== 'open')
      why.push(`a group comes onto the map open, not ${change.state}`);
    if (before === undefined && change.endpoints.length === 0)
      why.push(`group ${change.tag} is new: name its endpoints`);
    if (why.length === 0 && change.state === 'retired' && (await takesChanges(change.tag))) {
      why.push(
        `the orders of group ${change.tag} are not at its successor; npm run groups -- migrate brings them there and retires it`,
      );
    }
    if (why.length > 0) return why;
    if (before === undefined) await groups.prepare(change).look();
    for (const client of groups.all()) {
      const { primary, note } = client.status();
      if (primary === '') why.push(`group ${client.tag} has no primary: ${note}`);
    }
    return why;
  };

  return {
    change: async (change) => {
      const map = merged(keeper.current().map, change);
      const why = await objections(map, change);
      return why.length > 0 ? { kind: 'refused', why } : carryOut(map, change.reason);
    },
    goOn: async () => {
      const prepared = keeper.prepared();
      if (prepared !== undefined) {
        for (const group of prepared.groups) if (group.state !== 'retired') groups.prepare(group);
        await carryOut(prepared, 'begun before');
        return;
      }
      const { map } = keeper.current();
      const behind = groups.all().filter((client) => client.mapVersion() > 0 && client.mapVersion() < map.version);
      for (const client of behind) await tell(client, map, 'told later').catch(() => false);
    },
  };
};
