import { userInfo } from 'node:os';
import type { Clock } from '@tillmesh/clock';
import { type Accounts, type AllAccounts, openAccounts } from './accounts.ts';
import { takeFolder } from './folder-owner.ts';
import { stopLeftovers } from './leftovers.ts';
import { type ControlledGroup, createLocalGroup, type LocalGroup, namesOfGroup, placesOfGroup } from './local-group.ts';
import { type ControlledRedis, createLocalRedis, type LocalRedis, REDIS_NAME } from './local-redis.ts';
import { LocalStackError } from './local-stack-error.ts';
import { makeTemplate, templateFolder } from './mariadb-template.ts';
import { createSupervisor, type Supervisor } from './process-supervisor.ts';
import { findServers, type MariadbServer, type MissingServer, type RedisServer } from './servers.ts';
import { closeStackFolder, openStackFolder, type StackFolder } from './stack-folder.ts';
import { choosePorts } from './stack-ports.ts';
import { allOrNone, createGate } from './waiting.ts';

/** What to start and where. */
export type LocalStackOptions = {
  /** Absolute path of the data folder; made when it is not there. Data of an earlier start is used again. */
  readonly folder: string;
  /** The groups' tags, each 0 to 127; [1, 2, 3] unless told. */
  readonly groupTags?: readonly number[];
  /**
   * Redis gets this port, the nodes a, b and c of the group with tag t the three ports from basePort + 10 (t + 1) on.
   * Without it free ports are chosen and remembered in the folder.
   */
  readonly basePort?: number;
  /** Whether to start a Redis as well. */
  readonly redis: boolean;
  readonly clock: Clock;
  /** Gets a line for a person whenever something has been done. */
  readonly onProgress?: (line: string) => void;
  /** Ends the start; what has been started is stopped. */
  readonly signal?: AbortSignal;
};

/** Running databases and Redis. */
export type LocalStack = {
  readonly groups: readonly LocalGroup[];
  readonly redis: LocalRedis | undefined;
  readonly accounts: Accounts;
  /** Ends everything in order, in less than three seconds. Works also when some servers are dead already. */
  stop(): Promise<void>;
};

// More servers at once than this only makes all of them slower: a start is bound by the disk and two cores.
const STARTS_CONCURRENT_MAX = 4;
const TAG_MAX = 127;
const GROUP_TAGS: readonly number[] = [1, 2, 3];

const installAdvice = (missing: readonly MissingServer[]): string =>
  [
    ...missing.map(({ server, problem }) => `  ${server}: ${problem}`),
    '  Debian and Ubuntu: apt-get install mariadb-server-core redis-server',
    '  macOS: brew install mariadb redis',
  ].join('\n');

const addressOf = ({ host, port }: { readonly host: string; readonly port: number }): string => `${host}:${port}`;

const checkTags = (tags: readonly number[]): void => {
  const wrong = tags.filter((tag) => !Number.isInteger(tag) || tag < 0 || tag > TAG_MAX);
  if (wrong.length === 0 && new Set(tags).size === tags.length) return;
  throw new LocalStackError(
    'options_wrong',
    `group tags are different whole numbers from 0 to ${TAG_MAX}, not ${tags.join(', ')}`,
  );
};

type Running = {
  readonly groups: readonly ControlledGroup[];
  readonly redis: ControlledRedis | undefined;
};

/** The servers as they will be; nothing is started yet. */
const planServers = (
  options: LocalStackOptions,
  found: { readonly mariadb: MariadbServer; readonly redis: RedisServer | undefined },
  place: {
    readonly folder: StackFolder;
    readonly ports: ReadonlyMap<string, number>;
    readonly accounts: AllAccounts;
    readonly supervisor: Supervisor;
    readonly asRoot: boolean;
  },
): Running => {
  const { folder, ports, accounts, supervisor, asRoot } = place;
  const { groupTags = GROUP_TAGS, clock } = options;
  const portOf = (name: string) => {
    const port = ports.get(name);
    if (port === undefined) throw new Error(`no port was chosen for ${name}`);
    return port;
  };
  const template = templateFolder(folder.root, found.mariadb);
  const surroundings = { server: found.mariadb, folder, template, accounts, supervisor, asRoot };
  return {
    groups: groupTags.map((tag) => createLocalGroup({ tag, places: placesOfGroup(tag, portOf), surroundings, clock })),
    redis:
      found.redis &&
      createLocalRedis({ server: found.redis, port: portOf(REDIS_NAME), home: folder.of(REDIS_NAME), supervisor }),
  };
};

const startAll = async ({ groups, redis }: Running, options: LocalStackOptions): Promise<void> => {
  const { onProgress = () => undefined } = options;
  const gate = createGate(STARTS_CONCURRENT_MAX);
  const starts = groups.map((group) => async (signal: AbortSignal) => {
    await group.startAll(gate, signal);
    onProgress(`group ${group.tag} takes writes: primary ${addressOf(group.primary())}, 2 semi-sync replicas`);
  });
  const startRedis = async (signal: AbortSignal) => {
    if (redis === undefined) return;
    await redis.start(signal);
    onProgress(`Redis answers at ${addressOf(redis.redis)}`);
  };
  await allOrNone([...starts, startRedis], options.signal);
};

/** Ends the servers side by side; a server that is dead already costs no time. */
const stopServers = async ({ groups, redis }: Running): Promise<void> => {
  await Promise.all([...groups.map((group) => group.stopAll()), redis?.stop()]);
};

/**
 * Starts a Redis and order groups of one MariaDB primary and two semi-sync replicas (AFTER_SYNC) as child processes on
 * 127.0.0.1, on a data folder that survives kill -9 of any of them and of this process.
 *
 * @throws {LocalStackError} with what to do: servers missing, folder in use, port taken, a server that does not start.
 * @throws the signal's reason when it is aborted.
 */
export const startLocalStack = async (options: LocalStackOptions): Promise<LocalStack> => {
  const { groupTags = GROUP_TAGS, clock, onProgress = () => undefined, signal } = options;
  checkTags(groupTags);
  const found = await findServers({ redis: options.redis });
  if (found.kind === 'missing') {
    throw new LocalStackError('servers_missing', `the local stack lacks\n${installAdvice(found.missing)}`);
  }
  const folder = openStackFolder(options.folder);
  const releaseFolder = takeFolder(folder.ownerFile);
  const leaveFolder = () => {
    closeStackFolder(folder);
    releaseFolder();
  };
  let stop = async (): Promise<void> => leaveFolder();
  try {
    const leftovers = await stopLeftovers(folder.logs, clock);
    if (leftovers.length > 0) onProgress(`stopped what an earlier start left running: ${leftovers.join(', ')}`);
    signal?.throwIfAborted();

    const names = [...(options.redis ? [REDIS_NAME] : []), ...groupTags.flatMap(namesOfGroup)];
    const ports = await choosePorts(names, { basePort: options.basePort, portsFile: folder.portsFile });
    const accounts = openAccounts(folder.secrets);
    const asRoot = userInfo().uid === 0;
    await makeTemplate(found.mariadb, templateFolder(folder.root, found.mariadb), {
      asRoot,
      logs: folder.logs,
      signal,
    });

    const supervisor = createSupervisor({ clock, logFolder: folder.logs });
    const running = planServers(options, found, { folder, ports, accounts, supervisor, asRoot });
    stop = async () => {
      await stopServers(running);
      await supervisor.stopAll();
      leaveFolder();
    };
    await startAll(running, options);
    let stopped: Promise<void> | undefined;
    return {
      groups: running.groups,
      redis: running.redis?.redis,
      accounts: accounts.public,
      stop: () => {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
};
