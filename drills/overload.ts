import { type Clock, type Random, seededRandom } from '@tillmesh/clock';
import { createLane, type Lane, LaneRejected } from '@tillmesh/lane';
import { startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { createClient, type RpcClient, toRpcError } from '@tillmesh/rpc';
import { type ChannelLoad, type ChannelSample, startChannelLoad } from './channels/channel-load.ts';
import { percentile } from './channels/hang-phase.ts';
import type { Drill, Target } from './drill.ts';
import { closeAccounts } from './final-accounts.ts';

/** Payments by code go on all the time, while it is found out how much can be done too: what they cost is the same in every phase. */
const PAYERS = { channelId: 'alipay', wallet: 'alipay', accountId: 'alipay-a', merchantId: 'demo-cafe' } as const;
const MERCHANTS = 200;
/** Callers that ask again as soon as they are answered, to find out how much can be done: with fewer of them it is less. */
const SATURATING_CALLERS = 128;
const FACTORS = [3, 10] as const;
const ROUNDS = 5;
const TICK_MS = 5;
const QUESTION_MS_MAX = 2_000;
/** What is measured begins so long after a load did. */
const SETTLING_MS = 1_000;
/** After a flood everybody is admitted again in steps: what can be done is not found out before. */
const RECOVERING_MS = 4_000;
const WARM_UP_MS = 5_000;
/** Until what runs often is compiled: a cold cashier answers half of what a warm one does. */
const COMPILING_MS = 25_000;
const SETTLED_WITHIN_MS = 120_000;

const LANE = {
  name: 'cashier.questions',
  concurrentMax: 256,
  queuedMax: 0,
  queueWaitMsMax: 0,
  timeoutMs: QUESTION_MS_MAX,
  halfOpenAfterMs: 250,
};

type Cashier = Pick<RpcClient<typeof CashierService>, 'getPayment'>;
type Answers = { answered: number; readonly tookMs: number[]; readonly failures: Map<string, number> };

type World = {
  readonly cashier: Cashier;
  /** The callers' own lane to the cashier, as every service has one. */
  readonly lane: Lane;
  readonly orderNo: string;
  readonly load: ChannelLoad;
  readonly clock: Clock;
  readonly random: Random;
  readonly beganMs: number;
};

/** What was asked and paid in one phase. */
type Phase = {
  readonly asked: number;
  readonly questions: Answers;
  readonly payments: readonly ChannelSample[];
  /** Questions and payments that were answered before the phase was over. */
  readonly perSecond: number;
  /** Of one core, what the callers of the drill took: it is missing to the mesh. */
  readonly ownCpu: number;
};

const ask = async ({ cashier, lane, orderNo, random, clock }: World, answers: Answers): Promise<void> => {
  const beganMs = clock.monotonicMs();
  try {
    await cashier.getPayment(
      { payment: { ref: { case: 'orderNo', value: orderNo } } },
      { capMs: QUESTION_MS_MAX, passage: lane, priority: 'query', merchant: `m-${random.below(MERCHANTS)}` },
    );
    answers.answered += 1;
    answers.tookMs.push(clock.monotonicMs() - beganMs);
  } catch (error) {
    const why = error instanceof LaneRejected ? error.reason : toRpcError(error).reason;
    answers.failures.set(why, (answers.failures.get(why) ?? 0) + 1);
  }
};

/** Asks in some way for so long. @param drive asks, and resolves when the time is up; what it began may be under way then. */
const phase = async (
  world: World,
  ms: number,
  drive: (answers: Answers, endMs: number, running: Promise<void>[]) => Promise<void>,
): Promise<Phase> => {
  const { clock, load } = world;
  const questions: Answers = { answered: 0, tookMs: [], failures: new Map() };
  const running: Promise<void>[] = [];
  const fromMs = clock.monotonicMs();
  const cpu = process.cpuUsage();
  await drive(questions, fromMs + ms, running);
  const spent = process.cpuUsage(cpu);
  // What is answered after the time was up is not what could be done in it.
  const answeredInTime = questions.answered;
  const lastedMs = clock.monotonicMs() - fromMs;
  await Promise.all(running);
  const since = ({ atMs }: ChannelSample) => atMs + world.beganMs - fromMs;
  const payments = load.samples.filter((sample) => since(sample) >= 0 && since(sample) < lastedMs);
  const paidInTime = load.samples.filter((sample) => {
    const endMs = since(sample) + sample.tookMs;
    return sample.answer !== undefined && endMs >= 0 && endMs < lastedMs;
  });
  return {
    asked: questions.answered + [...questions.failures.values()].reduce((sum, times) => sum + times, 0),
    questions,
    payments,
    perSecond: (answeredInTime + paidInTime.length) / (lastedMs / 1_000),
    ownCpu: (spent.user + spent.system) / 1_000 / lastedMs,
  };
};

/** A flood, between what could be done before it and behind it. */
type Round = { readonly factor: number; readonly flood: Phase; readonly saturation: readonly [Phase, Phase] };

/** Begins so many questions a second for so long, whether or not earlier ones are answered. */
const offer = (world: World, perSecond: number, ms: number): Promise<Phase> =>
  phase(world, ms, async (answers, endMs, running) => {
    const { clock } = world;
    const fromMs = endMs - ms;
    for (let nowMs = fromMs; nowMs < endMs; nowMs = clock.monotonicMs()) {
      while (running.length < ((nowMs - fromMs) * perSecond) / 1_000) running.push(ask(world, answers));
      await clock.sleep(TICK_MS);
    }
  });

/** Asks as much as is answered. */
const saturate = (world: World, ms: number): Promise<Phase> =>
  phase(world, ms, async (answers, endMs) => {
    const { clock } = world;
    await Promise.all(
      Array.from({ length: SATURATING_CALLERS }, async () => {
        while (clock.monotonicMs() < endMs) {
          const before = answers.answered;
          await ask(world, answers);
          // A refusal costs no turn of the event loop: callers that did not rest would leave the loop no time for an answer.
          if (answers.answered === before) await clock.sleep(TICK_MS);
        }
      }),
    );
    if (answers.answered === 0) throw new Error(`no question was answered: ${words(answers)}`);
  });

const words = ({ failures }: Answers): string =>
  [...failures].map(([reason, times]) => `${reason} ${times}×`).join(', ') || 'none refused';
const p99 = ({ questions }: Phase): number => percentile(questions.tookMs, 0.99);
const median = (values: readonly number[]): number => percentile(values, 0.5);
const mean = ([a, b]: Round['saturation'], of: (run: Phase) => number): number => (of(a) + of(b)) / 2;
const goodputOf = ({ flood, saturation }: Round): number =>
  flood.perSecond / mean(saturation, ({ perSecond }) => perSecond);
/** What can be done moves between two phases by more than what a flood may cost: over all rounds that evens out, in a median of five it does not. */
const goodputOfAll = (rounds: readonly Round[]): number =>
  rounds.reduce((sum, { flood }) => sum + flood.perSecond, 0) /
  rounds.reduce((sum, { saturation }) => sum + mean(saturation, ({ perSecond }) => perSecond), 0);
const p99RatioOf = ({ flood, saturation }: Round): number => p99(flood) / mean(saturation, p99);
const isAnswered = ({ answer }: ChannelSample): boolean => answer !== undefined;

/** A payment to ask about: the first that was answered. */
const firstOrderNo = async (load: ChannelLoad, clock: Clock): Promise<string> => {
  for (const endMs = clock.monotonicMs() + WARM_UP_MS; clock.monotonicMs() < endMs; await clock.sleep(TICK_MS)) {
    const orderNo = load.samples.find(isAnswered)?.answer?.orderNo;
    if (orderNo !== undefined) return orderNo;
  }
  throw new Error(`no payment was answered within ${WARM_UP_MS} ms`);
};

/** Three and ten times what can be done is asked of a cashier, and payments go on among it. */
export const overload: Drill = {
  name: 'overload',
  title: 'three and ten times what a cashier can answer is asked of it, and payments go on among it',
  defaults: { seconds: 5, rate: 10 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const mesh = await startMesh({ folder, env, clock, logLevel: 'error', onProgress });
    const cashier = createClient(CashierService, {
      target: mesh.address('cashier'),
      caller: 'drill',
      capMs: QUESTION_MS_MAX,
      clock,
    });
    try {
      const random = seededRandom(seed);
      const beganMs = clock.monotonicMs();
      const load = await startChannelLoad({ mesh, sources: [PAYERS], rate, random, clock, beganMs });
      const orderNo = await firstOrderNo(load, clock);
      const world: World = { cashier, lane: createLane(LANE, clock), orderNo, load, clock, random, beganMs };
      await saturate(world, COMPILING_MS);
      const ms = seconds * 1_000;
      // What a machine can do differs from one minute to the next: each flood is held against what could be done just before and just behind it.
      const rounds: Round[] = [];
      let before = await saturate(world, ms);
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const factor of FACTORS) {
          await offer(world, before.perSecond * factor, SETTLING_MS);
          const flood = await offer(world, before.perSecond * factor, ms);
          await clock.sleep(RECOVERING_MS);
          const after = await saturate(world, ms);
          rounds.push({ factor, flood, saturation: [before, after] });
          onProgress(
            `${factor} times as much as ${before.perSecond.toFixed(0)} a second: ${flood.perSecond.toFixed(0)} are answered, afterwards ${after.perSecond.toFixed(0)}`,
          );
          before = after;
        }
      }
      await load.stop();
      const accounts = await closeAccounts(mesh, load.samples, clock, SETTLED_WITHIN_MS);
      const of = (factor: number) => rounds.filter((round) => round.factor === factor);
      const targets: Target[] = FACTORS.flatMap((factor) => {
        const payments = of(factor).flatMap(({ flood }) => flood.payments);
        return [
          {
            name: `${factor}×: goodput against saturation, all ${ROUNDS} rounds`,
            measured: Number(goodputOfAll(of(factor)).toFixed(3)),
            op: '>=' as const,
            target: 0.95,
          },
          {
            name: `${factor}×: p99 of what was admitted against saturation, median of ${ROUNDS}`,
            measured: Number(median(of(factor).map(p99RatioOf)).toFixed(2)),
            op: '<=' as const,
            target: 2,
          },
          {
            name: `${factor}×: payments answered, share`,
            measured: Number((payments.filter(isAnswered).length / payments.length).toFixed(4)),
            op: '>=' as const,
            target: 0.999,
          },
        ];
      });
      const saturations = rounds.flatMap(({ saturation }) => saturation);
      return {
        conditions: {
          seconds_a_phase: seconds,
          rounds: ROUNDS,
          payments_per_second: rate,
          saturating_callers: SATURATING_CALLERS,
        },
        figures: {
          saturation_per_second: Math.round(median(saturations.map(({ perSecond }) => perSecond))),
          saturation_p99_ms: Math.round(median(saturations.map(p99))),
          saturation_refused_share: Number(
            median(saturations.map(({ asked, questions }) => 1 - questions.answered / asked)).toFixed(3),
          ),
          saturation_callers_cpu: Number(median(saturations.map(({ ownCpu }) => ownCpu)).toFixed(2)),
          ...Object.fromEntries(
            FACTORS.flatMap((factor) => {
              const floods = of(factor).map(({ flood }) => flood);
              const tookMs = floods.flatMap(({ payments }) => payments.map((payment) => payment.tookMs));
              return [
                [`${factor}x_asked`, floods.reduce((sum, { asked }) => sum + asked, 0)],
                [`${factor}x_answered`, floods.reduce((sum, { questions }) => sum + questions.answered, 0)],
                [`${factor}x_goodput_median`, Number(median(of(factor).map(goodputOf)).toFixed(3))],
                [`${factor}x_goodput_min`, Number(Math.min(...of(factor).map(goodputOf)).toFixed(3))],
                [`${factor}x_goodput_max`, Number(Math.max(...of(factor).map(goodputOf)).toFixed(3))],
                [`${factor}x_p99_ms`, Math.round(median(floods.map(p99)))],
                [`${factor}x_payments`, tookMs.length],
                [`${factor}x_payments_p99_ms`, Math.round(percentile(tookMs, 0.99))],
                [`${factor}x_callers_cpu`, Number(median(floods.map(({ ownCpu }) => ownCpu)).toFixed(2))],
              ];
            }),
          ),
        },
        targets: [
          ...targets,
          { name: 'charged twice', measured: accounts.chargedTwice, op: '==', target: 0 },
          { name: 'accepted and lost', measured: accounts.lost, op: '==', target: 0 },
          { name: 'our books and the channels’ differ', measured: accounts.differing, op: '==', target: 0 },
        ],
        lines: [
          ...rounds.map(
            ({ factor, flood: { questions, asked, payments } }) =>
              `${factor}×: ${questions.answered} of ${asked} questions answered (${words(questions)}), ${payments.filter(isAnswered).length} of ${payments.length} payments`,
          ),
          ...accounts.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      cashier.close();
      await mesh.stop();
    }
  },
};
