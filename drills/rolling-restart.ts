import { type Clock, seededRandom } from '@tillmesh/clock';
import { type Mesh, type RepeatableService, SERVICES, type ServiceName, startMesh } from '@tillmesh/local-mesh';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type ChannelLoad, type ChannelSample, startChannelLoad } from './channels/channel-load.ts';
import { createScriptControl, slow } from './channels/channel-scripts.ts';
import type { Drill } from './drill.ts';
import { closeAccounts } from './final-accounts.ts';
import { isFailed, p99Of, reasonsOf, SOURCES } from './rolling/rolling-load.ts';
import { untilItsShare } from './rolling/share-of-new.ts';

/** How much of a mesh is restarted and scaled. */
export type RollingSize = {
  readonly services: readonly ServiceName[];
  /** Services of which there are two processes, as there would be in production. */
  readonly pairs: readonly RepeatableService[];
  /** Whose processes are ended in order and started again. */
  readonly restarted: readonly ServiceName[];
  /** What goes from two processes to more and back. */
  readonly scaled: readonly RepeatableService[];
  readonly scaledTo: number;
  readonly warmUpMs: number;
  /** Times may be so many times as long: a small run among tests shows that something happens, not how fast. */
  readonly slack: number;
};

const FULL: RollingSize = {
  services: SERVICES,
  pairs: ['order-store', 'channel-wechat', 'channel-alipay', 'cashier', 'syncer', 'edge', 'query'],
  // The sandbox is not ours: it plays the channels.
  restarted: SERVICES.filter((service) => service !== 'sandbox'),
  // What lies on the way of every payment.
  scaled: ['cashier', 'order-store', 'channel-wechat'],
  scaledTo: 5,
  warmUpMs: 15_000,
  slack: 1,
};

const FROZEN = 'cashier-i2';
const FROZEN_MS = 8_000;
/** A payment that took so much longer than the channel went to the frozen process. */
const HUNG_MS = 3_000;

/** Between two restarts, so that one is over before the next begins. */
const PAUSE_MS = 1_000;
const SETTLED_WITHIN_MS = 120_000;
const PLAN_TIME_SCALE = 0.25;

/** Ends each process in order and starts it again, one after the other. @returns how many. */
const restartAll = async (
  mesh: Mesh,
  services: readonly string[],
  clock: Clock,
  onProgress: (line: string) => void,
): Promise<number> => {
  const own = mesh.processes().filter(({ service }) => services.includes(service));
  for (const process of own) {
    const beganMs = clock.monotonicMs();
    await mesh.stopProcess(process.name);
    const stoppedMs = clock.monotonicMs();
    await mesh.startAgain(process);
    onProgress(
      `${process.name} ended in ${Math.round(stoppedMs - beganMs)} ms and is ready again after ${Math.round(clock.monotonicMs() - stoppedMs)} ms`,
    );
    await clock.sleep(PAUSE_MS);
  }
  return own.length;
};

/** From two processes to more and back. @returns after how many ms each new process had its share. */
const scale = async (
  mesh: Mesh,
  service: RepeatableService,
  scaledTo: number,
  clock: Clock,
  onProgress: (line: string) => void,
): Promise<readonly number[]> => {
  const after: number[] = [];
  const before = mesh.processes().filter((process) => process.service === service).length;
  for (let count = before + 1; count <= scaledTo; count += 1) {
    const fresh = await mesh.startFurther(service);
    after.push(await untilItsShare(mesh, service, fresh, clock));
    onProgress(`${fresh.name} has its share ${Math.round(after.at(-1) ?? Number.NaN)} ms after it was ready`);
  }
  const own = mesh.processes().filter((process) => process.service === service);
  for (const { name } of own.slice(before)) await mesh.stopProcess(name);
  onProgress(`${service}: ${before} processes again`);
  return after;
};

/** One process stands still. @returns the time of its standing still, of the load's clock. */
const freeze = async (
  mesh: Mesh,
  clock: Clock,
  sinceBegin: () => number,
): Promise<{ readonly fromMs: number; readonly toMs: number }> => {
  await mesh.services.kill(FROZEN, 'SIGSTOP');
  const fromMs = sinceBegin();
  await clock.sleep(FROZEN_MS);
  await mesh.services.kill(FROZEN, 'SIGCONT');
  return { fromMs, toMs: sinceBegin() };
};

const figuresOf = (samples: readonly ChannelSample[]) => ({
  count: samples.length,
  failed: samples.filter(isFailed).length,
  onTheirWay: samples.filter(({ answer }) => answer?.state === PaymentState.PAYING).length,
  p99Ms: p99Of(samples),
});

