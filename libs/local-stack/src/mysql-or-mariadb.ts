import { join } from 'node:path';
import { type ControlledGroup, createLocalGroup } from './local-group.ts';
import type { NodePlace, NodeSurroundings } from './mariadb-node.ts';
import { makeTemplate, templateFolder } from './mariadb-template.ts';
import { createMysqlGroup } from './mysql-group.ts';
import { findMysql } from './mysql-server.ts';
import { makeMysqlTemplate } from './mysql-template.ts';
import { findRedis, findServers, type MissingServer, type RedisServer } from './servers.ts';

/** What a group's nodes run. */
export type ServerKind = 'mariadb' | 'mysql';

/** A database server that was found, and how a stack makes groups of it. */
export type ReadyServer = {
  /** Makes the empty data folder in a stack's folder, unless it is there, and tells where it is. */
  makeTemplate(
    stackFolder: string,
    options: { readonly asRoot: boolean; readonly logs: string; readonly signal?: AbortSignal | undefined },
  ): Promise<string>;
  createGroup(options: {
    readonly tag: number;
    readonly places: readonly NodePlace[];
    readonly surroundings: Omit<NodeSurroundings, 'server'>;
    readonly onProgress: (line: string) => void;
    /** The ports of the proxies, by their names; without it there are none. */
    readonly proxyPortOf?: ((name: string) => number) | undefined;
  }): ControlledGroup;
};

/** What this machine has of what a stack needs. */
export type FoundForStack =
  | { readonly kind: 'found'; readonly database: ReadyServer; readonly redis: RedisServer | undefined }
  | { readonly kind: 'missing'; readonly missing: readonly MissingServer[] };

const findForMysql = async (redis: boolean): Promise<FoundForStack> => {
  const [server, foundRedis] = await Promise.all([findMysql(), redis ? findRedis() : undefined]);
  const missing = [server, foundRedis].filter((each) => each !== undefined && 'problem' in each);
  if ('problem' in server || (foundRedis !== undefined && 'problem' in foundRedis)) return { kind: 'missing', missing };
  const database: ReadyServer = {
    makeTemplate: async (stackFolder, options) => {
      const folder = join(stackFolder, `template-mysql-${server.version}`);
      await makeMysqlTemplate(server, folder, options);
      return folder;
    },
    createGroup: ({ surroundings, ...rest }) =>
      createMysqlGroup({ ...rest, surroundings: { ...surroundings, server } }),
  };
  return { kind: 'found', database, redis: foundRedis };
};

/** Looks for the programs of a stack. Starts and changes nothing. */
export const findForStack = async (kind: ServerKind, needed: { readonly redis: boolean }): Promise<FoundForStack> => {
  if (kind === 'mysql') return findForMysql(needed.redis);
  const found = await findServers(needed);
  if (found.kind === 'missing') return found;
  const { mariadb: server, redis } = found;
  const database: ReadyServer = {
    makeTemplate: async (stackFolder, options) => {
      const folder = templateFolder(stackFolder, server);
      await makeTemplate(server, folder, options);
      return folder;
    },
    createGroup: ({ surroundings, ...rest }) =>
      createLocalGroup({ ...rest, surroundings: { ...surroundings, server } }),
  };
  return { kind: 'found', database, redis };
};
