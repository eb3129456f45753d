import { type Clock, seededRandom } from '@tillmesh/clock';
import { type ServiceName, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { ReconcilerService } from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { ambiguousMesh, PLAN_TIME_SCALE, playAmbiguously } from './channels/ambiguous-stream.ts';
import { type Ambiguous, LANE_TIMEOUT_MS, readPayment } from './channels/ambiguous-till.ts';
import { createScriptControl } from './channels/channel-scripts.ts';
import { percentile } from './channels/hang-phase.ts';
import type { Drill } from './drill.ts';
import { closeAccounts, nameOf } from './final-accounts.ts';
import { readMovements } from './ledger.ts';
import { timesOf } from './times-of.ts';
import { type AccountBills, compareBillOf, type FoundOne, findAccounts } from './truth/account-bills.ts';
import { planRefund, type RefundSample, refundAmbiguously, settleRefunds } from './truth/ambiguous-refunds.ts';
import { makeFaults } from './truth/faults.ts';
import { latenessOfPayment, latenessOfRefund, whenKnown } from './truth/lateness.ts';
import { judgePlants, paidLines, planPlants, plant, refundedLines, unpaidLines } from './truth/planted-bills.ts';
import { upperBound } from './truth/upper-bound.ts';

const CHANNELS = ['wechat', 'alipay', 'stripe', 'unionpay'] as const;
/** Every process of ours that a payment or refund needs. The sandbox is not ours: it plays the channels. */
const VICTIMS: readonly ServiceName[] = [
  'order-store',
  'cashier',
  'channel-wechat',
  'channel-alipay',
  'channel-stripe',
  'channel-unionpay',
  'syncer',
  'edge',
  'routing',
];
const SERVICES: readonly ServiceName[] = ['sandbox', ...VICTIMS, 'reconciler'];
const PAID_WITHIN_MS = 60_000;
const ABNORMAL_AFTER_MS = 60_000;
/** Longer than that, so that what comes late is told from what never comes. */
const SETTLED_WITHIN_MS = 150_000;
const KINDS_MIN = 20;
const MILLION = 1_000_000;
/** A small machine plays fewer payments than the full size has. */
const FULL_SIZE = 100_000;
const DAY_MS = 86_400_000;
const SHOWN_MAX = 20;

type Reconciler = RpcClient<typeof ReconcilerService>;

/** What the channels take here, so that fees can be compared. */
const FEES = [
  { accountId: 'wechat-a', perTenThousand: 60 },
  { accountId: 'wechat-b', perTenThousand: 60 },
  { accountId: 'alipay-a', perTenThousand: 60 },
  { accountId: 'unionpay-a', perTenThousand: 38 },
  { accountId: 'stripe-a', perTenThousand: 290, isGivenBack: false },
];

const settings = {
  ...ambiguousMesh.settings,
  sandbox: { bills: { timeScale: 0 } },
  reconciler: { boundaryMs: 0, fees: FEES, schedule: undefined },
};

/** Compares the bills of all days that payments have touched. @param fromMs of that day too, be it before. */
const compareAll = async (
  reconciler: Reconciler,
  accounts: readonly AccountBills[],
  { fromMs, beganAtMs, clock }: { readonly fromMs: number; readonly beganAtMs: number; readonly clock: Clock },
): Promise<{ readonly found: readonly FoundOne[]; readonly equal: number; readonly refused: readonly string[] }> => {
  const found: FoundOne[] = [];
  const refused: string[] = [];
  let equal = 0;
  for (const account of accounts) {
    const days = new Set([fromMs, beganAtMs, clock.nowMs()].map((ms) => account.dayOf(ms)));
    for (const day of [...days].toSorted()) {
      const compared = await compareBillOf(reconciler, account, day);
      if (compared.kind === 'refused') {
        // The day before may have no line, and a channel says so only once the bill is due.
        const isBefore = day < account.dayOf(beganAtMs);
        const mayLack = compared.reason === 'BILL_NOT_READY' && isBefore && !account.isDue(day, clock.nowMs());
        if (!mayLack) refused.push(`${account.accountId} ${day}: ${compared.reason}`);
      } else {
        found.push(...compared.found);
        equal += Number(compared.report.equal);
      }
    }
  }
  return { found, equal, refused };
};

const shown = (one: FoundOne): string =>
  `${one.class} ${one.accountId} ${one.day} ${one.channelOrderNo} ${one.refundNo} ${one.isOpen ? 'open' : 'done'} ${one.note}`;

/** Refunds as our books end them, against what the channels gave back under their numbers. */
const judgeRefunds = (refunds: readonly RefundSample[], givenBack: ReadonlyMap<string, number>) => {
  const counts = { succeeded: 0, failed: 0, guessed: 0, twice: 0 };
  const complaints: string[] = [];
  for (const { refund, merchantRefundNo, minorUnits } of refunds) {
    if (refund === undefined) continue;
    const back = givenBack.get(refund.refundNo) ?? 0;
    const isDone = refund.state === RefundState.SUCCEEDED;
    if (isDone) counts.succeeded += 1;
    if (refund.state === RefundState.FAILED) counts.failed += 1;
    if (back > Number(minorUnits)) counts.twice += 1;
    const isWrong = isDone ? back !== Number(minorUnits) : refund.state === RefundState.FAILED && back > 0;
    if (isWrong) counts.guessed += 1;
    if (isWrong || back > Number(minorUnits))
      complaints.push(
        `${refund.refundNo} (${merchantRefundNo}) of ${minorUnits} fen is ${nameOf(RefundState, refund.state)}: the channel gave back ${back}`,
      );
  }
  return { counts, complaints };
};

/** Payments and refunds of which most exchanges go wrong, while processes, Redis and groups die; then every bill is compared, with discrepancies planted in it. */
export const truth: Drill = {
  name: 'truth',
  title: 'ambiguous payments and refunds while everything of ours dies; then bills with planted discrepancies',
  defaults: { seconds: 180, rate: 8 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const mesh = await startMesh({
      folder,
      env,
      clock,
      ...ambiguousMesh,
      services: SERVICES,
      settings,
      onProgress,
    });
    const client = { caller: 'drill', clock };
    const cashier = createClient(CashierService, { target: mesh.target('cashier'), capMs: 40_000, ...client });
    const reconciler = createClient(ReconcilerService, {
      target: mesh.address('reconciler'),
      capMs: 20_000,
      ...client,
    });
    try {
      const accounts = await findAccounts(mesh, CHANNELS, clock);
      const beganAtMs = clock.nowMs();
      const random = seededRandom(seed);
      const refunds: RefundSample[] = [];
      const planToRefund = (payment: Ambiguous) => {
        const refund = planRefund(random);
        if (refund === undefined) return undefined;
        return async () => {
          const asked = await refundAmbiguously(mesh, cashier, payment, refund, clock, PAID_WITHIN_MS);
          if (asked !== undefined) refunds.push(asked);
        };
      };
      const [payments, faults] = await Promise.all([
        playAmbiguously({ mesh, cashier, seconds, rate, random, follow: planToRefund, clock, onProgress }),
        makeFaults({
          mesh,
          victims: VICTIMS,
          forMs: seconds * 1_000,
          random: seededRandom(seed + 1),
          clock,
          onProgress,
        }),
      ]);
      onProgress('no more payments and no more faults; waiting for what is on its way');
      const ordinary = payments.filter(({ plan }) => !plan.isEndless).map(({ sample }) => sample);
      const endless = payments.filter(({ plan }) => plan.isEndless).map(({ sample }) => sample);
      const unsettledRefunds = await settleRefunds(cashier, refunds, clock, SETTLED_WITHIN_MS);
      const books = await closeAccounts(mesh, ordinary, clock, SETTLED_WITHIN_MS);

      const movements = await readMovements(mesh);
      const known = whenKnown(movements);
      const lateMs = [
        ...ordinary.map((sample) => latenessOfPayment(books.payments.get(sample), known)),
        ...refunds.map((sample) => latenessOfRefund(sample, known)),
      ];
      const abnormal = lateMs.filter((ms) => ms > ABNORMAL_AFTER_MS).length;
      const bound = upperBound(abnormal, lateMs.length);
      const givenBack = new Map<string, number>();
      for (const { kind, refundNo, amountFen } of movements)
        if (kind === 'refund' && refundNo !== undefined)
          givenBack.set(refundNo, (givenBack.get(refundNo) ?? 0) + amountFen);
      const judged = judgeRefunds(refunds, givenBack);
      const all = [...books.payments.values()].filter((payment): payment is Payment => payment !== undefined);

      onProgress(`comparing the bills of ${accounts.length} accounts as they are`);
      // One that was never sent, as its lane was open, or was told of all the same, is no longer waited for.
      const waiting = (
        await Promise.all(
          endless.map(async (sample) => ({
            sample,
            payment: await readPayment(cashier, sample).catch(() => undefined),
          })),
        )
      ).filter(
        ({ payment }) =>
          payment === undefined || (payment.state !== PaymentState.SUCCEEDED && known.chargedAtMs.has(payment.orderNo)),
      );
      const unanswered = waiting.flatMap(({ payment }) =>
        (payment?.attempts ?? []).map(({ accountId, channelOrderNo }) => ({
          class: 'short',
          accountId,
          channelOrderNo,
          refundNo: '',
        })),
      );
      const clean = await compareAll(reconciler, accounts, { fromMs: beganAtMs, beganAtMs, clock });
      const cleanJudged = judgePlants([], clean.found, unanswered);
      const shortOnes = clean.found.filter(({ class: of }) => of === 'short').length;

      onProgress('planting discrepancies, and comparing again');
      await createScriptControl(mesh.address('sandbox-control')).clear();
      const refundRows = refunds.flatMap(({ refund }) => refund ?? []);
      const plans = planPlants({
        channelIds: CHANNELS,
        paid: paidLines(all, accounts),
        refunded: refundedLines(refundRows, all, accounts),
        unpaid: unpaidLines(all, accounts, (orderNo) => known.chargedAtMs.has(orderNo)),
        nowMs: clock.nowMs(),
      });
      for (const { account, requests } of plans) for (const request of requests) await plant(mesh, account, request);
      const broken: string[] = [];
      for (const account of accounts) {
        const day = account.dayOf(clock.nowMs());
        await plant(mesh, account, { day, acts: [{ do: 'truncated' }], uses: 1 });
        const compared = await compareBillOf(reconciler, account, day);
        if (compared.kind !== 'refused' || compared.reason !== 'BILL_BROKEN')
          broken.push(`${account.accountId}: a bill that ends too soon was ${compared.kind}`);
      }
      const planted = plans.map((plan) => plan.planted);
      const compared = await compareAll(reconciler, accounts, { fromMs: beganAtMs - DAY_MS, beganAtMs, clock });
      const found = judgePlants(planted, compared.found, unanswered);
      const kinds = new Set(planted.map(({ name }) => name));
      const waitingNow = await Promise.all(
        waiting.map(({ sample }) => readPayment(cashier, sample).catch(() => undefined)),
      );
      const settledByBill = waitingNow.filter((payment) => payment?.state === PaymentState.SUCCEEDED).length;

      const perMillion = (rateOfAll: number): number => Number((rateOfAll * MILLION).toFixed(1));
      const inSeconds = (share: number): number => Number((percentile(lateMs, share) / 1_000).toFixed(2));
      return {
        conditions: {
          seconds,
          rate,
          plan_time_scale: PLAN_TIME_SCALE,
          lane_timeout_ms: LANE_TIMEOUT_MS,
          payments_of_the_full_size: FULL_SIZE,
        },
        figures: {
          payments: ordinary.length,
          answered: books.accepted,
          refunds: refunds.length,
          paid: books.paid,
          not_paid: books.notPaid,
          given_back_without_refund: books.givenBack,
          refunded: judged.counts.succeeded,
          refunds_failed: judged.counts.failed,
          faults_of_processes: faults.counts.process,
          faults_of_redis: faults.counts.Redis,
          faults_of_groups: faults.counts.group,
          late_p50_s: inSeconds(0.5),
          late_p99_s: inSeconds(0.99),
          late_max_s: inSeconds(1),
          abnormal_after_60_s: abnormal,
          abnormal_per_million_upper_95: perMillion(bound),
          never_answered_for: endless.length,
          charged_and_not_told: waiting.length,
          settled_once_answered: settledByBill,
          equal_lines: clean.equal,
          planted: planted.length,
          planted_kinds: kinds.size,
        },
        targets: [
          // Without them the run would show nothing.
          { name: 'faults of processes', measured: faults.counts.process, op: '>=', target: 1 },
          { name: 'faults of Redis', measured: faults.counts.Redis, op: '>=', target: 1 },
          { name: 'faults of groups', measured: faults.counts.group, op: '>=', target: 1 },
          {
            name: 'charged or given back twice',
            measured: books.chargedTwice + judged.counts.twice,
            op: '==',
            target: 0,
          },
          { name: 'accepted and lost', measured: books.lost, op: '==', target: 0 },
          {
            name: 'guessed: our books say one end, the channel has the other',
            measured: books.wronglyFailed + books.wronglyPaid + judged.counts.guessed,
            op: '==',
            target: 0,
          },
          { name: 'our books and the channels’ differ', measured: books.differing, op: '==', target: 0 },
          { name: 'unsettled', measured: books.unsettled + unsettledRefunds.length, op: '==', target: 0 },
          {
            name: 'abnormal after 60 s, per million',
            measured: perMillion(abnormal / lateMs.length),
            op: '<=',
            target: 0.1,
          },
          {
            name: 'bills that were compared as they are, and differ otherwise than by what nobody answers for',
            measured: cleanJudged.wrong.length + clean.refused.length,
            op: '==',
            target: 0,
          },
          { name: 'short, of those that nobody answers for', measured: shortOnes, op: '==', target: waiting.length },
          { name: 'kinds of discrepancies that were planted', measured: kinds.size, op: '>=', target: KINDS_MIN },
          { name: 'planted and not found in its class', measured: found.missed.length, op: '==', target: 0 },
          {
            name: 'found and never planted',
            measured: found.wrong.length + compared.refused.length,
            op: '==',
            target: 0,
          },
          { name: 'bills that end too soon and were compared', measured: broken.length, op: '==', target: 0 },
          {
            name: 'never answered for, and paid once the channel answered again',
            measured: settledByBill,
            op: '==',
            target: waiting.length,
          },
        ],
        lines: [
          `${lateMs.length} payments and refunds, ${abnormal} abnormal after 60 s: with 95 % confidence at most ${perMillion(bound)} per million`,
          `faults: ${[...faults.names].map(([name, times_]) => `${name} ${times_}×`).join(', ')}`,
          `errors that tills saw: ${timesOf([...payments.map(({ sample }) => sample), ...refunds].flatMap((one) => one.errors))}`,
          `planted: ${[...kinds].join('; ')}`,
          ...books.complaints.map((complaint) => `✗ ${complaint}`),
          ...judged.complaints.slice(0, SHOWN_MAX).map((complaint) => `✗ ${complaint}`),
          ...unsettledRefunds
            .slice(0, SHOWN_MAX)
            .map(({ merchantRefundNo, refund }) => `✗ ${merchantRefundNo} ${refund?.refundNo ?? ''} is on its way`),
          ...cleanJudged.wrong.slice(0, SHOWN_MAX).map((one) => `✗ as it is: ${shown(one)}`),
          ...clean.refused.map((one) => `✗ as it is: ${one}`),
          ...found.missed.slice(0, SHOWN_MAX).map((name) => `✗ not found: ${name}`),
          ...found.wrong.slice(0, SHOWN_MAX).map((one) => `✗ never planted: ${shown(one)}`),
          ...compared.refused.map((one) => `✗ ${one}`),
          ...broken.map((one) => `✗ ${one}`),
        ],
      };
    } finally {
      cashier.close();
      reconciler.close();
      await mesh.stop();
    }
  },
};
