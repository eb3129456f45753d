import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '@tillmesh/clock';
import {
  type ChildSpec,
  createSupervisor,
  type LocalStack,
  type NetworkSwitch,
  ownerOfLocalStack,
  type Supervisor,
  startLocalStack,
  stopLeftovers,
  stopLocalStack,
} from '@tillmesh/local-stack';
import { isServing } from '@tillmesh/rpc';
import { openSwitches } from './channel-switches.ts';
import { openEdgeFront } from './edge-front.ts';
import { openSlicesApi } from './endpoint-slices.ts';
import { readGeneratedKeys } from './generated-keys.ts';
import {
  type FurtherChannel,
  type MeshProcess,
  planBehindFront,
  planFurther,
  planProcesses,
  type RepeatableService,
  SERVICES,
  type ServiceName,
} from './mesh-plan.ts';
import { chooseMeshPorts, type MeshPorts } from './mesh-ports.ts';
import { configOf } from './process-config.ts';
import { openRowKey } from './row-key.ts';
import { runOnce } from './run-once.ts';
import { accountsOf, fixedTargetOf, serviceConfigs, watchedProcesses } from './service-configs.ts';

/** How a process leaves that is ended for good, as Kubernetes would have it. */
export type Leaving = {
  /** It serves on for so long after it has left the endpoints; only then SIGTERM. */
  readonly preStopMs: number;
  /** Calls under way may take so long after SIGTERM. */
  readonly drainMs: number;
  /** SIGKILL so long after it began to leave. */
  readonly graceMs: number;
};

