import { seededRandom } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { type ChannelLoad, startChannelLoad } from './channels/channel-load.ts';
import { type ChannelScripts, createChannelScripts } from './channels/channel-scripts.ts';
import { EIGHT_CHANNELS, eightMerchants, FURTHER_CHANNELS, VICTIM } from './channels/eight-channels.ts';
import { exchangesOfAccount, forgetMostExchanges } from './channels/exchanges.ts';
import { type HangFigures, type HangTimes, judgeHangs, median } from './channels/hang-phase.ts';
import { pictureOfLanes } from './channels/lanes-picture.ts';
import { wrongfullyRefused } from './channels/wrongfully-refused.ts';
import type { Drill, DrillOptions, Target } from './drill.ts';
import { closeAccounts } from './final-accounts.ts';

/** The sick channel gets so many times its normal load: customers try again. */
const LOAD_FACTOR = 3;
/** The one that will hang has more to do than the others, so that some of its payments are under way at once. */
const VICTIM_SHARE = 2;
/** Each way in turn, so often: p99 of one phase is the second slowest of some two hundred payments, and what a machine can do differs between minutes. */
const ROUNDS = 3;
/** A phase of each way: as long before the hang as during it, and this share of it afterwards. */
const RECOVERY_SHARE = 0.75;
/** Code that runs for the first time is slow, and the lanes have to learn what is usual. */
const WARM_UP_MS = 25_000;
/** Into a hang: the curves have something to show. */
const PICTURE_AFTER_MS = 8_000;
const SETTLED_WITHIN_MS = 180_000;
/** The channels here are simulated: nobody has to wait two real minutes to be sure that an order never arrived. */
const PLAN_TIME_SCALE = 0.25;

const victimMerchant = `shop-${VICTIM}`;
const victimAccount = `${VICTIM}-a`;
const victimProcess = `channel-${VICTIM}`;

type Way = {
  readonly name: 'channel' | 'process' | 'network';
  readonly title: string;
  readonly hang: (mesh: Mesh, scripts: ChannelScripts) => Promise<void>;
  readonly heal: (mesh: Mesh, scripts: ChannelScripts) => Promise<void>;
};

/** How a channel can hang: nobody refuses, nobody answers. */
const WAYS: readonly Way[] = [
  {
    name: 'channel',
    title: 'the channel answers nothing any more',
    hang: (_mesh, scripts) => scripts.hang(victimAccount),
    heal: (_mesh, scripts) => scripts.allWell(),
  },
  {
    name: 'process',
    title: 'the adapter’s process is frozen',
    hang: (mesh) => mesh.services.kill(victimProcess, 'SIGSTOP'),
    heal: (mesh) => mesh.services.kill(victimProcess, 'SIGCONT'),
  },
  {
    name: 'network',
    title: 'the network to the adapter swallows everything',
    hang: (mesh) => mesh.networkOf(VICTIM).cut(),
    heal: (mesh) => mesh.networkOf(VICTIM).heal(),
  },
];

type Inputs = {
  readonly mesh: Mesh;
  readonly scripts: ChannelScripts;
  readonly load: ChannelLoad;
  /** Of the one that hangs, before it does. */
  readonly rate: number;
};

type Run = {
  readonly times: HangTimes;
  /** Payments at once at the sick channel after it was healed, the most, against the most before. */
  readonly burst: number;
};

/** The live page in a hang of its own, after what is measured: a browser would take the others' time. */
const takePicture = async (
  file: string,
  { mesh, scripts, load, rate }: Inputs,
  options: DrillOptions,
): Promise<void> => {
  await scripts.hang(victimAccount);
  load.setRate(victimMerchant, rate * LOAD_FACTOR);
  await options.clock.sleep(PICTURE_AFTER_MS);
  await pictureOfLanes({ mesh, file, openLane: `channel-${VICTIM}.pay`, env: options.env });
  load.setRate(victimMerchant, rate);
  await scripts.allWell();
  options.onProgress(`the live page during a hang: ${file}`);
};

const run = async (way: Way, inputs: Inputs, options: DrillOptions, sinceBegin: () => number): Promise<Run> => {
  const { mesh, scripts, load, rate } = inputs;
  const { clock, seconds, onProgress } = options;
  const control = mesh.address('sandbox-control');
  const mostPaying = async () => (await exchangesOfAccount(control, victimAccount)).paying.most;
  await forgetMostExchanges(control);
  const baselineFromMs = sinceBegin();
  await clock.sleep(seconds * 1_000);
  const usualMost = await mostPaying();
  await way.hang(mesh, scripts);
  load.setRate(victimMerchant, rate * LOAD_FACTOR);
  const hungAtMs = sinceBegin();
  onProgress(`${way.title}; ${LOAD_FACTOR} times its load from now on`);
  await clock.sleep(seconds * 1_000);
  load.setRate(victimMerchant, rate);
  await way.heal(mesh, scripts);
  const healedAtMs = sinceBegin();
  onProgress('healed');
  await forgetMostExchanges(control);
  await clock.sleep(seconds * RECOVERY_SHARE * 1_000);
  const burst = (await mostPaying()) / usualMost;
  return { times: { baselineFromMs, hungAtMs, healedAtMs, endMs: sinceBegin() }, burst };
};

