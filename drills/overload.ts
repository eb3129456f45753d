import { type Clock, type Random, seededRandom } from '@tillmesh/clock';
import { createLane, type Lane, LaneRejected } from '@tillmesh/lane';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient, toRpcError } from '@tillmesh/rpc';
import { percentile } from './channels/hang-phase.ts';
import type { Drill, Target } from './drill.ts';

const MERCHANT = 'demo-cafe';
const MERCHANTS = 200;
/** Callers that ask again as soon as they are answered, to find out how much can be done: with fewer of them it is less. */
const SATURATING_CALLERS = 128;
const FACTORS = [3, 10] as const;
const TICK_MS = 5;
const QUESTION_MS_MAX = 2_000;
const PAYMENT_MS_MAX = 20_000;
/** What is measured begins so long after a load did. */
const SETTLING_MS = 1_000;
const WARM_UP_MS = 5_000;

const LANE = {
  name: 'cashier.questions',
  concurrentMax: 256,
  queuedMax: 0,
  queueWaitMsMax: 0,
  timeoutMs: QUESTION_MS_MAX,
  halfOpenAfterMs: 250,
};

type Cashier = Pick<RpcClient<typeof CashierService>, 'createPayment' | 'getPayment'>;
type Answers = { answered: number; readonly tookMs: number[]; readonly failures: Map<string, number> };
const noAnswers = (): Answers => ({ answered: 0, tookMs: [], failures: new Map() });

const note = async (answers: Answers, clock: Clock, call: () => Promise<unknown>): Promise<void> => {
  const beganMs = clock.monotonicMs();
  try {
    await call();
    answers.answered += 1;
    answers.tookMs.push(clock.monotonicMs() - beganMs);
  } catch (error) {
    const why = error instanceof LaneRejected ? error.reason : toRpcError(error).reason;
    answers.failures.set(why, (answers.failures.get(why) ?? 0) + 1);
  }
};

/** A payment by a code to scan: the channel only has to place it, so it ends at once. */
const pay = (cashier: Cashier, random: Random): Promise<unknown> =>
  cashier.createPayment({
    merchantId: MERCHANT,
    merchantOrderNo: `OVER-${random.hex(8)}`,
    amount: { currency: 'CNY', minorUnits: 100n },
    subject: 'tea',
    kind: PaymentKind.MERCHANT_QR,
    wallet: Wallet.ALIPAY,
  });

const ask = ({ cashier, lane, orderNo, random }: World): Promise<unknown> =>
  cashier.getPayment(
    { payment: { ref: { case: 'orderNo', value: orderNo } } },
    { capMs: QUESTION_MS_MAX, passage: lane, priority: 'query', merchant: `m-${random.below(MERCHANTS)}` },
  );

type World = {
  readonly cashier: Cashier;
  /** The callers' own lane to the cashier, as every service has one. */
  readonly lane: Lane;
  readonly orderNo: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly paymentsPerSecond: number;
};

/** Begins so many of each a second for so long, whether or not earlier ones are answered. */
const offer = async (world: World, questionsPerSecond: number, ms: number) => {
  const { cashier, clock, random, paymentsPerSecond } = world;
  const [questions, payments] = [noAnswers(), noAnswers()];
  const running: Promise<void>[] = [];
  const beganMs = clock.monotonicMs();
  let [asked, paid] = [0, 0];
  for (let sinceMs = 0; sinceMs < ms; sinceMs = clock.monotonicMs() - beganMs) {
    for (; asked < (sinceMs * questionsPerSecond) / 1_000; asked += 1) {
      running.push(note(questions, clock, () => ask(world)));
    }
    for (; paid < (sinceMs * paymentsPerSecond) / 1_000; paid += 1) {
      running.push(note(payments, clock, () => pay(cashier, random)));
    }
    await clock.sleep(TICK_MS);
  }
  // What is answered after the time was up is not what could be done in it.
  const inTime = { questions: questions.answered, payments: payments.answered };
  await Promise.all(running);
  return { questions, payments, inTime, asked, paid, seconds: ms / 1_000 };
};

const words = ({ failures }: Answers): string =>
  [...failures].map(([reason, times]) => `${reason} ${times}×`).join(', ') || 'none refused';

