import { type Clock, seededRandom } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { type Payment, PaymentKind, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { createSandboxControl } from '../scripts/demo/sandbox-control.ts';
import { EXCHANGE_FAULTS, type Plan, planPayment, WAYS } from './channels/ambiguous-payments.ts';
import { createScriptControl } from './channels/channel-scripts.ts';
import type { Drill } from './drill.ts';
import { closeAccounts } from './final-accounts.ts';
import { type Sample, takeAsATill } from './payment-stream.ts';

/** The channels here are simulated: nobody has to wait five real minutes to be sure that an order never arrived. */
const PLAN_TIME_SCALE = 0.1;
const SETTLED_WITHIN_MS = 60_000;
const PERSON_AFTER_MS = 20_000;
/** One payment in so many is never answered for. */
const ENDLESS_EVERY = 100;
const EXPIRE_AFTER_SECONDS = 60n;
/** Lanes of an adapter: answers are given up early, so that silence costs a payment less. */
const TIMEOUT_MS = 3_000;
/** More than half of all exchanges are broken on purpose: a lane that closed for it would keep payments away from the faults. */
const NEVER_JUDGED = 1_000_000;
/** A payer who will not pay a code that is shown walks away; then the till closes the payment. */
const CLOSE_AFTER_MS = 5_000;
const CLOSES_MAX = 10;
const SCRIPT_KEPT_MS = 25_000;
const MERCHANT = 'demo-cafe';
const SCAN_AFTER_SECONDS = 0.3;
const LOOK_EVERY_MS = 50;
const LOOKS_MAX = 100;
const PERSON_WITHIN_MS = 30_000;

const sickLanes = () => {
  const numbers = { timeoutMs: TIMEOUT_MS, callsMin: NEVER_JUDGED };
  return { lanes: { pay: numbers, refund: numbers, query: numbers } };
};

type Cashier = RpcClient<typeof CashierService>;
type Ambiguous = { readonly plan: Plan; readonly sample: Sample };

const read = async (cashier: Cashier, { merchantId, merchantOrderNo }: Sample): Promise<Payment | undefined> => {
  const value = { merchantId, merchantOrderNo };
  const { payment } = await cashier.getPayment({ payment: { ref: { case: 'merchantOrder', value } } });
  return payment;
};

/** Nobody is told anything of what matches, however often it is asked. */
const neverAnswer = async (mesh: Mesh, match: object): Promise<void> => {
  const scripts = createScriptControl(mesh.address('sandbox-control'));
  const operations = ['query', 'close', 'reverse'];
  await scripts.add({ match, operations, script: [{ do: 'http_error', status: 500, commit: false }] });
  await scripts.add({ match, operations: ['notification'], script: [{ do: 'never_notify' }] });
};

/** Tells the simulated channels what goes wrong later with an order, as soon as its number is known. */
const scriptLater = async (mesh: Mesh, cashier: Cashier, { plan, sample }: Ambiguous, clock: Clock): Promise<void> => {
  let orderNo = '';
  for (let looks = 0; orderNo === '' && looks < LOOKS_MAX; looks += 1) {
    await clock.sleep(LOOK_EVERY_MS);
    orderNo = (await read(cashier, sample).catch(() => undefined))?.orderNo ?? '';
  }
  if (orderNo === '') return;
  const scripts = createScriptControl(mesh.address('sandbox-control'));
  const match = { outTradeNoPrefix: orderNo };
  const once = async (operations: readonly string[], act: object) => {
    const scriptId = await scripts.add({ match, operations, script: [act], uses: 1 });
    // One that nothing has met by then never will: the simulated channels keep 5,000.
    clock.after(SCRIPT_KEPT_MS, () => {
      scripts.remove(scriptId).catch(() => undefined);
    });
  };
  if (plan.isEndless) {
    await neverAnswer(mesh, match);
    return;
  }
  if (plan.query !== undefined) await once(['query'], plan.query.act);
  if (plan.end !== undefined) await once(['close', 'reverse'], plan.end.act);
  if (plan.notification !== undefined) await once(['notification'], plan.notification.act);
};

const payOne = async (mesh: Mesh, cashier: Cashier, payment: Ambiguous, clock: Clock): Promise<void> => {
  const { plan, sample } = payment;
  const { way } = plan;
  const sandbox = createSandboxControl(mesh.address('sandbox-control'));
  const scripts = createScriptControl(mesh.address('sandbox-control'));
  const isScanned = way.kind === PaymentKind.MERCHANT_QR;
  const shown = isScanned ? '' : await sandbox.paymentCode(way.channel, plan.pay);
  if (isScanned && plan.pay.length > 0) {
    await scripts.add({ match: { description: sample.what }, operations: ['pay'], script: plan.pay, uses: 1 });
  }
  // Before anybody can ask or be told: a channel notifies within milliseconds. One that keeps no description is told by the number, later.
  if (plan.isEndless) await neverAnswer(mesh, { description: sample.what });
  const startedMs = clock.monotonicMs();
  const { merchantId, merchantOrderNo, minorUnits } = sample;
  const request = {
    merchantId,
    merchantOrderNo,
    amount: { currency: 'CNY', minorUnits },
    subject: sample.what,
    kind: way.kind,
    wallet: way.wallet,
    ...(way.kind === PaymentKind.CARD ? { payerId: shown } : { paymentCode: shown }),
    expireAfter: { seconds: EXPIRE_AFTER_SECONDS, nanos: 0 },
  };
  await Promise.all([scriptLater(mesh, cashier, payment, clock), takeAsATill(cashier, request, sample, clock)]);
  sample.tookMs = clock.monotonicMs() - startedMs;
  if (sample.answer?.action?.action.case !== 'qrCode') return;
  await sandbox.scan(sample.answer.action.action.value, SCAN_AFTER_SECONDS, plan.scan);
  if (!plan.walksAway) return;
  for (let closes = 0; closes < CLOSES_MAX; closes += 1) {
    await clock.sleep(CLOSE_AFTER_MS);
    const value = { merchantId, merchantOrderNo };
    const { payment: seen } = await cashier
      .closePayment({ payment: { ref: { case: 'merchantOrder', value } } })
      .catch(() => ({ payment: undefined }));
    if (seen !== undefined && seen.state !== PaymentState.PAYING) return;
  }
};

/** Answers lost, late, doubled and contradictory at every point of an exchange, on every channel; then all books are compared. */
export const ambiguity: Drill = {
  name: 'ambiguity',
  title: 'answers lost, late, doubled and contradictory at every point of every exchange; then the books are compared',
  defaults: { seconds: 1_000, rate: 10 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const settings = {
      syncer: { planTimeScale: PLAN_TIME_SCALE, personAfterMs: PERSON_AFTER_MS },
      ...Object.fromEntries(['wechat', 'alipay', 'stripe', 'unionpay'].map((id) => [`channel-${id}`, sickLanes()])),
    };
    const mesh = await startMesh({
      folder,
      env,
      clock,
      logLevel: 'warn',
      settings,
      notificationTimeScale: 0.05,
      onProgress,
    });
    const cashier = createClient(CashierService, {
      target: mesh.target('cashier'),
      caller: 'drill',
      capMs: 40_000,
      clock,
    });
    try {
      const random = seededRandom(seed);
      const all: Ambiguous[] = [];
      const count = Math.round(rate * seconds);
      const beganMs = clock.monotonicMs();
      const running: Promise<void>[] = [];
      for (let number = 1; number <= count; number += 1) {
        const waitMs = beganMs + (number * 1_000) / rate - clock.monotonicMs();
        if (waitMs > 0) await clock.sleep(waitMs);
        const plan = planPayment(random, number % ENDLESS_EVERY === 0);
        const sample: Sample = {
          what: `${plan.way.name} ${number}`,
          merchantId: MERCHANT,
          merchantOrderNo: `AMBIGUOUS-${random.hex(8)}`,
          minorUnits: BigInt(100 + random.below(50_000)),
          atMs: clock.monotonicMs() - beganMs,
          tookMs: 0,
          answer: undefined,
          errors: [],
        };
        const payment = { plan, sample };
        all.push(payment);
        running.push(
          payOne(mesh, cashier, payment, clock).catch((error: unknown) => void sample.errors.push(String(error))),
        );
        if (number % 1_000 === 0) onProgress(`${number} of ${count} payments begun`);
      }
      await Promise.all(running);
      onProgress('the last payment was begun; waiting for what is on its way');
      const samples = all.filter(({ plan }) => !plan.isEndless).map(({ sample }) => sample);
      const accounts = await closeAccounts(mesh, samples, clock, SETTLED_WITHIN_MS);

      const endless = all.filter(({ plan }) => plan.isEndless).map(({ sample }) => sample);
      const endsMs = clock.monotonicMs() + PERSON_WITHIN_MS;
      let withPerson = 0;
      do {
        const payments = await Promise.all(endless.map((sample) => read(cashier, sample).catch(() => undefined)));
        withPerson = payments.filter((payment) => payment !== undefined && payment.needsPerson !== '').length;
        if (withPerson < endless.length) await clock.sleep(1_000);
      } while (withPerson < endless.length && clock.monotonicMs() < endsMs);

      const met = (of: (plan: Plan) => { readonly name: string } | undefined) => {
        const counts = new Map<string, number>();
        for (const { plan } of all) {
          const name = of(plan)?.name;
          if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
        }
        return [...counts].map(([name, times]) => `${name} ${times}`).join(', ');
      };
      const errors = new Map<string, number>();
      for (const error of all.flatMap(({ sample }) => sample.errors)) errors.set(error, (errors.get(error) ?? 0) + 1);
      const kinds = new Set(all.map(({ plan }) => `${plan.way.name} ${plan.payFault?.name ?? ''}`));
      return {
        conditions: {
          payments: count,
          rate,
          plan_time_scale: PLAN_TIME_SCALE,
          lane_timeout_ms: TIMEOUT_MS,
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
          never_answered_for: endless.length,
          with_a_person: withPerson,
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
          { name: 'our books and the channels’ differ', measured: accounts.differing, op: '==', target: 0 },
          { name: 'never answered for, and with a person', measured: withPerson, op: '==', target: endless.length },
          // Without them the run would show nothing.
          {
            name: 'ways × faults of paying that were met',
            measured: kinds.size,
            op: '>=',
            target: Math.min(count / 10, WAYS.length * (EXCHANGE_FAULTS.length + 1)),
          },
        ],
        lines: [
          `ways: ${met(({ way }) => way)}`,
          `payers: ${met(({ payer }) => ({ name: payer }))}`,
          `paying: ${met(({ payFault }) => payFault)}`,
          `asking: ${met(({ query }) => query)}`,
          `ending: ${met(({ end }) => end)}`,
          `notifying: ${met(({ notification }) => notification)}`,
          `errors that tills saw: ${[...errors].map(([error, times]) => `${error} ${times}×`).join(', ') || 'none'}`,
          ...accounts.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      cashier.close();
      await mesh.stop();
    }
  },
};
