import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@tillmesh/clock';
import { createSupervisor, freePorts, stopLeftovers } from '@tillmesh/local-stack';

/** A Jaeger that runs beside a mesh and forgets everything at its end. */
export type LocalJaeger = {
  /** Where spans are sent to, OTLP over HTTP. */
  readonly otlpUrl: string;
  /** Its pages and its API. */
  readonly url: string;
  stop(): Promise<void>;
};

const NAME = 'jaeger';
const TRACES_MAX = 100_000;
const READY_MS_MAX = 30_000;
const STOP_GRACE_MS = 5_000;

const logFolderIn = (folder: string): string => join(folder, NAME);

/** Jaeger's configuration: spans in memory, loopback alone. YAML reads JSON. */
const configOf = (ports: { readonly otlp: number; readonly pages: number; readonly grpc: number }): object => ({
  service: {
    extensions: ['jaeger_storage', 'jaeger_query'],
    pipelines: {
      traces: { receivers: ['otlp'], processors: ['batch'], exporters: ['jaeger_storage_exporter'] },
    },
    telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } },
  },
  extensions: {
    jaeger_storage: { backends: { memory: { memory: { max_traces: TRACES_MAX } } } },
    jaeger_query: {
      storage: { traces: 'memory' },
      http: { endpoint: `127.0.0.1:${ports.pages}` },
      grpc: { endpoint: `127.0.0.1:${ports.grpc}` },
    },
  },
  receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${ports.otlp}` } } } },
  processors: { batch: { timeout: '200ms' } },
  exporters: { jaeger_storage_exporter: { trace_storage: 'memory' } },
});

/** Ends a Jaeger whose starter was killed. */
export const stopJaeger = (folder: string, clock: Clock): Promise<readonly string[]> =>
  stopLeftovers(logFolderIn(folder), clock);

/**
 * @param folder the mesh's data folder. @param port of the pages; undefined takes a free one.
 * @throws {LocalStackError} with the end of its log where it does not come up.
 */
export const startJaeger = async (options: {
  readonly command: string;
  readonly folder: string;
  readonly port: number | undefined;
  readonly clock: Clock;
}): Promise<LocalJaeger> => {
  const { command, folder, port, clock } = options;
  const logFolder = logFolderIn(folder);
  await stopLeftovers(logFolder, clock);
  mkdirSync(logFolder, { recursive: true, mode: 0o700 });
  const [otlp = 0, grpc = 0, free = 0] = await freePorts(3);
  const pages = port ?? free;
  const configFile = join(logFolder, 'jaeger.yaml');
  writeFileSync(configFile, JSON.stringify(configOf({ otlp, pages, grpc }), null, 2));
  const url = `http://127.0.0.1:${pages}`;
  const supervisor = createSupervisor({ clock, logFolder });
  await supervisor.start({
    name: NAME,
    command,
    args: ['--config', configFile],
    ready: async (signal) => {
      const response = await fetch(`${url}/api/services`, { signal });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`it answers ${response.status}`);
    },
    readyWithinMs: READY_MS_MAX,
    restart: true,
    stopGraceMs: STOP_GRACE_MS,
  });
  return { otlpUrl: `http://127.0.0.1:${otlp}`, url, stop: () => supervisor.stop(NAME) };
};
