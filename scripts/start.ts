import { join, resolve as resolvePath } from 'node:path';
import { parseArgs } from 'node:util';
import { type Clock, systemClock } from '@tillmesh/clock';
import { type Mesh, SERVICES, startMesh } from '@tillmesh/local-mesh';
import { LocalStackError } from '@tillmesh/local-stack';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { createClient } from '@tillmesh/rpc';
import { type OtlpReceiver, startOtlpReceiver } from '@tillmesh/testing';
import { resultTable, tableLines } from './demo/result-table.ts';
import { createSandboxControl } from './demo/sandbox-control.ts';
import { type DemoResult, scenarios } from './demo/scenarios.ts';
import { findJaeger } from './jaeger/find-jaeger.ts';
import { foundTrace, searchUrl, tracesOfPayment } from './jaeger/find-traces.ts';
import { type LocalJaeger, startJaeger } from './jaeger/start-jaeger.ts';
import { type MeshFile, meshFolder, removeMeshFile, runningMeshLines, writeMeshFile } from './mesh-file.ts';

const BASE_PORT = 7_100;
const SPANS_KEPT_MAX = 100_000;
/** Spans are sent in batches, once a second. */
const SPANS_WITHIN_MS = 4_000;
/** Jaeger's own port, above the base of ours: 16686 with the default one. */
const JAEGER_OFFSET = 9_586;
const JAEGER_WITHIN_MS = 15_000;
/** Longer than a batch of spans is gathered. */
const JAEGER_QUIET_MS = 1_500;

/** The simulated channels give today's bill, of what has moved so far: npm run reconcile has something to show. */
const BILLS_OF_TODAY = { sandbox: { bills: { timeScale: 0 } }, reconciler: { boundaryMs: 0 } };

const HELP = `npm start [-- options]

  --exit               end after the demonstration; status 0 only if all five payments ended as they should
  --redis-down         run without Redis, to see that payments end well all the same
  --base-port <port>   services listen from here on, databases 100 above (default ${BASE_PORT})
  --folder <path>      data folder (default .local/mesh)
  --jaeger             run Jaeger v2 beside it: one on PATH, or built by Go, once
  --free-ports         take free ports instead of fixed ones

OTEL_EXPORTER_OTLP_ENDPOINT: where spans go. Without it this process collects them and prints one trace.`;

const say = (line = ''): void => {
  process.stdout.write(`${line}\n`);
};

const { values: options } = parseArgs({
  options: {
    exit: { type: 'boolean', default: false },
    'redis-down': { type: 'boolean', default: false },
    'base-port': { type: 'string', default: String(BASE_PORT) },
    jaeger: { type: 'boolean', default: false },
    'free-ports': { type: 'boolean', default: false },
    folder: { type: 'string', default: meshFolder },
    help: { type: 'boolean', default: false },
  },
});

const elapsedSeconds = (clock: Clock, beganMs: number): string => ((clock.monotonicMs() - beganMs) / 1_000).toFixed(1);

const addressesOf = (mesh: Mesh): Record<string, string> => ({
  CashierService: mesh.address('cashier'),
  QueryService: mesh.address('query'),
  RoutingService: mesh.address('routing'),
  SyncService: mesh.address('syncer'),
  ReconcilerService: mesh.address('reconciler'),
  OrderStoreService: mesh.address('order-store'),
  'live page': `http://${mesh.address('watch-http')}`,
  notifications: `http://${mesh.address('edge-http')}`,
  'sandbox control': `http://${mesh.address('sandbox-control')}`,
  logs: join(mesh.folder, 'logs'),
});

/** Starts the five payments together, as customers come, and follows each to its end. */
const runDemo = async (mesh: Mesh, clock: Clock): Promise<DemoResult[]> => {
  const cashier = createClient(CashierService, {
    target: mesh.address('cashier'),
    caller: 'demo',
    capMs: 40_000,
    clock,
  });
  const sandbox = createSandboxControl(mesh.address('sandbox-control'));
  try {
    return await Promise.all(
      scenarios.map(async ({ title, run }) => ({ title, ...(await run({ cashier, sandbox, clock })) })),
    );
  } finally {
    cashier.close();
  }
};

/** One trace, printed: the payment whose answer was lost and that the syncer resolved. */
const showTrace = async (receiver: OtlpReceiver | undefined, results: readonly DemoResult[]): Promise<void> => {
  const { payment, title } = results.at(-1) ?? {};
  if (payment === undefined || payment.traceId === '') return;
  say();
  say(`Trace ${payment.traceId} is the payment «${title}».`);
  if (receiver === undefined) {
    say('Look it up where OTEL_EXPORTER_OTLP_ENDPOINT sends spans to.');
    return;
  }
  const { traceId } = payment;
  await receiver
    .waitFor((spans) => spans.some((span) => span.traceId === traceId && span.service === 'syncer'), SPANS_WITHIN_MS)
    .catch(() => undefined);
  // The last batches of the other services are on their way.
  await systemClock.sleep(1_200);
  say(receiver.tree(traceId).print());
};

