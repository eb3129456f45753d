import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '@tillmesh/clock';
import {
  type ChildSpec,
  createSupervisor,
  type LocalStack,
  ownerOfLocalStack,
  type Supervisor,
  startLocalStack,
  stopLeftovers,
  stopLocalStack,
} from '@tillmesh/local-stack';
import { isServing } from '@tillmesh/rpc';
import { readGeneratedKeys } from './generated-keys.ts';
import { chooseMeshPorts, type MeshPorts } from './mesh-ports.ts';
import { openRowKey } from './row-key.ts';
import { runOnce } from './run-once.ts';
import { ALIPAY_ACCOUNTS, serviceConfigs, WECHAT_ACCOUNTS } from './service-configs.ts';

/** The processes of a mesh; each is one process, as in production. */
export const SERVICES = [
  'sandbox',
  'order-store',
  'query',
  'projector',
  'routing',
  'channel-wechat',
  'channel-alipay',
  'cashier',
  'syncer',
  'edge',
] as const;
export type ServiceName = (typeof SERVICES)[number];

export type MeshOptions = {
  /** Absolute path of the data folder; data of an earlier start is used again. */
  readonly folder: string;
  /** Services get basePort + n, databases and Redis basePort + 100 + n. Without it free ports are taken. */
  readonly basePort?: number;
  readonly groupTags?: readonly number[];
  /** Which services to start; all unless told. */
  readonly services?: readonly ServiceName[];
  /** Switches at every database node, see LocalNode.network; not unless told. */
  readonly proxies?: boolean;
  /** Database nodes with a small disk of their own, megabytes by name, see LocalNode.disk. */
  readonly smallDisks?: Readonly<Record<string, number>>;
  /** `down`: Redis is configured and does not run. */
  readonly redis?: 'up' | 'down';
  /** Where spans go: an OTLP/HTTP endpoint. Without it nothing is traced. */
  readonly otlpEndpoint?: string;
  readonly logLevel?: string;
  readonly notificationTimeScale?: number;
  /** Settings of single services that are to differ, by service. */
  readonly settings?: { readonly [service: string]: object };
  /** The starter's environment: PATH, HOME and TMPDIR of it are passed on. */
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** Gets a line for a person whenever something has been done. */
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
};

/** A running mesh. */
export type Mesh = {
  readonly folder: string;
  readonly stack: LocalStack;
  readonly ports: MeshPorts;
  /** host:port of a listener. */
  address(listener: keyof MeshPorts): string;
  /** The services' processes: kill them, count their restarts. */
  readonly services: Pick<Supervisor, 'kill' | 'pid' | 'restartsOf' | 'logPath'>;
  /** Ends everything in order. */
  stop(): Promise<void>;
};

const REPOSITORY = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const DATABASES_OFFSET = 100;
const READY_WITHIN_MS = 60_000;

const writePrivately = (file: string, value: unknown): void =>
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });

/** What the children see of our environment: enough to run Node, nothing that would change what they do. */
const environment = (options: MeshOptions, cacheFolder: string): Record<string, string> => {
  const { PATH = '', HOME = '', TMPDIR } = options.env;
  return {
    PATH,
    HOME,
    ...(TMPDIR === undefined ? {} : { TMPDIR }),
    // Types are stripped and code is compiled once, not at every start of every service.
    NODE_COMPILE_CACHE: cacheFolder,
    ...(options.otlpEndpoint === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: options.otlpEndpoint }),
  };
};

const stackFolderOf = (folder: string): string => join(folder, 'stack');
const logFolderOf = (folder: string): string => join(folder, 'logs');

/** The process that runs a mesh on this data folder now; undefined when none does. */
export const ownerOfMesh = (folder: string): number | undefined => ownerOfLocalStack(stackFolderOf(folder));

/**
 * Ends a mesh from outside: its process stops everything in order; whatever a process that was killed has left is ended here.
 *
 * @returns whether there was anything to end.
 */
export const stopMesh = async (folder: string, clock: Clock): Promise<boolean> => {
  const stopped = await stopLocalStack(stackFolderOf(folder), clock);
  const leftovers = await stopLeftovers(logFolderOf(folder), clock);
  return stopped || leftovers.length > 0;
};

