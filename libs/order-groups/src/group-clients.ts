import type { GroupTag } from '@tillmesh/domain';
import { createGroupClient, type GroupClient } from './group-client.ts';
import { type GroupDescription, type GroupMap, holderOf } from './group-map.ts';
import type { GroupClientOptions } from './group-watch.ts';

/** An order number names a group that is not on the map. */
export class UnknownGroup extends Error {
  override readonly name = 'UnknownGroup';
}

/** The clients of every group on the map. A retired group's orders are at its successor: its tag leads there. */
export type GroupClients = {
  /** Those of groups that are not retired. */
  all(): readonly GroupClient[];
  find(tag: GroupTag): GroupClient | undefined;
  /** @throws {UnknownGroup} */
  of(tag: GroupTag): GroupClient;
  /** Follows a map: new groups get a client, retired ones lose theirs, and all learn their state. */
  follow(map: GroupMap): void;
  /** A client for a group that is about to come onto the map; `follow` keeps it. */
  prepare(group: GroupDescription): GroupClient;
  /** Looks at every node once; resolves when all were asked. */
  look(): Promise<void>;
  close(): void;
};

/** Creates a client for each group of the map. */
export const createGroupClients = (
  options: Omit<GroupClientOptions, 'group'> & { readonly map: GroupMap },
): GroupClients => {
  const { map: first, ...rest } = options;
  const clients = new Map<GroupTag, GroupClient>();
  let map = first;

  const prepare = (group: GroupDescription): GroupClient => {
    const known = clients.get(group.tag);
    if (known !== undefined) return known;
    const client = createGroupClient({ ...rest, group });
    clients.set(group.tag, client);
    return client;
  };

  const follow = (next: GroupMap): void => {
    map = next;
    for (const group of next.groups) {
      if (group.state === 'retired') {
        clients.get(group.tag)?.close();
        clients.delete(group.tag);
      } else prepare(group).setState(group.state);
    }
  };

  const find = (tag: GroupTag): GroupClient | undefined => clients.get(holderOf(map, tag) ?? tag);

  follow(first);
  return {
    all: () => [...clients.values()],
    find,
    of: (tag) => {
      const client = find(tag);
      if (client === undefined) throw new UnknownGroup(`group ${tag} is not on the group map`);
      return client;
    },
    follow,
    prepare,
    look: async () => {
      await Promise.all([...clients.values()].map((client) => client.look()));
    },
    close: () => {
      for (const client of clients.values()) client.close();
    },
  };
};
