import { type Clock, seededRandom } from '@tillmesh/clock';
import {
  type Leaving,
  type Mesh,
  type MeshProcess,
  type RepeatableService,
  type ServiceName,
  startMesh,
} from '@tillmesh/local-mesh';
import { type Rollout, rolloutsOfChart } from '../scripts/chart/rollouts.ts';
import { type ChannelLoad, startChannelLoad } from './channels/channel-load.ts';
import { createScriptControl, slow } from './channels/channel-scripts.ts';
import type { Drill } from './drill.ts';
import { closeAccounts } from './final-accounts.ts';
import { countProcessorTime, type ProcessorTime } from './rolling/processor-time.ts';
import { isFailed, p99Of, reasonsOf, SOURCES } from './rolling/rolling-load.ts';

export type UpgradeSize = {
  /** Which of the chart's services there are and are upgraded; all unless told. */
  readonly services?: readonly ServiceName[];
  readonly groupTags: readonly number[];
  /** Instances of a service at most, besides the one that a rollout adds. */
  readonly replicasMax: number;
  readonly warmUpMs: number;
  /** Times may be so many times as long: a small run among tests shows that something happens, not how fast. */
  readonly slack: number;
};

// Of a machine of two cores one order group and one instance of each service leave most for the payments.
const FULL: UpgradeSize = { groupTags: [1], replicasMax: 1, warmUpMs: 30_000, slack: 1 };

/** Code that nobody has run yet is slow: the load grows from this part of its rate. */
const RAMP_FROM = 0.2;
const RAMP_STEPS = 8;

const SETTLED_WITHIN_MS = 120_000;
const P99_RATIO_MAX = 2;

/** All workloads of the chart leave alike; the local mesh has one such setting. */
const leavingOf = (rollouts: readonly Rollout[]): Leaving => {
  const all = new Set(
    rollouts.map(({ preStopMs, drainMs, graceMs }) => JSON.stringify({ preStopMs, drainMs, graceMs })),
  );
  const [only] = all;
  if (only === undefined || all.size > 1) throw new Error('the workloads of the chart leave in different ways');
  return JSON.parse(only) as Leaving;
};

/** What a rollout took, and when it was, of the load's clock. */
type Upgraded = {
  readonly service: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** From a new process' start until it is ready, the longest. */
  readonly startMs: number;
};

type Upgrade = {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly sinceBegin: () => number;
  readonly onProgress: (line: string) => void;
  /** Old processes that are still leaving. */
  readonly leaving: Set<Promise<void>>;
};

/** The load grows for half of the time, and goes on at its rate for the other half. */
const warmUp = async (load: ChannelLoad, rate: number, forMs: number, clock: Clock): Promise<void> => {
  for (let step = 1; step <= RAMP_STEPS; step += 1) {
    await clock.sleep(forMs / 2 / RAMP_STEPS);
    const part = RAMP_FROM + ((1 - RAMP_FROM) * step) / RAMP_STEPS;
    for (const { merchantId } of SOURCES) load.setRate(merchantId, (rate * part) / SOURCES.length);
  }
  await clock.sleep(forMs / 2);
};

const beginToLeave = ({ mesh, clock, onProgress, leaving }: Upgrade, { name }: MeshProcess): void => {
  const beganMs = clock.monotonicMs();
  const left = mesh.stopProcess(name).then(() => {
    onProgress(`${name} (old) was gone ${seconds(clock.monotonicMs() - beganMs)} s after it left the endpoints`);
    leaving.delete(left);
  });
  leaving.add(left);
};

const seconds = (ms: number): string => (ms / 1_000).toFixed(1);

/** One workload, as its controller does it: the next one comes while the last one leaves. */
const upgrade = async (upgrading: Upgrade, rollout: Rollout): Promise<Upgraded> => {
  const { mesh, clock, sinceBegin } = upgrading;
  const fromMs = sinceBegin();
  let startMs = 0;
  const timed = async (start: Promise<unknown>): Promise<void> => {
    const beganMs = clock.monotonicMs();
    await start;
    startMs = Math.max(startMs, clock.monotonicMs() - beganMs);
    await clock.sleep(rollout.minReadyMs);
  };
  for (const old of mesh.processes().filter(({ service }) => service === rollout.service)) {
    if (rollout.order === 'in_place') {
      await mesh.stopProcess(old.name);
      await timed(mesh.startAgain(old));
    } else {
      await timed(mesh.startFurther(rollout.service as RepeatableService));
      beginToLeave(upgrading, old);
    }
  }
  const upgraded = { service: rollout.service, fromMs, toMs: sinceBegin(), startMs };
  upgrading.onProgress(`${rollout.service}: new processes ready after ${seconds(startMs)} s`);
  return upgraded;
};

/** What a payment costs whom. */
const costLine = ({ ms }: ProcessorTime, payments: number): string => {
  const each = [...ms].toSorted(([, one], [, other]) => other - one);
  const costs = each.map(([name, used]) => `${name} ${(used / Math.max(1, payments)).toFixed(1)}`);
  return `processor time before the upgrade, ms a payment: ${costs.join(', ')}`;
};

/**
 * Every service is upgraded as Kubernetes would by the chart's numbers, one workload after the other: a new instance is ready for some
 * seconds, an old one leaves the endpoints, serves on, has SIGTERM and drains.
 */