export type MeshOptions = {
  /** Absolute path of the data folder; data of an earlier start is used again. */
  readonly folder: string;
  /** Services get basePort + n, databases and Redis basePort + 100 + n. Without it free ports are taken. */
  readonly basePort?: number;
  readonly groupTags?: readonly number[];
  /** Which services to start; all unless told. */
  readonly services?: readonly ServiceName[];
  /** How many processes of a service; one unless told. Their clients get all addresses. */
  readonly instances?: Readonly<Partial<Record<RepeatableService, number>>>;
  /** Channels beside wechat, alipay, stripe and unionpay. Merchants get their accounts through the setting of the routing table. */
  readonly channels?: readonly FurtherChannel[];
  /**
   * Services find each other's processes by EndpointSlices, as in Kubernetes, so that processes may come and go; by fixed addresses
   * unless told.
   */
  readonly discovery?: boolean;
  /** How processes leave; at once, with a few seconds to drain, unless told. */
  readonly leaving?: Leaving;
  /** Switches at every database node, see LocalNode.network; not unless told. */
  readonly proxies?: boolean;
  /** Database nodes with a small disk of their own, megabytes by name, see LocalNode.disk. */
  readonly smallDisks?: Readonly<Record<string, number>>;
  /** `down`: Redis is configured and does not run. */
  readonly redis?: 'up' | 'down';
  /** Where spans go: an OTLP/HTTP endpoint. Without it nothing is traced. */
  readonly otlpEndpoint?: string;
  /** Share of new traces that are recorded, 0 to 1; all unless told. */
  readonly traceShare?: number;
  readonly logLevel?: string;
  readonly notificationTimeScale?: number;
  /** What the simulated channels have agreed to for accounts: `agreed` of their settings. */
  readonly agreed?: Readonly<Record<string, object>>;
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
  /** Where clients find a service: all its processes, those to come included where the mesh has discovery. */
  target(service: RepeatableService): string;
  /** The services' processes: kill them, count their restarts. */
  readonly services: Pick<Supervisor, 'kill' | 'pid' | 'restartsOf' | 'logPath'>;
  /** Between the mesh and a further channel's process that was started with `switched`. */
  networkOf(channelId: string): NetworkSwitch;
  /** The processes that were started and not stopped for good. */
  processes(): readonly MeshProcess[];
  /** Starts one more process of a service. */
  startFurther(service: RepeatableService): Promise<MeshProcess>;
  /** Ends a process for good, in order: it leaves the endpoints, then SIGTERM, then its drain. */
  stopProcess(name: string): Promise<void>;
  /** Starts a process again that was ended for good, where it was. */
  startAgain(process: MeshProcess): Promise<void>;
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
    ...(options.traceShare === undefined ? {} : { OTEL_TRACES_SAMPLER_ARG: String(options.traceShare) }),
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
  const { folder, basePort, clock, onProgress = () => undefined, signal, channels = [] } = options;
  const { services = SERVICES, instances = {}, leaving } = options;
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
    accountsOf('wechat', channels).join(','),
    '--alipay',
    accountsOf('alipay', channels).join(','),
    '--stripe',
    accountsOf('stripe', channels).join(','),
    '--unionpay',
    accountsOf('unionpay', channels).join(','),
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
  const planned = await planProcesses({ services, instances, channels, ports });
  const hasFront = leaving !== undefined && services.includes('edge');
  const processes = hasFront ? await planBehindFront(planned) : [...planned];
  const logFolder = logFolderOf(folder);
  const leftovers = await stopLeftovers(logFolder, clock);
  if (leftovers.length > 0) onProgress(`stopped services that an earlier start left running: ${leftovers.join(', ')}`);
  const supervisor = createSupervisor({ clock, logFolder });
  const switches = await openSwitches(channels, processes, clock);
  const slices = options.discovery === true ? await openSlicesApi() : undefined;
  const front = hasFront ? await openEdgeFront(ports['edge-http'], clock) : undefined;
  const targetOf = (service: string): string => slices?.target(service) ?? fixedTargetOf(service, processes);
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      await supervisor.stopAll();
      await switches.close();
      await front?.close();
      await slices?.close();
      await stack.stop();
    })();
    return stopping;
  };
  try {
    if (options.redis === 'down') await stack.redis?.kill('SIGKILL');
    const configs = serviceConfigs({
      folder: runFolder,
      ports,
      processes,
      targetOf,
      channels,
      stack,
      keys: readGeneratedKeys(join(keysFolder, 'accounts.json')),
      rowKeyFile: openRowKey(join(folder, 'row-key.hex')),
      logLevel: options.logLevel ?? 'info',
      drainMs: leaving?.drainMs,
      notificationTimeScale: options.notificationTimeScale ?? 1,
      otherSettings: options.settings ?? {},
      agreed: options.agreed ?? {},
    });
    const configFile = (name: string) => join(runFolder, `${name}.json`);
    for (const name of ['migrate', 'routing-table']) writePrivately(configFile(name), configs[name]);
    await runOnce(node('order-store/src/migrate-main.ts', [], { TILLMESH_CONFIG: configFile('migrate') }));
    onProgress(`the schema is in place in ${stack.groups.length} groups`);

    const startProcess = async (process: MeshProcess): Promise<void> => {
      writePrivately(configFile(process.name), configOf(process, configs, runFolder));
      const spec: ChildSpec = {
        ...node(process.script, [], { TILLMESH_CONFIG: configFile(process.name) }),
        name: process.name,
        ready: (asked) => readiness(process, asked),
        readyWithinMs: READY_WITHIN_MS,
        restart: true,
        stopGraceMs: leaving === undefined ? 6_000 : leaving.graceMs - leaving.preStopMs,
      };
      await supervisor.start(spec, signal);
      slices?.set(process, 'ready');
      front?.setReady(process);
    };
    // It reads its processes again when they change.
    const tellWatch = (): void => {
      const watch = processes.find(({ service }) => service === 'watch');
      if (watch === undefined) return;
      const config = { ...configOf(watch, configs, runFolder), processes: watchedProcesses(processes) };
      writePrivately(configFile(watch.name), config);
    };
    let ready = 0;
    await Promise.all(
      processes.map(async (process) => {
        await startProcess(process);
        ready += 1;
        onProgress(`${process.name} is ready (${ready} of ${processes.length})`);
      }),
    );
    return {
      folder,
      stack,
      ports,
      address: (listener) => `127.0.0.1:${ports[listener]}`,
      services: supervisor,
      target: targetOf,
      networkOf: switches.of,
      processes: () => [...processes],
      startFurther: async (service) => {
        const process = await planFurther(service, processes);
        processes.push(process);
        await startProcess(process);
        tellWatch();
        return process;
      },
      stopProcess: async (name) => {
        const process = processes.find((each) => each.name === name);
        if (process !== undefined) {
          slices?.set(process, 'ending');
          front?.setLeaving(process);
        }
        await clock.sleep(leaving?.preStopMs ?? 0);
        await supervisor.stop(name);
        if (process !== undefined) {
          slices?.remove(process);
          // Others may have come and gone meanwhile.
          processes.splice(processes.indexOf(process), 1);
        }
        tellWatch();
      },
      startAgain: async (process) => {
        processes.push(process);
        await startProcess(process);
        tellWatch();
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
};

const readiness = async ({ name, service, port }: MeshProcess, signal: AbortSignal): Promise<void> => {
  if (service === 'sandbox') {
    const { ok, status } = await fetch(`http://127.0.0.1:${port}/control/health`, { signal });
    if (!ok) throw new Error(`the sandbox answers ${status}`);
  } else if (!(await isServing(`127.0.0.1:${port}`))) throw new Error(`${name} does not serve yet`);
};
