import { userInfo } from 'node:os';
import type { Clock } from '@tillmesh/clock';
import { type Accounts, openAccounts } from './accounts.ts';
import { takeFolder } from './folder-owner.ts';
import { stopLeftovers } from './leftovers.ts';
import { createLocalGroup, type LocalGroup, NODE_LETTERS, placesOfGroup } from './local-group.ts';
import { createLocalRedis, type LocalRedis, REDIS_NAME } from './local-redis.ts';
import { LocalStackError } from './local-stack-error.ts';
import { makeTemplate, templateFolder } from './mariadb-template.ts';
import { createSupervisor } from './process-supervisor.ts';
import { findServers, type MissingServer } from './servers.ts';
import { openStackFolder } from './stack-folder.ts';
import { choosePorts, demandPorts } from './stack-ports.ts';
import { allOrNone, createGate } from './waiting.ts';

/** What to start and where. */
export type LocalStackOptions = {
  /** Absolute path of the data folder; made when it is not there. Data of an earlier start is used again. */
  readonly folder: string;
  /** The groups' tags, each 0 to 127; [1, 2, 3] unless told. */
  readonly groupTags?: readonly number[];
  /**
   * Redis gets this port, node n (0 to 2) of the group with tag t the port basePort + 10 (t + 1) + n. Without it free
   * ports are chosen and remembered in the folder.
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

const fixedPorts = (names: readonly string[], groupTags: readonly number[], basePort: number) => {
  const ports = new Map<string, number>();
  if (names.includes(REDIS_NAME)) ports.set(REDIS_NAME, basePort);
  for (const tag of groupTags) {
    NODE_LETTERS.forEach((letter, index) => ports.set(`g${tag}-${letter}`, basePort + 10 * (tag + 1) + index));
  }
  return ports;
};

/**
 * Starts a Redis and order groups of one MariaDB primary and two semi-sync replicas (AFTER_SYNC) as child processes on
 * 127.0.0.1, on a data folder that survives kill -9 of any of them and of this process.
 *
 * @throws {LocalStackError} with what to do: servers missing, folder in use, port taken, a server that does not start.
 * @throws the signal's reason when it is aborted.
 */
export const startLocalStack = async (options: LocalStackOptions): Promise<LocalStack> => {
  const { groupTags = [1, 2, 3], basePort, clock, onProgress = () => undefined, signal } = options;
  checkTags(groupTags);
  const servers = await findServers({ redis: options.redis });
  if (servers.kind === 'missing') {
    throw new LocalStackError('servers_missing', `the local stack lacks\n${installAdvice(servers.missing)}`);
  }
  const folder = openStackFolder(options.folder);
  const releaseFolder = takeFolder(folder.ownerFile);
  const supervisor = createSupervisor({ clock, logFolder: folder.logs });
  const stopAll: (() => Promise<void>)[] = [];
  const stop = async () => {
    await Promise.all(stopAll.map((stopPart) => stopPart()));
    await supervisor.stopAll();
    releaseFolder();
  };
  try {
    const leftovers = await stopLeftovers(folder.logs, clock);
    if (leftovers.length > 0) onProgress(`stopped what an earlier start left running: ${leftovers.join(', ')}`);
    signal?.throwIfAborted();

    const names = [
      ...(options.redis ? [REDIS_NAME] : []),
      ...groupTags.flatMap((tag) => NODE_LETTERS.map((letter) => `g${tag}-${letter}`)),
    ];
    const ports =
      basePort === undefined ? await choosePorts(names, folder.portsFile) : fixedPorts(names, groupTags, basePort);
    await demandPorts(ports);
    const portOf = (name: string) => ports.get(name) as number;

    const accounts = openAccounts(folder.secrets);
    const template = templateFolder(folder.root, servers.mariadb);
    const asRoot = userInfo().uid === 0;
    await makeTemplate(servers.mariadb, template, { asRoot, signal });

    const surroundings = { server: servers.mariadb, folder, template, accounts, supervisor, asRoot };
    const groups = groupTags.map((tag) =>
      createLocalGroup({ tag, places: placesOfGroup(tag, portOf), surroundings, clock }),
    );
    const redis =
      servers.redis === undefined
        ? undefined
        : createLocalRedis({
            server: servers.redis,
            port: portOf(REDIS_NAME),
            home: folder.of(REDIS_NAME),
            supervisor,
          });
    stopAll.push(...groups.map((group) => () => group.stopAll()));
    if (redis !== undefined) stopAll.push(() => redis.stop());

    const gate = createGate(STARTS_CONCURRENT_MAX);
    await allOrNone(
      [
        ...groups.map((group) => async (signal: AbortSignal) => {
          await group.startAll(gate, signal);
          onProgress(`group ${group.tag} takes writes: primary ${addressOf(group.primary())}, 2 semi-sync replicas`);
        }),
        ...(redis === undefined
          ? []
          : [
              async (signal: AbortSignal) => {
                await redis.start(signal);
                onProgress(`redis ${servers.redis?.version} answers at ${addressOf(redis.redis)}`);
              },
            ]),
      ],
      options.signal,
    );
    return { groups, redis: redis?.redis, accounts: accounts.public, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};