export const rollingUpgradeOf = (size: UpgradeSize): Drill => ({
  name: 'rolling-upgrade',
  title: 'every service is replaced by the order, waits and signals of a Kubernetes rollout: no payment fails',
  defaults: { seconds: 20, rate: 30 },
  run: async ({ seconds: baselineSeconds, rate, seed, folder, env, clock, onProgress }) => {
    const ofChart = await rolloutsOfChart(size.replicasMax);
    const rollouts = ofChart.filter(({ service }) => size.services?.includes(service) ?? true);
    const leaving = leavingOf(rollouts);
    const services = rollouts.map(({ service }) => service);
    const repeated = rollouts.filter(({ replicas }) => replicas > 1);
    const mesh = await startMesh({
      folder,
      env,
      clock,
      logLevel: 'warn',
      discovery: true,
      leaving,
      groupTags: size.groupTags,
      services: ['sandbox', ...services],
      instances: Object.fromEntries(repeated.map(({ service, replicas }) => [service, replicas])),
      onProgress,
    });
    let load: ChannelLoad | undefined;
    try {
      const scripts = createScriptControl(mesh.address('sandbox-control'));
      for (const { accountId } of SOURCES) await scripts.add(slow(accountId));
      const beganMs = clock.monotonicMs();
      const sinceBegin = () => clock.monotonicMs() - beganMs;
      load = await startChannelLoad({
        mesh,
        sources: SOURCES,
        rate: (rate * RAMP_FROM) / SOURCES.length,
        random: seededRandom(seed),
        clock,
        beganMs,
        repeats: true,
      });
      await warmUp(load, rate, size.warmUpMs, clock);
      const baselineFromMs = sinceBegin();
      const busyBefore = countProcessorTime(mesh);
      await clock.sleep(baselineSeconds * 1_000);
      const upgradeFromMs = sinceBegin();
      const baselineBusy = busyBefore();
      const busyMeanwhile = countProcessorTime(mesh);
      const upgrading = { mesh, clock, sinceBegin, onProgress, leaving: new Set<Promise<void>>() };
      const upgraded: Upgraded[] = [];
      for (const rollout of rollouts) upgraded.push(await upgrade(upgrading, rollout));
      await Promise.all(upgrading.leaving);
      const upgradeToMs = sinceBegin();
      const upgradeBusy = busyMeanwhile();
      await clock.sleep(baselineSeconds * 1_000);
      await load.stop();
      onProgress('the load is over; waiting for what is on its way');
      const { samples } = load;
      const accounts = await closeAccounts(mesh, samples, clock, SETTLED_WITHIN_MS);
      const between = (fromMs: number, toMs: number) => samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
      const baseline = between(baselineFromMs, upgradeFromMs);
      const during = between(upgradeFromMs, upgradeToMs);
      const after = between(upgradeToMs, Number.POSITIVE_INFINITY);
      const failed = samples.filter(isFailed);
      return {
        conditions: {
          seconds_before_and_after: baselineSeconds,
          rate,
          services: rollouts.length,
          replicas_max: size.replicasMax,
          groups: size.groupTags.length,
          pre_stop_ms: leaving.preStopMs,
          drain_ms: leaving.drainMs,
          grace_ms: leaving.graceMs,
        },
        figures: {
          payments: samples.length,
          before_per_second: Number((baseline.length / ((upgradeFromMs - baselineFromMs) / 1_000)).toFixed(1)),
          upgrade_payments: during.length,
          upgrade_seconds: Math.round((upgradeToMs - upgradeFromMs) / 1_000),
          upgrade_per_second: Number((during.length / ((upgradeToMs - upgradeFromMs) / 1_000)).toFixed(1)),
          before_p99_ms: Math.round(p99Of(baseline)),
          upgrade_p99_ms: Math.round(p99Of(during)),
          after_p99_ms: Math.round(p99Of(after)),
          before_busy_share: Number(baselineBusy.busyShare.toFixed(2)),
          upgrade_busy_share: Number(upgradeBusy.busyShare.toFixed(2)),
          start_ms_longest: Math.round(Math.max(...upgraded.map(({ startMs }) => startMs))),
          sent_again_by_the_till: samples.filter(({ errors }) => errors.length > 0).length,
          paid: accounts.paid,
          not_paid: accounts.notPaid,
        },
        targets: [
          { name: 'failed', measured: failed.length, op: '==', target: 0 },
          { name: 'charged twice', measured: accounts.chargedTwice, op: '==', target: 0 },
          { name: 'accepted and lost', measured: accounts.lost, op: '==', target: 0 },
          { name: 'unsettled at the end', measured: accounts.unsettled, op: '==', target: 0 },
          {
            name: 'p99 while services were upgraded, against before',
            measured: Number((p99Of(during) / p99Of(baseline)).toFixed(2)),
            op: '<=',
            target: P99_RATIO_MAX * size.slack,
          },
        ],
        lines: [
          costLine(baselineBusy, baseline.length),
          ...upgraded.map(({ service, fromMs, toMs, startMs }) => {
            const own = between(fromMs, toMs);
            return `${service.padEnd(16)} start ${seconds(startMs).padStart(5)} s, ${String(own.length).padStart(5)} payments, p99 ${String(Math.round(p99Of(own))).padStart(5)} ms`;
          }),
          ...reasonsOf(failed),
          ...accounts.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      await load?.stop().catch(() => undefined);
      await mesh.stop();
    }
  },
});

export const rollingUpgrade: Drill = rollingUpgradeOf(FULL);
