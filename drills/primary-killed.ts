import { seededRandom } from '@tillmesh/clock';
import { startMesh } from '@tillmesh/local-mesh';
import { startOtlpReceiver } from '@tillmesh/testing';
import type { Drill } from './drill.ts';
import { closeAccounts } from './final-accounts.ts';
import { startPaymentStream } from './payment-stream.ts';
import { bySecond, createMarks, secondTable } from './second-table.ts';

const VICTIM_TAG = 2;
const SETTLED_WITHIN_MS = 150_000;
const CREATE_ORDER = 'tillmesh.orderstore.v1.OrderStoreService/CreateOrder';

/**
 * kill -9 of one group's primary during a stream of payments: new payments go on in the other groups, each order written within its
 * second, times `slack`; what was on its way in the dead group ends well after the primary is back.
 */
export const primaryKilledOf = (slack: number): Drill => ({
  name: 'primary-killed',
  title: 'the primary of one order group is killed while payments go on',
  defaults: { seconds: 24, rate: 12 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const receiver = await startOtlpReceiver();
    const mesh = await startMesh({ folder, env, clock, otlpEndpoint: receiver.url, logLevel: 'warn', onProgress });
    try {
      const group = mesh.stack.groups.find(({ tag }) => tag === VICTIM_TAG);
      if (group === undefined) throw new Error(`there is no group ${VICTIM_TAG}`);
      const beganMs = clock.monotonicMs();
      const { marks, mark } = createMarks(() => clock.monotonicMs() - beganMs, onProgress);
      const random = seededRandom(seed);
      const stream = startPaymentStream({ mesh, rate, seconds, random, clock });
      await clock.sleep((seconds * 1_000) / 4);
      const primary = group.primary();
      await primary.kill('SIGKILL');
      mark(`kill -9 of ${primary.name}, primary of group ${VICTIM_TAG}`);
      const killedAtMs = marks[0]?.atMs ?? 0;
      await clock.sleep((seconds * 1_000) / 2.5);
      await primary.start();
      mark(`${primary.name} is back`);
      const backAtMs = marks[1]?.atMs ?? 0;
      await stream.done;
      onProgress('the stream is over; waiting for what is on its way');
      const accounts = await closeAccounts(mesh, stream.samples, clock, SETTLED_WITHIN_MS);

      // Spans come in batches of a second.
      await clock.sleep(1_500);
      const creates = receiver
        .spans()
        .filter(({ name, service }) => name === CREATE_ORDER && service === 'order-store');
      const tookMs = creates.map(({ startUnixNano, endUnixNano }) => Number(endUnixNano - startUnixNano) / 1e6);
      const slowestCreateMs = Math.max(0, ...tookMs);
      const whileDown = stream.samples.filter(({ atMs }) => atMs >= killedAtMs && atMs < backAtMs);
      const answered = whileDown.filter(({ answer }) => answer !== undefined);
      const firstTry = whileDown.filter(({ answer, errors }) => answer !== undefined && errors.length === 0);
      const inOthers = answered.filter(
        ({ answer, atMs }) => atMs > killedAtMs + 1_000 && answer?.groupTag !== VICTIM_TAG,
      );
      const late = answered.filter(({ atMs }) => atMs > killedAtMs + 1_000);
      const emptySeconds = bySecond(stream.samples).filter(
        (own) => own.length > 0 && own.every(({ answer }) => answer === undefined),
      ).length;
      const figures = {
        payments: stream.samples.length,
        begun_while_down: whileDown.length,
        answered_while_down: answered.length,
        answered_at_first_try_while_down: firstTry.length,
        seconds_without_any_answer: emptySeconds,
        slowest_create_order_ms: Math.round(slowestCreateMs),
        create_orders_seen: creates.length,
        paid: accounts.paid,
        not_paid: accounts.notPaid,
        unsettled: accounts.unsettled,
        lost: accounts.lost,
        differing: accounts.differing,
        charged_twice: accounts.chargedTwice,
        settled_after_ms: Math.round(accounts.settledAfterMs),
      };
      return {
        conditions: { seconds, rate, killed_at_ms: Math.round(killedAtMs), back_at_ms: Math.round(backAtMs) },
        figures,
        targets: [
          {
            name: 'payments begun while the primary was dead and answered',
            measured: answered.length,
            op: '==',
            target: whileDown.length,
          },
          {
            name: 'of those, a second after the kill, in another group',
            measured: inOthers.length,
            op: '==',
            target: late.length,
          },
          {
            name: 'slowest CreateOrder, ms',
            measured: figures.slowest_create_order_ms,
            op: '<=',
            target: 1_050 * slack,
          },
          { name: 'seconds in which no payment was answered', measured: emptySeconds, op: '==', target: 0 },
          { name: 'charged twice', measured: accounts.chargedTwice, op: '==', target: 0 },
          { name: 'accepted and lost', measured: accounts.lost, op: '==', target: 0 },
          { name: 'unsettled at the end', measured: accounts.unsettled, op: '==', target: 0 },
          { name: 'our books and the channels’ differ', measured: accounts.differing, op: '==', target: 0 },
        ],
        lines: [
          ...secondTable(
            stream.samples,
            mesh.stack.groups.map(({ tag }) => tag),
            marks,
          ),
          ...accounts.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      await mesh.stop();
      await receiver.close();
    }
  },
});

export const primaryKilled = primaryKilledOf(1);