const targetsOf = (way: string, figures: HangFigures, burst: number): readonly Target[] => [
  { name: `${way}: others paid at once, share`, measured: figures.othersPaid, op: '>=', target: 0.9999 },
  {
    name: `${way}: others' p99 against their own before`,
    measured: Number((figures.hungP99Ms / figures.baselineP99Ms).toFixed(3)),
    op: '<=',
    target: 1.1,
  },
  { name: `${way}: lane open after, ms, median`, measured: Math.round(figures.openedAfterMs), op: '<=', target: 2_000 },
  {
    name: `${way}: back at 95 % after, ms, median`,
    measured: Math.round(figures.backAfterMs),
    op: '<=',
    target: 5_000,
  },
  {
    name: `${way}: payments at once at the channel after it, against before, median`,
    measured: Number(burst.toFixed(2)),
    op: '<=',
    target: 1.2,
  },
  { name: `${way}: payments of the sick channel that were rerouted`, measured: figures.rerouted, op: '==', target: 0 },
];

/** One of eight channels hangs, in three ways, under three times its load: nobody else notices. */
export const hang: Drill = {
  name: 'hang',
  title: 'one of eight channels hangs under three times its load; the others notice nothing',
  defaults: { seconds: 20, rate: 12 },
  run: async (options) => {
    const { seconds, rate, seed, folder, env, clock, onProgress } = options;
    const perChannel = rate / (EIGHT_CHANNELS.length - 1 + VICTIM_SHARE);
    const victimRate = perChannel * VICTIM_SHARE;
    const mesh = await startMesh({
      folder,
      env,
      clock,
      logLevel: 'warn',
      channels: FURTHER_CHANNELS,
      settings: { syncer: { planTimeScale: PLAN_TIME_SCALE }, 'routing-table': { merchants: eightMerchants } },
      onProgress,
    });
    try {
      const scripts = createChannelScripts(mesh.address('sandbox-control'));
      await scripts.allWell();
      const beganMs = clock.monotonicMs();
      const sinceBegin = () => clock.monotonicMs() - beganMs;
      const random = seededRandom(seed);
      const load = await startChannelLoad({ mesh, sources: EIGHT_CHANNELS, rate: perChannel, random, clock, beganMs });
      load.setRate(victimMerchant, victimRate);
      await clock.sleep(WARM_UP_MS);
      const runs = new Map<Way, Run[]>(WAYS.map((way) => [way, []]));
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const [way, own] of runs) {
          own.push(await run(way, { mesh, scripts, load, rate: victimRate }, options, sinceBegin));
        }
      }
      if (options.pngFile !== undefined)
        await takePicture(options.pngFile, { mesh, scripts, load, rate: victimRate }, options);
      await load.stop();
      onProgress('the load is over; waiting for what is on its way');
      const accounts = await closeAccounts(mesh, load.samples, clock, SETTLED_WITHIN_MS);
      const refusedThoughTaken = await wrongfullyRefused(mesh, load.samples);
      const judged = [...runs].map(([way, own]) => ({
        way,
        figures: judgeHangs(
          load.samples,
          VICTIM,
          own.map(({ times }) => times),
        ),
        burst: median(own.map(({ burst }) => burst)),
      }));
      return {
        conditions: {
          seconds_a_phase: seconds,
          rounds: ROUNDS,
          rate,
          channels: EIGHT_CHANNELS.length,
          load_factor: LOAD_FACTOR,
        },
        figures: {
          payments: load.samples.length,
          ...Object.fromEntries(
            judged.flatMap(({ way, figures }) =>
              Object.entries(figures).map(([name, value]) => [`${way.name}_${name}`, Number(value.toFixed(4))]),
            ),
          ),
          paid: accounts.paid,
          not_paid: accounts.notPaid,
          settled_after_ms: Math.round(accounts.settledAfterMs),
        },
        targets: [
          ...judged.flatMap(({ way, figures, burst }) => targetsOf(way.name, figures, burst)),
          { name: 'refused although the channel took the money', measured: refusedThoughTaken, op: '==', target: 0 },
          { name: 'charged twice', measured: accounts.chargedTwice, op: '==', target: 0 },
          { name: 'accepted and lost', measured: accounts.lost, op: '==', target: 0 },
          { name: 'unsettled at the end', measured: accounts.unsettled, op: '==', target: 0 },
          { name: 'our books and the channels’ differ', measured: accounts.differing, op: '==', target: 0 },
        ],
        lines: [
          ...judged.map(
            ({ way, figures }) =>
              `${way.title}: of ${figures.othersCount} payments at the others ${(figures.othersPaid * 100).toFixed(2)} % paid at once, p99 ${figures.hungP99Ms.toFixed(0)} ms (${figures.baselineP99Ms.toFixed(0)} before); at the sick one ${figures.processing} on their way, ${figures.refused} refused`,
          ),
          ...accounts.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      await mesh.services.kill(victimProcess, 'SIGCONT').catch(() => undefined);
      await mesh.stop();
    }
  },
};
