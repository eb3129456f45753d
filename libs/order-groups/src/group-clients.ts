import type { Clock } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import type { Log } from '@tillmesh/telemetry';
import type { Account } from './connection.ts';
import { createGroupClient, type GroupClient, type GroupClientConfig } from './group-client.ts';
import type { GroupMap } from './group-map.ts';

/** An order number names a group that is not on the map. */
export class UnknownGroup extends Error {
  override readonly name = 'UnknownGroup';
}

/** The clients of every group on the map. */
export type GroupClients = {
  readonly all: readonly GroupClient[];
  find(tag: GroupTag): GroupClient | undefined;
  /** @throws {UnknownGroup} */
  of(tag: GroupTag): GroupClient;
  /** Looks at every node once; resolves when all were asked. */
  look(): Promise<void>;
  close(): void;
};

/** Creates a client for each group of the map. */
export const createGroupClients = (options: {
  readonly map: GroupMap;
  readonly account: Account;
  readonly config: GroupClientConfig;
  /** Undefined for readers: they write nothing, not even a heartbeat. */
  readonly workerId: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}): GroupClients => {
  const { map, ...rest } = options;
  const byTag = new Map(map.groups.map((group) => [group.tag, createGroupClient({ ...rest, group })]));
  const all = [...byTag.values()];
  return {
    all,
    find: (tag) => byTag.get(tag),
    of: (tag) => {
      const client = byTag.get(tag);
      if (client === undefined) throw new UnknownGroup(`group ${tag} is not on the group map`);
      return client;
    },
    look: async () => {
      await Promise.all(all.map((client) => client.look()));
    },
    close: () => {
      for (const client of all) client.close();
    },
  };
};
