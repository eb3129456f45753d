import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { type MeshProcess, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentKind, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, isServing } from '@tillmesh/rpc';
import { createSandboxControl } from './demo/sandbox-control.ts';
import { projectVersion } from './image/local-base.ts';
import { runTool } from './run-program.ts';

// npm run image:try: the image in the place of every process of a mesh, under load. Each container runs as it does in a pod: by its own user,
// with a root file system that it cannot write to, without capabilities; databases, Redis and the simulated channels are the local stack's.

const HELP = `npm run image:try -- [options]

  --image <name>       default tillmesh:<version>
  --per-second <n>     payments (default 10)`;

const { values } = parseArgs({
  options: {
    image: { type: 'string', default: `tillmesh:${projectVersion()}` },
    'per-second': { type: 'string', default: '10' },
    help: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
if (values.help) {
  say(HELP);
  process.exit(0);
}

const READY_MS_MAX = 30_000;
const SETTLED_MS_MAX = 30_000;
const mark = `tillmesh-try-${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-image-'));
const clock = systemClock;

const docker = async (words: readonly string[]): Promise<string> => {
  const { status, output } = await runTool('docker', words);
  if (status !== 0) throw new Error(`docker ${words[0] ?? ''}: ${output}`);
  return output.trim();
};

/** Containers run by a user of their own, and what they read belongs to whoever started this. */
const letRead = (path: string): void => {
  const isFolder = statSync(path).isDirectory();
  chmodSync(path, isFolder ? 0o777 : 0o644);
  if (isFolder) for (const name of readdirSync(path)) letRead(join(path, name));
};

const untilServing = async ({ name, port }: MeshProcess): Promise<void> => {
  const untilMs = clock.monotonicMs() + READY_MS_MAX;
  while (!(await isServing(`127.0.0.1:${port}`))) {
    if (clock.monotonicMs() > untilMs)
      throw new Error(`${name} does not serve:\n${await docker(['logs', `${mark}-${name}`])}`);
    await clock.sleep(100);
  }
};

const start = async (process: MeshProcess): Promise<void> => {
  const { name, script } = process;
  for (const place of ['run', 'keys', 'stack/accounts']) {
    try {
      letRead(join(folder, place));
    } catch {
      // Not every mesh has every folder.
    }
  }
  const config = join(folder, 'run', `${name}.json`);
  const kept = ['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
  const given = ['--network', 'host', '--volume', `${folder}:${folder}`, '--env', `TILLMESH_CONFIG=${config}`];
  await docker(['run', '--detach', '--name', `${mark}-${name}`, ...kept, ...given, values.image, `services/${script}`]);
  await untilServing(process);
};

const mesh = await startMesh({
  folder,
  groupTags: [1, 2],
  services: [
    'sandbox',
    'order-store',
    'query',
    'routing',
    'channel-wechat',
    'channel-alipay',
    'cashier',
    'syncer',
    'edge',
  ],
  instances: { cashier: 2, 'order-store': 2, 'channel-wechat': 2 },
  env: process.env,
  clock,
  onProgress: say,
});
let failed: string[] = [];
try {
  letRead(folder);
  const target = mesh.target('cashier');
  const cashier = createClient(CashierService, { target, caller: 'image-try', capMs: 40_000 });
  const sandbox = createSandboxControl(mesh.address('sandbox-control'));
  const stop = new AbortController();
  let paid = 0;
  const slowest = { ms: 0 };
  const pay = async (): Promise<void> => {
    const beganMs = clock.monotonicMs();
    try {
      const { payment } = await cashier.createPayment({
        merchantId: 'demo-cafe',
        merchantOrderNo: `TRY-${systemRandom.hex(8)}`,
        amount: { currency: 'CNY', minorUnits: 100n },
        kind: PaymentKind.PAYMENT_CODE,
        subject: 'image try',
        terminalId: 'till-1',
        paymentCode: await sandbox.paymentCode('wechat'),
      });
      let state = payment?.state;
      const ref = { ref: { case: 'orderNo', value: payment?.orderNo ?? '' } } as const;
      while (state === PaymentState.PAYING && clock.monotonicMs() - beganMs < SETTLED_MS_MAX) {
        await clock.sleep(500);
        ({ state } = (await cashier.getPayment({ payment: ref })).payment ?? { state });
      }
      if (state === PaymentState.SUCCEEDED) paid += 1;
      else failed.push(`${payment?.orderNo ?? '-'} is ${state ?? '-'}`);
    } catch (error) {
      failed.push(error instanceof Error ? error.message : String(error));
    }
    slowest.ms = Math.max(slowest.ms, clock.monotonicMs() - beganMs);
  };
  const load = (async () => {
    const under: Promise<void>[] = [];
    while (!stop.signal.aborted) {
      under.push(pay());
      await clock.sleep(1_000 / Number(values['per-second']));
    }
    await Promise.all(under);
  })();
  const processes = mesh.processes().filter(({ service }) => service !== 'sandbox');
  for (const each of processes) {
    await mesh.stopProcess(each.name);
    await start(each);
    say(`${each.name}: a container in its place`);
  }
  const inContainers = paid;
  failed = failed.filter((text) => {
    say(`while processes gave way: ${text}`);
    return false;
  });
  for (const each of processes) {
    // SIGTERM, and SIGKILL after a minute.
    await docker(['stop', '--time', '60', `${mark}-${each.name}`]);
    const code = await docker(['inspect', '--format', '{{.State.ExitCode}}', `${mark}-${each.name}`]);
    if (code !== '0') failed.push(`${each.name} ended with ${code}`);
    await docker(['start', `${mark}-${each.name}`]);
    await untilServing(each);
    say(`${each.name}: ended by SIGTERM and started again; ${paid - inContainers} payments since all are containers`);
  }
  stop.abort();
  await load;
  cashier.close();
  const ledger = await sandbox.check('');
  say(
    `${paid} payments paid, ${failed.length} failed, ${ledger.chargedTwice} charged twice; slowest ${Math.round(slowest.ms)} ms`,
  );
  for (const text of failed.slice(0, 10)) say(`  ${text}`);
  if (failed.length > 0 || ledger.chargedTwice > 0) process.exitCode = 1;
} finally {
  const ours = await docker(['ps', '--all', '--quiet', '--filter', `name=${mark}`]);
  if (ours !== '') await docker(['rm', '--force', ...ours.split('\n')]);
  await mesh.stop();
  rmSync(folder, { recursive: true, force: true });
}