/** Starts databases, Redis, the simulated channels and every service, each as its own process, and keeps them. */
export const startMesh = async (options: MeshOptions): Promise<Mesh> => {
  const { folder, basePort, clock, onProgress = () => undefined, signal } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const runFolder = join(folder, 'run');
  mkdirSync(runFolder, { recursive: true, mode: 0o700 });
  const env = environment(options, join(folder, 'compile-cache'));
  const node = (script: string, args: readonly string[] = [], extra: Record<string, string> = {}) => ({
    command: process.execPath,
    args: [join(REPOSITORY, 'services', script), ...args],
    env: { ...env, ...extra },
    cwd: runFolder,
  });
  const keysFolder = join(folder, 'keys');
  const keysArguments = [
    '--out',
    keysFolder,
    '--wechat',
    WECHAT_ACCOUNTS.join(','),
    '--alipay',
    ALIPAY_ACCOUNTS.join(','),
  ];

  const [stack] = await Promise.all([
    startLocalStack({
      folder: stackFolderOf(folder),
      redis: true,
      clock,
      onProgress,
      ...(options.groupTags === undefined ? {} : { groupTags: options.groupTags }),
      ...(options.proxies === undefined ? {} : { proxies: options.proxies }),
      ...(options.smallDisks === undefined ? {} : { smallDisks: options.smallDisks }),
      ...(basePort === undefined ? {} : { basePort: basePort + DATABASES_OFFSET }),
      ...(signal === undefined ? {} : { signal }),
    }),
    runOnce(node('sandbox/src/generate-keys.ts', keysArguments)),
  ]);
  // After the databases: a port that is free but promised cannot be told from one that is free.
  const ports = await chooseMeshPorts(basePort);
  const logFolder = logFolderOf(folder);
  const leftovers = await stopLeftovers(logFolder, clock);
  if (leftovers.length > 0) onProgress(`stopped services that an earlier start left running: ${leftovers.join(', ')}`);
  const supervisor = createSupervisor({ clock, logFolder });
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      await supervisor.stopAll();
      await stack.stop();
    })();
    return stopping;
  };
  try {
    if (options.redis === 'down') await stack.redis?.kill('SIGKILL');
    const configs = serviceConfigs({
      folder: runFolder,
      ports,
      stack,
      keys: readGeneratedKeys(join(keysFolder, 'accounts.json')),
      rowKeyFile: openRowKey(join(folder, 'row-key.hex')),
      logLevel: options.logLevel ?? 'info',
      notificationTimeScale: options.notificationTimeScale ?? 1,
      otherSettings: options.settings ?? {},
    });
    for (const [name, config] of Object.entries(configs)) writePrivately(join(runFolder, name), config);
    await runOnce(node('order-store/src/migrate-main.ts', [], { TILLMESH_CONFIG: join(runFolder, 'migrate.json') }));
    onProgress(`the schema is in place in ${stack.groups.length} groups`);
    const { services = SERVICES } = options;
    await startServices({ services, supervisor, node, runFolder, ports, onProgress, signal });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    folder,
    stack,
    ports,
    address: (listener) => `127.0.0.1:${ports[listener]}`,
    services: supervisor,
    stop,
  };
};

const startServices = async (inputs: {
  readonly services: readonly ServiceName[];
  readonly supervisor: Supervisor;
  readonly node: (
    script: string,
    args?: readonly string[],
    env?: Record<string, string>,
  ) => Omit<ChildSpec, 'name' | 'ready' | 'restart' | 'stopGraceMs'>;
  readonly runFolder: string;
  readonly ports: MeshPorts;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}): Promise<void> => {
  const { services, supervisor, node, runFolder, ports, onProgress, signal } = inputs;
  let ready = 0;
  await Promise.all(
    services.map(async (name) => {
      const spec: ChildSpec = {
        ...node(`${name}/src/main.ts`, [], { TILLMESH_CONFIG: join(runFolder, `${name}.json`) }),
        name,
        ready: (asked) => readiness(name, ports, asked),
        readyWithinMs: READY_WITHIN_MS,
        restart: true,
        stopGraceMs: 6_000,
      };
      await supervisor.start(spec, signal);
      ready += 1;
      onProgress(`${name} is ready (${ready} of ${services.length})`);
    }),
  );
};

const readiness = async (name: ServiceName, ports: MeshPorts, signal: AbortSignal): Promise<void> => {
  if (name === 'sandbox') {
    const { ok, status } = await fetch(`http://127.0.0.1:${ports['sandbox-control']}/control/health`, { signal });
    if (!ok) throw new Error(`the sandbox answers ${status}`);
  } else if (!(await isServing(`127.0.0.1:${ports[name]}`))) throw new Error(`${name} does not serve yet`);
};
