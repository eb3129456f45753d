import type { Clock } from '@tillmesh/clock';
import type { Mesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { type Payment, PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, toRpcError } from '@tillmesh/rpc';
import { readLedger } from './ledger.ts';
import type { Sample } from './payment-stream.ts';

/** Our books and the channels' books, payment by payment. */
export type FinalAccounts = {
  readonly accepted: number;
  readonly paid: number;
  /** Declined, failed or closed: nothing was taken. */
  readonly notPaid: number;
  /** Still on their way when the time was up. */
  readonly unsettled: number;
  /** Answered with a payment that is not there any more. */
  readonly lost: number;
  readonly chargedTwice: number;
  /** Ours and the channel's books differ. */
  readonly differing: number;
  /** Declined, failed or closed in our books, while the channel holds the payer's money. */
  readonly wronglyFailed: number;
  /** Paid in our books, while the channel holds less of the payer's money than that says. */
  readonly wronglyPaid: number;
  /** Not paid in the end, because what was taken went back. */
  readonly givenBack: number;
  /** How long after the end of the stream the last payment was settled, ms. */
  readonly settledAfterMs: number;
  readonly complaints: readonly string[];
  /** Each payment as it stood at the end; undefined where it was not there. What could not be read is missing. */
  readonly payments: ReadonlyMap<Sample, Payment | undefined>;
};

/** Nothing more happens to a payment that is in one of these. */
export const AT_REST: ReadonlySet<PaymentState> = new Set([
  PaymentState.SUCCEEDED,
  PaymentState.FAILED,
  PaymentState.CLOSED,
  PaymentState.DECLINED,
]);
const READERS = 16;
const READ_MS_MAX = 300_000;
const COMPLAINTS_MAX = 20;

/** The name of a wire value. */
export const nameOf = (values: Readonly<Record<string, number>>, value: number): string =>
  Object.entries(values).find(([, candidate]) => candidate === value)?.[0] ?? String(value);

/** Enough of a payment to follow it in the logs. */
export const story = ({ what, merchantOrderNo, atMs, errors }: Sample, payment: Payment): string => {
  const attempts = payment.attempts.map(
    ({ accountId, state, channelCode, learnedBy }) =>
      `${accountId} ${nameOf(AttemptState, state)} ${channelCode || '-'} by ${nameOf(LearnedBy, learnedBy)}`,
  );
  return `${payment.orderNo} (${what}, ${merchantOrderNo}, begun at ${Math.round(atMs)} ms, ${errors.length} errors) is ${nameOf(PaymentState, payment.state)} [${attempts.join('; ')}]`;
};

/** Waits until every payment of a stream rests, then holds our books against the channels'. */
export const closeAccounts = async (
  mesh: Mesh,
  samples: readonly Sample[],
  clock: Clock,
  withinMs: number,
): Promise<FinalAccounts> => {
  const cashier = createClient(CashierService, {
    target: mesh.target('cashier'),
    caller: 'drill',
    capMs: 5_000,
    clock,
  });
  const beganMs = clock.monotonicMs();
  const deadlineMs = beganMs + withinMs;
  const finals = new Map<Sample, Payment | undefined>();

  const read = async (sample: Sample): Promise<'rests' | 'open'> => {
    const { merchantId, merchantOrderNo } = sample;
    const value = { merchantId, merchantOrderNo };
    try {
      const { payment } = await cashier.getPayment({ payment: { ref: { case: 'merchantOrder', value } } });
      finals.set(sample, payment);
      return payment !== undefined && AT_REST.has(payment.state) ? 'rests' : 'open';
    } catch (error) {
      // Only what is said not to be there is lost; a question that nobody answered is asked again.
      if (toRpcError(error).reason !== 'PAYMENT_UNKNOWN') return 'open';
      finals.set(sample, undefined);
      return 'rests';
    }
  };
  let open = [...samples];
  const isUnread = () => open.some((sample) => !finals.has(sample));
  // Everything is read once, however long it takes: a machine that is busy with the questions has not lost the answers.
  const readWithinMs = deadlineMs + READ_MS_MAX;
  const isTime = () => clock.monotonicMs() < (isUnread() ? readWithinMs : deadlineMs);
  while (open.length > 0 && isTime()) {
    const waiting = [...open];
    const still: Sample[] = [];
    await Promise.all(
      Array.from({ length: READERS }, async () => {
        for (let sample = waiting.pop(); sample !== undefined; sample = waiting.pop()) {
          if ((await read(sample)) === 'open') still.push(sample);
        }
      }),
    );
    open = still;
    if (open.length > 0) await clock.sleep(500);
  }
  const settledAfterMs = clock.monotonicMs() - beganMs;
  cashier.close();

  const ledger = await readLedger(mesh);
  const complaints: string[] = [];
  const counts = {
    accepted: 0,
    paid: 0,
    notPaid: 0,
    unsettled: 0,
    lost: 0,
    chargedTwice: 0,
    differing: 0,
    wronglyFailed: 0,
    wronglyPaid: 0,
    givenBack: 0,
  };
  for (const sample of samples) {
    const payment = finals.get(sample);
    if (sample.answer !== undefined) counts.accepted += 1;
    if (!finals.has(sample)) {
      counts.unsettled += 1;
      complaints.push(`${sample.merchantOrderNo} could not be read`);
      continue;
    }
    if (payment === undefined) {
      if (sample.answer === undefined) continue;
      counts.lost += 1;
      complaints.push(`${sample.answer.orderNo} was answered and is not there`);
      continue;
    }
    const { charges, netFen } = ledger.get(payment.orderNo) ?? { charges: 0, netFen: 0 };
    if (charges > 1) {
      counts.chargedTwice += 1;
      complaints.push(`${story(sample, payment)}: was charged ${charges} times`);
    }
    const paid = payment.state === PaymentState.SUCCEEDED;
    if (!AT_REST.has(payment.state)) {
      counts.unsettled += 1;
      complaints.push(`${story(sample, payment)}: is still on its way`);
    } else if (paid) counts.paid += 1;
    else counts.notPaid += 1;
    if (AT_REST.has(payment.state) && !paid) {
      if (netFen > 0) counts.wronglyFailed += 1;
      else if (charges > 0) counts.givenBack += 1;
    }
    const shouldHold = paid ? sample.minorUnits - (payment.refunded?.minorUnits ?? 0n) : 0n;
    if (paid && BigInt(netFen) < shouldHold) counts.wronglyPaid += 1;
    if (AT_REST.has(payment.state) && BigInt(netFen) !== shouldHold) {
      counts.differing += 1;
      complaints.push(`${story(sample, payment)}: should hold ${shouldHold} fen, the channel holds ${netFen}`);
    }
  }
  return { ...counts, settledAfterMs, complaints: complaints.slice(0, COMPLAINTS_MAX), payments: finals };
};
