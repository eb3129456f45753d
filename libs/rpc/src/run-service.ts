import { repeat, systemClock } from '@tillmesh/clock';
import { counter, createLog, type Log, type LogLevel, serveMetrics, startTelemetry } from '@tillmesh/telemetry';
import { type ProbeServer, serveProbes } from './probe-server.ts';
import { createReadiness, LOOK_EVERY_MS, type WhyNotReady } from './readiness.ts';
import { type Binding, type ServeOptions, serve } from './serve.ts';
import { openIdentity, type TlsSettings } from './tls/mesh-identity.ts';
import { setProcessIdentity } from './tls/process-identity.ts';

const escaped = counter('tillmesh_escaped_errors_total', 'Errors that no handler caught: bugs to mend.', ['kind']);

export type ServiceParts = {
  readonly services: readonly Binding[];
  readonly serve?: Partial<ServeOptions>;
  /**
   * Called once the server listens; the service is ready when it resolves. What a neighbour can mend is waited for, and told by
   * `waitsFor`; a rejection ends the process.
   */
  readonly begin?: (waitsFor: (what: string) => void) => Promise<void>;
  /** Asked every second from then on: takes the instance out of rotation, by its probes alone. */
  readonly whyNotReady?: WhyNotReady;
  /** Called when the last call has ended: close pools, stop loops. */
  readonly end?: () => Promise<void>;
};

export type ServiceSettings = {
  readonly server: {
    readonly host: string;
    readonly port: number;
    readonly metricsPort: number;
    /** Of Kubernetes' probes; without it there are none. */
    readonly probePort?: number | undefined;
    /** Without it gRPC is spoken without TLS, to callers and to neighbours. */
    readonly tls?: TlsSettings | undefined;
    readonly reflection: boolean;
    readonly drainMs: number;
    readonly inFlightMax: number;
  };
  readonly logLevel: LogLevel;
};

// What a service closes has its own deadlines; this is for the one that was forgotten. With a drain of 45 s it still ends
// before the 60 s after which Kubernetes kills.
const END_MS_MAX = 8_000;

const withinEndMs = async (end: () => Promise<void>): Promise<void> => {
  const tooLate = Promise.withResolvers<never>();
  const cancel = systemClock.after(END_MS_MAX, () =>
    tooLate.reject(new Error(`what the service opened is not closed within ${END_MS_MAX} ms`)),
  );
  try {
    await Promise.race([end(), tooLate.promise]);
  } finally {
    cancel();
  }
};

/** Looks every second until the service leaves. */
const watchReadiness = (options: {
  readonly probes: ProbeServer | undefined;
  readonly why: WhyNotReady;
  readonly signal: AbortSignal;
  readonly log: Log;
}): void => {
  const { probes, why, signal, log } = options;
  const tell = (ready: boolean): void => probes?.setReady(ready && !signal.aborted);
  const readiness = createReadiness({ why, tell, clock: systemClock, log });
  const onError = (error: unknown): void => log.error({ err: error }, 'cannot tell whether it is ready');
  repeat({ clock: systemClock, everyMs: LOOK_EVERY_MS, signal, task: async () => readiness.look(), onError }).catch(
    onError,
  );
};

/**
 * The life of a service's process: configuration (exit 1 with every problem), telemetry, server, readiness, and on
 * SIGTERM or SIGINT the way back in the opposite order.
 */
export const runService = async <Settings extends ServiceSettings>(options: {
  readonly name: string;
  readonly version: string;
  readonly load: (env: NodeJS.ProcessEnv) => Settings;
  readonly build: (settings: Settings, log: Log, stop: AbortSignal) => Promise<ServiceParts>;
}): Promise<void> => {
  const { name, version } = options;
  let settings: Settings;
  try {
    settings = options.load(process.env);
  } catch (error) {
    process.stderr.write(`${name} cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
  const log = createLog(name, settings.logLevel);
  // A listener or a promise that nobody awaits must not end a process that carries payments.
  process.on('unhandledRejection', (error) => {
    escaped.add({ kind: 'rejection' });
    log.fatal({ err: error }, 'a promise was rejected and nobody awaited it');
  });
  process.on('uncaughtException', (error) => {
    escaped.add({ kind: 'exception' });
    log.fatal({ err: error }, 'an error reached the top');
  });

  const stop = new AbortController();
  try {
    const { host, port, reflection, drainMs, inFlightMax, metricsPort, probePort, tls } = settings.server;
    const stopTelemetry = await startTelemetry({ service: name, version, env: process.env, log });
    if (tls !== undefined) {
      const identity = await openIdentity(tls, systemClock);
      setProcessIdentity(identity);
      void identity.follow({ log, signal: stop.signal });
    }
    const probes = probePort === undefined ? undefined : await serveProbes({ host, port: probePort });
    const parts = await options.build(settings, log, stop.signal);
    const metrics = await serveMetrics({ host, port: metricsPort });
    const server = await serve({
      services: parts.services,
      host,
      port,
      reflection,
      inFlightMax,
      log,
      clock: systemClock,
      ...parts.serve,
    });

    probes?.setStarted();

    const leaving = new AbortController();
    const leave = async (signal: string) => {
      if (leaving.signal.aborted) return;
      leaving.abort();
      log.info({ signal }, 'draining');
      probes?.setReady(false);
      await server.drain(drainMs);
      stop.abort(new Error('the service stops'));
      await withinEndMs(async () => {
        await parts.end?.();
        await metrics.close();
        await stopTelemetry();
        // The last to go: a probe that finds nobody would have the process killed while it still closes.
        probes?.close();
      });
      log.info('stopped');
      process.exit(0);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        leave(signal).catch((error: unknown) => {
          log.fatal({ err: error }, 'could not stop in order');
          process.exit(1);
        });
      });
    }
    let waitsFor: string | undefined = 'it has not begun yet';
    watchReadiness({ probes, why: () => waitsFor ?? parts.whyNotReady?.(), signal: leaving.signal, log });
    await parts.begin?.((what) => {
      waitsFor = what;
    });
    // Told to end while it began: it ends by itself.
    if (leaving.signal.aborted) return;
    waitsFor = undefined;
    server.setReady(true);
    probes?.setReady(parts.whyNotReady?.() === undefined);
    log.info({ host, port: server.port, metricsPort: metrics.port, probePort: probes?.port }, 'ready');
  } catch (error) {
    log.fatal({ err: error }, 'cannot start');
    process.stderr.write(`${name} cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
};