/** Every process is restarted in order, services go from two processes to five and back, one stands still: no payment fails. */
export const rollingRestartOf = (size: RollingSize): Drill => ({
  name: 'rolling-restart',
  title: 'every process is restarted in order, services go from 2 to 5 and back, one stands still: no payment fails',
  defaults: { seconds: 20, rate: 12 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const mesh = await startMesh({
      folder,
      env,
      clock,
      logLevel: 'warn',
      discovery: true,
      services: size.services,
      instances: Object.fromEntries(size.pairs.map((service) => [service, 2])),
      settings: { syncer: { planTimeScale: PLAN_TIME_SCALE } },
      onProgress,
    });
    let load: ChannelLoad | undefined;
    try {
      const scripts = createScriptControl(mesh.address('sandbox-control'));
      for (const { accountId } of SOURCES) await scripts.add(slow(accountId));
      const beganMs = clock.monotonicMs();
      const sinceBegin = () => clock.monotonicMs() - beganMs;
      const random = seededRandom(seed);
      load = await startChannelLoad({
        mesh,
        sources: SOURCES,
        rate: rate / SOURCES.length,
        random,
        clock,
        beganMs,
        repeats: true,
      });
      await clock.sleep(size.warmUpMs);
      const baselineFromMs = sinceBegin();
      await clock.sleep(seconds * 1_000);
      const restartFromMs = sinceBegin();
      const restarted = await restartAll(mesh, size.restarted, clock, onProgress);
      const scaleFromMs = sinceBegin();
      const shares: number[] = [];
      for (const service of size.scaled) shares.push(...(await scale(mesh, service, size.scaledTo, clock, onProgress)));
      await clock.sleep(PAUSE_MS);
      const frozen = await freeze(mesh, clock, sinceBegin);
      await clock.sleep(seconds * 1_000);
      const endMs = sinceBegin();
      await load.stop();
      onProgress('the load is over; waiting for what is on its way');
      const accounts = await closeAccounts(mesh, load.samples, clock, SETTLED_WITHIN_MS);
      const { samples } = load;
      const between = (fromMs: number, toMs: number) =>
        figuresOf(samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs));
      const baseline = between(baselineFromMs, restartFromMs);
      const restart = between(restartFromMs, scaleFromMs);
      const scaled = between(scaleFromMs, frozen.fromMs);
      const still = between(frozen.fromMs, endMs);
      const hung = samples.filter(
        ({ atMs, tookMs }) => atMs >= frozen.fromMs && atMs < frozen.toMs && tookMs >= HUNG_MS,
      );
      const outAfterMs = Math.max(0, ...hung.map(({ atMs }) => atMs - frozen.fromMs));
      const shareAfterMs = Math.max(0, ...shares);
      return {
        conditions: {
          seconds_a_phase: seconds,
          rate,
          restarted,
          scaled: size.scaled.join(' '),
          scaled_to: size.scaledTo,
        },
        figures: {
          payments: samples.length,
          baseline_p99_ms: Math.round(baseline.p99Ms),
          restart_payments: restart.count,
          restart_p99_ms: Math.round(restart.p99Ms),
          restart_on_their_way: restart.onTheirWay,
          scale_payments: scaled.count,
          scale_p99_ms: Math.round(scaled.p99Ms),
          scale_on_their_way: scaled.onTheirWay,
          shares_after_ms_worst: Math.round(shareAfterMs),
          frozen_payments: still.count,
          frozen_hung: hung.length,
          frozen_on_their_way: still.onTheirWay,
          paid: accounts.paid,
          not_paid: accounts.notPaid,
        },
        targets: [
          { name: 'failed while every process was restarted', measured: restart.failed, op: '==', target: 0 },
          { name: 'failed while services went from 2 to 5 and back', measured: scaled.failed, op: '==', target: 0 },
          { name: 'failed while one process stood still', measured: still.failed, op: '==', target: 0 },
          {
            name: 'a new process has its share after, ms',
            measured: Math.round(shareAfterMs),
            op: '<=',
            target: 5_000 * size.slack,
          },
          {
            name: 'one that stands still is out after, ms',
            measured: Math.round(outAfterMs),
            op: '<=',
            target: 3_000 * size.slack,
          },
          { name: 'charged twice', measured: accounts.chargedTwice, op: '==', target: 0 },
          { name: 'accepted and lost', measured: accounts.lost, op: '==', target: 0 },
          { name: 'unsettled at the end', measured: accounts.unsettled, op: '==', target: 0 },
        ],
        lines: [...reasonsOf(samples), ...accounts.complaints.map((complaint) => `✗ ${complaint}`)],
      };
    } finally {
      await mesh.services.kill(FROZEN, 'SIGCONT').catch(() => undefined);
      await load?.stop().catch(() => undefined);
      await mesh.stop();
    }
  },
});

export const rollingRestart: Drill = rollingRestartOf(FULL);
