import { userInfo } from 'node:os';
import type { Clock } from '@tillmesh/clock';
import { type Accounts, type AllAccounts, openAccounts } from './accounts.ts';
import { takeFolder } from './folder-owner.ts';
import { openGroupChanges } from './group-changes.ts';
import { stopLeftovers } from './leftovers.ts';
import { type LocalGroup, namesOfGroup, placesOfGroup } from './local-group.ts';
import { type ControlledRedis, createLocalRedis, type LocalRedis, REDIS_NAME } from './local-redis.ts';
import { LocalStackError } from './local-stack-error.ts';
import { type FoundForStack, findForStack, type ServerKind } from './mysql-or-mariadb.ts';
import { proxyNamesOf } from './node-network.ts';
import { createSupervisor, type Supervisor } from './process-supervisor.ts';
import { createRunningGroups, type RunningGroups } from './running-groups.ts';
import type { MissingServer } from './servers.ts';
import { closeStackFolder, openStackFolder, type StackFolder } from './stack-folder.ts';
import { choosePorts } from './stack-ports.ts';
import { allOrNone } from './waiting.ts';

/** What to start and where. */
export type LocalStackOptions = {
  /** Absolute path of the data folder; made when it is not there. Data of an earlier start is used again. */
  readonly folder: string;
  /**
   * The groups' tags, each 0 to 127; [1, 2, 3] unless told. What addGroup and removeGroup have changed in this folder
   * holds besides.
   */
  readonly groupTags?: readonly number[];
  /** What the groups' nodes run; MariaDB unless told. */
  readonly server?: ServerKind;
  /**
   * Redis gets this port, the nodes a, b and c of the group with tag t the three ports from basePort + 10 (t + 1) on,
   * their proxies the six behind. Without it free ports are chosen and remembered in the folder.
   */
  readonly basePort?: number;
  /** Whether to start a Redis as well. */
  readonly redis: boolean;
  /** Puts proxies before the databases, with switches at every node: see LocalNode.network. Not unless told. */
  readonly proxies?: boolean;
  /**
   * Nodes whose data is to lie on a disk of its own of so many megabytes (160 or more), by their names: see
   * LocalNode.disk. The disk is mounted while the stack runs; needs root on Linux.
   */
  readonly smallDisks?: Readonly<Record<string, number>>;
  readonly clock: Clock;
  /** Gets a line for a person whenever something has been done. */
  readonly onProgress?: (line: string) => void;
  /** Ends the start; what has been started is stopped. */
  readonly signal?: AbortSignal;
};

/** Running databases and Redis. */
export type LocalStack = {
  /** The groups that run now. */
  readonly groups: readonly LocalGroup[];
  readonly redis: LocalRedis | undefined;
  readonly accounts: Accounts;
  /**
   * Starts one more group, with data that it left in the folder or new; it is in `groups` when this resolves.
   *
   * @throws {LocalStackError} `options_wrong` for a wrong tag or one that runs, and whatever a start can throw; the
   *   group is then stopped again and not remembered.
   */
  addGroup(tag: number): Promise<LocalGroup>;
  /** Ends a group and forgets it; its data stays in the folder. @throws {LocalStackError} `options_wrong` for no such tag. */
  removeGroup(tag: number): Promise<void>;
  /** Ends everything in order, in less than three seconds. Works also when some servers are dead already. */
  stop(): Promise<void>;
};

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
  readonly groups: RunningGroups;
  readonly redis: ControlledRedis | undefined;
};

type Found = Extract<FoundForStack, { kind: 'found' }>;

type Place = {
  readonly folder: StackFolder;
  readonly template: string;
  readonly accounts: AllAccounts;
  readonly supervisor: Supervisor;
  readonly asRoot: boolean;
};

/** The names for which a group needs ports. */
const portNamesOf = (tag: number, proxies: boolean): readonly string[] => {
  const nodes = namesOfGroup(tag);
  return proxies ? [...nodes, ...nodes.flatMap((node) => Object.values(proxyNamesOf(node)))] : nodes;
};

const lookUp = (ports: ReadonlyMap<string, number>) => (name: string) => {
  const port = ports.get(name);
  if (port === undefined) throw new Error(`no port was chosen for ${name}`);
  return port;
};

/** The servers as they will be; nothing is started yet. */
const planServers = async (options: LocalStackOptions, found: Found, place: Place): Promise<Running> => {
  const { folder, template, accounts, supervisor, asRoot } = place;
  const {
    groupTags = GROUP_TAGS,
    proxies = false,
    smallDisks,
    basePort,
    clock,
    onProgress = () => undefined,
  } = options;
  const surroundings = { folder, template, accounts, supervisor, asRoot, clock };
  const portsFor = async (names: readonly string[]) =>
    lookUp(await choosePorts(names, { basePort, portsFile: folder.portsFile }));
  const planGroup = (tag: number, portOf: (name: string) => number) => {
    const places = placesOfGroup(tag, portOf, smallDisks);
    return found.database.createGroup({
      tag,
      places,
      surroundings,
      onProgress,
      proxyPortOf: proxies ? portOf : undefined,
    });
  };
  const changes = openGroupChanges(folder.changesFile);
  const tags = changes.applyTo(groupTags);
  const redisNames = found.redis === undefined ? [] : [REDIS_NAME];
  const portOf = await portsFor([...redisNames, ...tags.flatMap((tag) => portNamesOf(tag, proxies))]);
  return {
    groups: createRunningGroups({
      groups: tags.map((tag) => planGroup(tag, portOf)),
      plan: async (tag) => {
        checkTags([tag]);
        return planGroup(tag, await portsFor(portNamesOf(tag, proxies)));
      },
      changes,
      onProgress,
    }),
    redis:
      found.redis &&
      createLocalRedis({ server: found.redis, port: portOf(REDIS_NAME), home: folder.of(REDIS_NAME), supervisor }),
  };
};

const startAll = async ({ groups, redis }: Running, options: LocalStackOptions): Promise<void> => {
  const { onProgress = () => undefined } = options;
  const startRedis = async (signal: AbortSignal) => {
    if (redis === undefined) return;
    await redis.start(signal);
    onProgress(`Redis answers at ${addressOf(redis.redis)}`);
  };
  await allOrNone([(signal) => groups.startAll(signal), startRedis], options.signal);
};

const stopServers = async ({ groups, redis }: Running): Promise<void> => {
  await Promise.all([groups.stopAll(), redis?.stop()]);
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
  const found = await findForStack(options.server ?? 'mariadb', { redis: options.redis });
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

    const accounts = openAccounts(folder.secrets);
    const asRoot = userInfo().uid === 0;
    const template = await found.database.makeTemplate(folder.root, { asRoot, logs: folder.logs, signal });

    const supervisor = createSupervisor({ clock, logFolder: folder.logs });
    stop = async () => {
      await supervisor.stopAll();
      leaveFolder();
    };
    const running = await planServers(options, found, { folder, template, accounts, supervisor, asRoot });
    stop = async () => {
      await stopServers(running);
      await supervisor.stopAll();
      leaveFolder();
    };
    await startAll(running, options);
    let stopped: Promise<void> | undefined;
    return {
      get groups() {
        return running.groups.list();
      },
      redis: running.redis?.redis,
      accounts: accounts.public,
      addGroup: (tag) => running.groups.add(tag),
      removeGroup: (tag) => running.groups.remove(tag),
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