/** Asks as much as is answered. @returns answers a second, and how long they took. */
const saturate = async (world: World, ms: number) => {
  const { clock } = world;
  const questions = noAnswers();
  const endMs = clock.monotonicMs() + ms;
  await Promise.all(
    Array.from({ length: SATURATING_CALLERS }, async () => {
      while (clock.monotonicMs() < endMs) {
        const before = questions.answered;
        await note(questions, clock, () => ask(world));
        // A refusal costs no turn of the event loop: callers that did not rest would leave the loop no time for an answer.
        if (questions.answered === before) await clock.sleep(TICK_MS);
      }
    }),
  );
  if (questions.answered === 0) throw new Error(`no question was answered: ${words(questions)}`);
  return { perSecond: questions.answered / (ms / 1_000), p99Ms: percentile(questions.tookMs, 0.99) };
};

const worldOf = async (mesh: Mesh, cashier: Cashier, clock: Clock, seed: number, rate: number): Promise<World> => {
  const random = seededRandom(seed);
  for (let tries = 0; ; tries += 1) {
    const answer = await pay(cashier, random);
    const { payment } = answer as { payment?: { orderNo: string; state: PaymentState } };
    if (payment?.state === PaymentState.PAYING) {
      return {
        cashier,
        lane: createLane(LANE, clock),
        orderNo: payment.orderNo,
        clock,
        random,
        paymentsPerSecond: rate,
      };
    }
    if (tries > 10) throw new Error(`no payment could be placed at ${mesh.address('cashier')}`);
  }
};

/** Three and ten times what can be done is asked of a cashier, and payments go on among it. */
export const overload: Drill = {
  name: 'overload',
  title: 'three and ten times what a cashier can answer is asked of it, and payments go on among it',
  defaults: { seconds: 10, rate: 5 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const mesh = await startMesh({ folder, env, clock, logLevel: 'error', onProgress });
    const cashier = createClient(CashierService, {
      target: mesh.address('cashier'),
      caller: 'drill',
      capMs: PAYMENT_MS_MAX,
      clock,
    });
    try {
      const world = await worldOf(mesh, cashier, clock, seed, rate);
      await saturate(world, WARM_UP_MS);
      const before = await saturate(world, seconds * 1_000);
      onProgress(
        `${before.perSecond.toFixed(0)} answers a second are what can be done, p99 ${before.p99Ms.toFixed(0)} ms`,
      );
      const runs = [];
      for (const factor of FACTORS) {
        await offer(world, before.perSecond * factor, SETTLING_MS);
        const run = await offer(world, before.perSecond * factor, seconds * 1_000);
        runs.push({ factor, ...run });
        onProgress(`${factor} times as much: ${(run.inTime.questions / seconds).toFixed(0)} answers a second`);
        await clock.sleep(SETTLING_MS * 2);
      }
      const targets: Target[] = runs.flatMap(({ factor, questions, payments, inTime, paid }) => [
        {
          name: `${factor}×: goodput against saturation`,
          measured: Number(((inTime.questions + inTime.payments) / seconds / before.perSecond).toFixed(3)),
          op: '>=' as const,
          target: 0.95,
        },
        {
          name: `${factor}×: p99 of what was admitted against saturation`,
          measured: Number((percentile(questions.tookMs, 0.99) / before.p99Ms).toFixed(2)),
          op: '<=' as const,
          target: 2,
        },
        {
          name: `${factor}×: payments answered, share`,
          measured: Number((payments.answered / paid).toFixed(4)),
          op: '>=' as const,
          target: 0.999,
        },
      ]);
      return {
        conditions: { seconds_a_phase: seconds, payments_per_second: rate, saturating_callers: SATURATING_CALLERS },
        figures: {
          saturation_per_second: Math.round(before.perSecond),
          saturation_p99_ms: Math.round(before.p99Ms),
          ...Object.fromEntries(
            runs.flatMap(({ factor, questions, payments, asked }) => [
              [`${factor}x_asked`, asked],
              [`${factor}x_answered`, questions.answered],
              [`${factor}x_p99_ms`, Math.round(percentile(questions.tookMs, 0.99))],
              [`${factor}x_payments_p99_ms`, Math.round(percentile(payments.tookMs, 0.99))],
            ]),
          ),
        },
        targets,
        lines: runs.map(
          ({ factor, questions, payments, asked, paid }) =>
            `${factor}×: ${questions.answered} of ${asked} questions answered (${words(questions)}), ${payments.answered} of ${paid} payments (${words(payments)})`,
        ),
      };
    } finally {
      cashier.close();
      await mesh.stop();
    }
  },
};