/** Every payment of the demonstration, found in Jaeger by its number. @returns whether each is exactly one whole trace. */
const showJaeger = async (jaeger: LocalJaeger, results: readonly DemoResult[], clock: Clock): Promise<boolean> => {
  const orderNos = results.flatMap(({ payment }) => (payment === undefined ? [] : [payment.orderNo]));
  const look = () =>
    Promise.all(
      orderNos.map(async (orderNo) => foundTrace(orderNo, await tracesOfPayment(jaeger.url, orderNo, clock.nowMs()))),
    );
  const isWhole = ({ traces, orphans }: { readonly traces: number; readonly orphans: number }) =>
    traces === 1 && orphans === 0;
  let found = await look();
  // The last batches of every service are on their way: it is looked until nothing more comes.
  for (const endMs = clock.monotonicMs() + JAEGER_WITHIN_MS; clock.monotonicMs() < endMs; ) {
    const before = found.reduce((sum, { spans }) => sum + spans, 0);
    await clock.sleep(JAEGER_QUIET_MS);
    found = await look();
    if (found.every(isWhole) && found.reduce((sum, { spans }) => sum + spans, 0) === before) break;
  }
  say('\nIn Jaeger, by their numbers:');
  const rows = found.map((one) =>
    [one.orderNo, one.traces, one.spans, one.services, one.orphans, one.errors].map(String),
  );
  for (const line of tableLines([['payment', 'traces', 'spans', 'services', 'orphans', 'errors'], ...rows])) say(line);
  const [orderNo] = orderNos;
  if (orderNo !== undefined) say(`The first: ${searchUrl(jaeger.url, '/search', orderNo, clock.nowMs())}`);
  return found.length > 0 && found.every(isWhole);
};

const untilStopped = (): Promise<string> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });

const main = async (): Promise<number> => {
  if (options.help) {
    say(HELP);
    return 0;
  }
  const folder = resolvePath(options.folder);
  const running = runningMeshLines(folder);
  if (running !== undefined) {
    for (const line of running) say(line);
    // Nothing is wrong; but who asked for the demonstration has not got it.
    return options.exit ? 1 : 0;
  }
  const clock = systemClock;
  const beganMs = clock.monotonicMs();
  const progress = (line: string) => say(`  ${elapsedSeconds(clock, beganMs).padStart(5)} s  ${line}`);
  const stopping = new AbortController();
  const stopped = untilStopped().then((signal) => {
    stopping.abort(new Error(`stopped by ${signal}`));
    return signal;
  });
  let jaeger: LocalJaeger | undefined;
  if (options.jaeger) {
    try {
      const { command, how } = await findJaeger(process.env['PATH'] ?? '', say);
      const port = options['free-ports'] ? undefined : Number(options['base-port']) + JAEGER_OFFSET;
      jaeger = await startJaeger({ command, folder, port, clock });
      say(`Jaeger, ${how}: ${jaeger.url}`);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
      return 1;
    }
  }
  const endpoint = jaeger?.otlpUrl ?? process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const receiver = endpoint === undefined || endpoint === '' ? await startOtlpReceiver() : undefined;

  say('Starting three order groups of a primary and two replicas, Redis, and the mesh:');
  let mesh: Mesh;
  try {
    mesh = await startMesh({
      folder,
      ...(options['free-ports'] ? {} : { basePort: Number(options['base-port']) }),
      redis: options['redis-down'] ? 'down' : 'up',
      otlpEndpoint: receiver?.url ?? endpoint ?? '',
      settings: BILLS_OF_TODAY,
      env: process.env,
      clock,
      onProgress: progress,
      signal: stopping.signal,
    });
  } catch (error) {
    await receiver?.close();
    await jaeger?.stop();
    if (stopping.signal.aborted) return 130;
    say(error instanceof LocalStackError || error instanceof Error ? error.message : String(error));
    return 1;
  }
  const file: MeshFile = { startedAt: new Date(clock.nowMs()).toISOString(), addresses: addressesOf(mesh) };
  writeMeshFile(folder, file);
  try {
    say(`\n${SERVICES.length} processes serve after ${elapsedSeconds(clock, beganMs)} s. Five payments:\n`);
    const results = await Promise.race([runDemo(mesh, clock), stopped.then(() => [])]);
    if (results.length === 0) return 130;
    for (const line of resultTable(results)) say(line);
    for (const { title, wrong } of results) for (const fault of wrong) say(`✗ «${title}» ${fault}`);
    const inJaeger = jaeger === undefined ? undefined : await showJaeger(jaeger, results, clock);
    if (jaeger === undefined) await showTrace(receiver, results);
    const summary = {
      payments: results.length,
      succeeded: results.filter(({ wrong }) => wrong.length === 0).length,
      ...(inJaeger === undefined ? {} : { each_one_trace_in_jaeger: inJaeger }),
      charged_twice: results.filter(({ ledger }) => (ledger?.chargedTwice ?? 0) > 0).length,
      seconds: Number(elapsedSeconds(clock, beganMs)),
    };
    if (!options.exit) {
      say('\nCall it:');
      for (const [name, address] of Object.entries(file.addresses)) say(`  ${name.padEnd(18)} ${address}`);
      say('  examples/README.md has a TypeScript client and grpcurl lines.');
      say('\nCtrl-C stops everything.');
      await keepUntil(stopped, receiver, clock);
    }
    say('stopping …');
    await mesh.stop();
    if (options.exit) say(JSON.stringify(summary));
    return summary.succeeded === scenarios.length && summary.charged_twice === 0 && inJaeger !== false ? 0 : 1;
  } finally {
    await mesh.stop();
    await receiver?.close();
    await jaeger?.stop();
    removeMeshFile(folder);
  }
};

/** Waits, and forgets spans when there are many: this process may run for days. */
const keepUntil = async (
  stopped: Promise<unknown>,
  receiver: OtlpReceiver | undefined,
  clock: Clock,
): Promise<void> => {
  let over = false;
  const end = stopped.then(() => {
    over = true;
  });
  while (!over) {
    await Promise.race([end, clock.sleep(10_000)]);
    if ((receiver?.spans().length ?? 0) > SPANS_KEPT_MAX) receiver?.clear();
  }
};

process.exitCode = await main();
// Sockets of clients that were closed may linger for a moment; nothing is left to be done.
process.exit();
