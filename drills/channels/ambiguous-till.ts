import type { Clock, Random } from '@tillmesh/clock';
import type { Mesh } from '@tillmesh/local-mesh';
import type { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { type Payment, PaymentKind, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import type { RpcClient } from '@tillmesh/rpc';
import { createSandboxControl } from '../../scripts/demo/sandbox-control.ts';
import { type Sample, takeAsATill } from '../payment-stream.ts';
import { type Plan, planPayment } from './ambiguous-payments.ts';
import { createScriptControl } from './channel-scripts.ts';

const EXPIRE_AFTER_SECONDS = 60n;
/** Lanes of an adapter: answers are given up early, so that silence costs a payment less. */
export const LANE_TIMEOUT_MS = 3_000;
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

/** Settings of every channel's adapter for payments of which most exchanges go wrong. */
export const sickLanes = (): { readonly [service: string]: object } => {
  const numbers = { timeoutMs: LANE_TIMEOUT_MS, callsMin: NEVER_JUDGED };
  const lanes = { pay: numbers, refund: numbers, query: numbers };
  return Object.fromEntries(['wechat', 'alipay', 'stripe', 'unionpay'].map((id) => [`channel-${id}`, { lanes }]));
};

type Cashier = RpcClient<typeof CashierService>;

/** One payment of the mix, and everything that is to go wrong with it. */
export type Ambiguous = { readonly plan: Plan; readonly sample: Sample };

/** A payment as it stands. @throws {RpcError} */
export const readPayment = async (
  cashier: Cashier,
  { merchantId, merchantOrderNo }: Sample,
): Promise<Payment | undefined> => {
  const value = { merchantId, merchantOrderNo };
  const { payment } = await cashier.getPayment({ payment: { ref: { case: 'merchantOrder', value } } });
  return payment;
};

/**
 * Plans one payment.
 *
 * @param number which one of the drill.
 * @param isEndless whether nobody ever learns how it ended.
 * @param atMs since the beginning of the drill.
 */
export const planAmbiguous = (random: Random, number: number, isEndless: boolean, atMs: number): Ambiguous => {
  const plan = planPayment(random, isEndless);
  return {
    plan,
    sample: {
      what: `${plan.way.name} ${number}`,
      merchantId: MERCHANT,
      merchantOrderNo: `AMBIGUOUS-${random.hex(8)}`,
      minorUnits: BigInt(100 + random.below(50_000)),
      atMs,
      tookMs: 0,
      answer: undefined,
      errors: [],
    },
  };
};

/** Tells the simulated channels of one thing that goes wrong later, and forgets it when nothing has met it. */
export const scriptOnce = async (
  mesh: Mesh,
  clock: Clock,
  rule: { readonly match: object; readonly operations: readonly string[]; readonly act: object },
): Promise<void> => {
  const scripts = createScriptControl(mesh.address('sandbox-control'));
  const { match, operations, act } = rule;
  const scriptId = await scripts.add({ match, operations, script: [act], uses: 1 });
  // One that nothing has met by then never will: the simulated channels keep 5,000.
  clock.after(SCRIPT_KEPT_MS, () => {
    scripts.remove(scriptId).catch(() => undefined);
  });
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
    orderNo = (await readPayment(cashier, sample).catch(() => undefined))?.orderNo ?? '';
  }
  if (orderNo === '') return;
  const match = { outTradeNoPrefix: orderNo };
  const once = (operations: readonly string[], act: object) => scriptOnce(mesh, clock, { match, operations, act });
  if (plan.isEndless) {
    await neverAnswer(mesh, match);
    return;
  }
  if (plan.query !== undefined) await once(['query'], plan.query.act);
  if (plan.end !== undefined) await once(['close', 'reverse'], plan.end.act);
  if (plan.notification !== undefined) await once(['notification'], plan.notification.act);
};

/** Plays one payment with its till and its payer, until both have done what they do. */
export const payAmbiguously = async (mesh: Mesh, cashier: Cashier, payment: Ambiguous, clock: Clock): Promise<void> => {
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
