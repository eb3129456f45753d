import { join } from 'node:path';
import { type Clock, type Random, seededRandom } from '@tillmesh/clock';
import { type Mesh, type ServiceName, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { startOtlpReceiver } from '@tillmesh/testing';
import { percentile } from '../drills/channels/hang-phase.ts';
import { processorMsOf } from '../drills/rolling/processor-time.ts';
import { createSandboxControl } from '../scripts/demo/sandbox-control.ts';
import { type Bench, median, spread } from './bench.ts';

/** How much is traced: without any exporter, one payment in a hundred, all. */
const MODES = [
  { name: 'off', share: undefined },
  { name: '1 %', share: 0.01 },
  { name: '100 %', share: 1 },
] as const;
type ModeName = (typeof MODES)[number]['name'];

/** What a payment by code passes. The simulated channel is not ours: what it costs does not count. */
const SERVICES: readonly ServiceName[] = ['sandbox', 'routing', 'order-store', 'channel-wechat', 'cashier', 'syncer'];
const COUNTED: readonly ServiceName[] = ['order-store', 'channel-wechat', 'cashier', 'syncer', 'routing'];
const PER_SECOND = 10;
const WARM_UP_SECONDS = 8;
/** Spans are sent once a second: the last of a round belong to it. */
const SPANS_MS = 1_500;

type Rig = {
  readonly name: ModeName;
  readonly mesh: Mesh;
  readonly cashier: RpcClient<typeof CashierService>;
};

/** Processor time of our processes so far, ms. */
const cpuMs = ({ mesh }: Rig): number =>
  COUNTED.reduce((sum, service) => {
    const pid = mesh.services.pid(service);
    if (pid === undefined) throw new Error(`${service} does not run`);
    return sum + processorMsOf(pid);
  }, 0);

/** Pays so often in so long. @returns how long each took, ms. */
const payFor = async (rig: Rig, seconds: number, random: Random, clock: Clock): Promise<number[]> => {
  const sandbox = createSandboxControl(rig.mesh.address('sandbox-control'));
  const count = seconds * PER_SECOND;
  const codes = await Promise.all(Array.from({ length: count }, () => sandbox.paymentCode('wechat')));
  const fromMs = clock.monotonicMs();
  return Promise.all(
    codes.map(async (paymentCode, number) => {
      await clock.sleep((number * 1_000) / PER_SECOND);
      const beganMs = clock.monotonicMs();
      const { payment } = await rig.cashier.createPayment({
        merchantId: 'demo-cafe',
        merchantOrderNo: `TRACING-${random.hex(10)}`,
        amount: { currency: 'CNY', minorUnits: 100n },
        subject: 'Tea',
        kind: PaymentKind.PAYMENT_CODE,
        wallet: Wallet.WECHAT,
        paymentCode,
      });
      if (payment?.state !== PaymentState.SUCCEEDED)
        throw new Error(`a payment ${Math.round(beganMs - fromMs)} ms into the round was not paid at once`);
      return clock.monotonicMs() - beganMs;
    }),
  );
};

const p99 = (times: readonly number[]): number => percentile(times, 0.99);

type Round = { readonly cpuPerPaymentMs: number; readonly p99Ms: number };

/** What tracing costs: three meshes side by side, asked in turn. */
export const tracing: Bench = {
  name: 'tracing',
  title: 'processor time and p99 of a payment with tracing off, for one in a hundred, and for all',
  defaults: { rounds: 5, seconds: 6 },
  run: async ({ rounds, seconds, seed, folder, clock, onProgress }) => {
    const random = seededRandom(seed);
    const receiver = await startOtlpReceiver();
    const rigs: Rig[] = [];
    try {
      for (const { name, share } of MODES) {
        const mesh = await startMesh({
          folder: join(folder, `mesh-${rigs.length}`),
          services: SERVICES,
          env: process.env,
          clock,
          logLevel: 'error',
          ...(share === undefined ? {} : { otlpEndpoint: receiver.url, traceShare: share }),
        });
        const target = mesh.address('cashier');
        rigs.push({
          name,
          mesh,
          cashier: createClient(CashierService, { target, caller: 'bench', capMs: 20_000, clock }),
        });
        onProgress(`a mesh with tracing ${name} serves`);
      }
      for (const rig of rigs) await payFor(rig, WARM_UP_SECONDS, random, clock);
      const measured = new Map<ModeName, Round[]>(MODES.map(({ name }) => [name, []]));
      for (let round = 0; round < rounds; round += 1) {
        // Whoever is first in a round is another one each time.
        for (const rig of [...rigs.slice(round % rigs.length), ...rigs.slice(0, round % rigs.length)]) {
          receiver.clear();
          const before = cpuMs(rig);
          const times = await payFor(rig, seconds, random, clock);
          await clock.sleep(SPANS_MS);
          const cpuPerPaymentMs = (cpuMs(rig) - before) / times.length;
          measured.get(rig.name)?.push({ cpuPerPaymentMs, p99Ms: p99(times) });
        }
        onProgress(`round ${round + 1} of ${rounds}`);
      }
      const of = (name: ModeName) => measured.get(name) ?? [];
      const cpuRatios = (name: ModeName) =>
        of(name).map(
          ({ cpuPerPaymentMs }, round) => cpuPerPaymentMs / (of('off')[round]?.cpuPerPaymentMs ?? Number.NaN),
        );
      const p99Ratios = (name: ModeName) =>
        of(name).map(({ p99Ms }, round) => p99Ms / (of('off')[round]?.p99Ms ?? Number.NaN));
      const more = Number((median(cpuRatios('100 %')) - 1).toFixed(3));
      return {
        conditions: { rounds, seconds, payments_per_second: PER_SECOND, counted: COUNTED.join(' ') },
        figures: Object.fromEntries(
          MODES.flatMap(({ name, share }) => {
            const key = share === undefined ? 'off' : `share_${share}`;
            return [
              [`${key}_cpu_ms_per_payment`, Number(median(of(name).map((one) => one.cpuPerPaymentMs)).toFixed(2))],
              [`${key}_p99_ms`, Math.round(median(of(name).map((one) => one.p99Ms)))],
            ];
          }),
        ),
        targets: [
          {
            name: 'processor time with all payments traced, more than with tracing off',
            measured: more,
            op: '<=',
            target: 0.05,
          },
        ],
        lines: MODES.map(
          ({ name }) =>
            `tracing ${name.padEnd(5)} ${spread(of(name).map((one) => one.cpuPerPaymentMs))} ms of processor a payment, ×${spread(cpuRatios(name))} of off; p99 ${spread(
              of(name).map((one) => one.p99Ms),
              0,
            )} ms, ×${spread(p99Ratios(name))}`,
        ),
      };
    } finally {
      for (const { cashier } of rigs) cashier.close();
      await Promise.all(rigs.map(({ mesh }) => mesh.stop()));
      await receiver.close();
    }
  },
};
