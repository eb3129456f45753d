import { seededRandom } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { EXCHANGE_FAULTS, type Plan, WAYS } from './channels/ambiguous-payments.ts';
import { ambiguousMesh, PERSON_AFTER_MS, PLAN_TIME_SCALE, playAmbiguously } from './channels/ambiguous-stream.ts';
import { LANE_TIMEOUT_MS, readPayment } from './channels/ambiguous-till.ts';
import type { Drill } from './drill.ts';
import { AT_REST, closeAccounts, story } from './final-accounts.ts';
import { readLedger, readMovements } from './ledger.ts';
import type { Sample } from './payment-stream.ts';
import { timesOf } from './times-of.ts';
import { latenessOfPayment, whenKnown } from './truth/lateness.ts';

const SETTLED_WITHIN_MS = 60_000;
const PERSON_WITHIN_MS = 30_000;

/** Where payments are that nobody is to answer for. */
type Ends = {
  readonly withPerson: number;
  /**
   * At the end that the channel knows all the same: told of before that was forbidden (UnionPay keeps no description, its orders are found by
   * their number), or never sent, because a lane was closed.
   */
  readonly rightly: number;
  /** The others, in words. */
  readonly open: readonly string[];
};

const readEnds = async (
  mesh: Mesh,
  cashier: RpcClient<typeof CashierService>,
  samples: readonly Sample[],
): Promise<Ends> => {
  const ledger = await readLedger(mesh);
  const ends = { withPerson: 0, rightly: 0, open: [] as string[] };
  for (const sample of samples) {
    const payment = await readPayment(cashier, sample).catch(() => undefined);
    if (payment === undefined) {
      ends.open.push(`${sample.merchantOrderNo} could not be read`);
      continue;
    }
    const charges = ledger.get(payment.orderNo)?.charges ?? 0;
    const knownCharges = payment.state === PaymentState.SUCCEEDED ? 1 : 0;
    if (payment.needsPerson !== '') ends.withPerson += 1;
    else if (AT_REST.has(payment.state) && charges === knownCharges) ends.rightly += 1;
    else ends.open.push(`${story(sample, payment)}, charged ${charges} times`);
  }
  return ends;
};

/** Answers lost, late, doubled and contradictory at every point of an exchange, on every channel; then all books are compared. */
export const ambiguity: Drill = {
  name: 'ambiguity',
  title: 'answers lost, late, doubled and contradictory at every point of every exchange; then the books are compared',
  defaults: { seconds: 1_000, rate: 10 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const mesh = await startMesh({ folder, env, clock, ...ambiguousMesh, onProgress });
    const cashier = createClient(CashierService, {
      target: mesh.target('cashier'),
      caller: 'drill',
      capMs: 40_000,
      clock,
    });
    try {
      const all = await playAmbiguously({
        mesh,
        cashier,
        seconds,
        rate,
        random: seededRandom(seed),
        clock,
        onProgress,
      });
      onProgress('the last payment was begun; waiting for what is on its way');
      const samples = all.filter(({ plan }) => !plan.isEndless).map(({ sample }) => sample);
      const accounts = await closeAccounts(mesh, samples, clock, SETTLED_WITHIN_MS);

      const known = whenKnown(await readMovements(mesh));
      const lateMs = samples.map((sample) => latenessOfPayment(accounts.payments.get(sample), known));
      const late = lateMs.filter((ms) => ms > SETTLED_WITHIN_MS).length;

      const endless = all.filter(({ plan }) => plan.isEndless).map(({ sample }) => sample);
      const endsMs = clock.monotonicMs() + PERSON_WITHIN_MS;
      let ends = await readEnds(mesh, cashier, endless);
      while (ends.open.length > 0 && clock.monotonicMs() < endsMs) {
        await clock.sleep(1_000);
        ends = await readEnds(mesh, cashier, endless);
      }

      const met = (of: (plan: Plan) => { readonly name: string } | undefined) =>
        timesOf(all.flatMap(({ plan }) => of(plan)?.name ?? []));
      const kinds = new Set(all.map(({ plan }) => `${plan.way.name} ${plan.payFault?.name ?? ''}`));
      return {
        conditions: {
          payments: all.length,
          rate,
          plan_time_scale: PLAN_TIME_SCALE,
          lane_timeout_ms: LANE_TIMEOUT_MS,
          person_after_ms: PERSON_AFTER_MS,
        },
        figures: {
          payments: samples.length,
          paid: accounts.paid,
          not_paid: accounts.notPaid,
          given_back: accounts.givenBack,
          wrongly_failed: accounts.wronglyFailed,
          charged_twice: accounts.chargedTwice,
          lost: accounts.lost,
          unsettled: accounts.unsettled,
          differing: accounts.differing,
          settled_after_ms: Math.round(accounts.settledAfterMs),
          late_by_ms_at_most: Math.round(Math.max(...lateMs)),
          never_answered_for: endless.length,
          with_a_person: ends.withPerson,
          ended_rightly_all_the_same: ends.rightly,
          ways_and_faults_met: kinds.size,
        },
        targets: [
          { name: 'payments answered', measured: accounts.accepted, op: '==', target: samples.length },
          { name: 'charged twice', measured: accounts.chargedTwice, op: '==', target: 0 },
          {
            name: 'not paid in our books, and the channel has the money',
            measured: accounts.wronglyFailed,
            op: '==',
            target: 0,
          },
          { name: 'accepted and lost', measured: accounts.lost, op: '==', target: 0 },
          {
            name: `unsettled ${SETTLED_WITHIN_MS / 1_000} s after the last one`,
            measured: accounts.unsettled,
            op: '==',
            target: 0,
          },
          {
            name: `without its end ${SETTLED_WITHIN_MS / 1_000} s after the channel knew it, or after its time to pay`,
            measured: late,
            op: '==',
            target: 0,
          },
          { name: 'our books and the channels’ differ', measured: accounts.differing, op: '==', target: 0 },
          {
            name: 'never answered for, with no person, and not at the end that the channel knows',
            measured: ends.open.length,
            op: '==',
            target: 0,
          },
          // Without them the run would show nothing.
          {
            name: 'never answered for, and with a person',
            measured: ends.withPerson,
            op: '>=',
            target: endless.length / 2,
          },
          {
            name: 'ways × faults of paying that were met',
            measured: kinds.size,
            op: '>=',
            target: Math.min(all.length / 10, WAYS.length * (EXCHANGE_FAULTS.length + 1)),
          },
        ],
        lines: [
          `ways: ${met(({ way }) => way)}`,
          `payers: ${met(({ payer }) => ({ name: payer }))}`,
          `paying: ${met(({ payFault }) => payFault)}`,
          `asking: ${met(({ query }) => query)}`,
          `ending: ${met(({ end }) => end)}`,
          `notifying: ${met(({ notification }) => notification)}`,
          `errors that tills saw: ${timesOf(all.flatMap(({ sample }) => sample.errors))}`,
          ...ends.open.map((complaint) => `✗ never answered for, and with nobody: ${complaint}`),
          ...accounts.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      cashier.close();
      await mesh.stop();
    }
  },
};
