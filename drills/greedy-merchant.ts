import { seededRandom } from '@tillmesh/clock';
import { startMesh } from '@tillmesh/local-mesh';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type ChannelSample, startChannelLoad } from './channels/channel-load.ts';
import { createScriptControl, slow } from './channels/channel-scripts.ts';
import type { DrillChannel } from './channels/eight-channels.ts';
import { percentile } from './channels/hang-phase.ts';
import type { Drill } from './drill.ts';
import { closeAccounts, nameOf } from './final-accounts.ts';

const ACCOUNT = 'wechat-a';
const GREEDY = 'shop-greedy';
const SMALL_ONES = 10;
/** The greedy one's calls against each of the others'. */
const GREEDY_FACTOR = 50;
/** The channel takes so long that the greedy one alone wants more than all places of its lane. */
const PAY_MS = 3_000;
const WARM_UP_MS = 15_000;
const SETTLED_WITHIN_MS = 120_000;

const source = (merchantId: string): DrillChannel => ({
  channelId: 'wechat',
  wallet: 'wechat',
  accountId: ACCOUNT,
  merchantId,
});
const smallOnes = Array.from({ length: SMALL_ONES }, (_, n) => source(`shop-${n + 1}`));
const sources = [...smallOnes, source(GREEDY)];

const isPaid = ({ answer }: ChannelSample): boolean => answer?.state === PaymentState.SUCCEEDED;

/** How payments ended at once, and how often. */
const endsOf = (samples: readonly ChannelSample[]): string => {
  const ends = new Map<string, number>();
  for (const { answer, errors } of samples) {
    const last = answer?.attempts.at(-1)?.channelCode ?? '';
    const end =
      answer === undefined ? (errors[0] ?? 'no answer') : `${nameOf(PaymentState, answer.state)} ${last}`.trim();
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  return [...ends].map(([end, times]) => `${end} ${times}×`).join(', ');
};

/** One merchant makes fifty times the payments of each other one, at a channel whose places it could fill alone. */
export const greedyMerchant: Drill = {
  name: 'greedy-merchant',
  title: `one merchant at ${GREEDY_FACTOR} times the others' rate at one channel: the others notice nothing`,
  defaults: { seconds: 60, rate: 4 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const perMerchant = rate / SMALL_ONES;
    const mesh = await startMesh({
      folder,
      env,
      clock,
      logLevel: 'warn',
      settings: {
        'routing-table': {
          merchants: sources.map(({ merchantId }) => ({ merchantId, displayName: merchantId, accountIds: [ACCOUNT] })),
        },
      },
      onProgress,
    });
    try {
      await createScriptControl(mesh.address('sandbox-control')).add(slow(ACCOUNT, PAY_MS));
      const beganMs = clock.monotonicMs();
      const sinceBegin = () => clock.monotonicMs() - beganMs;
      const random = seededRandom(seed);
      const load = await startChannelLoad({ mesh, sources, rate: perMerchant, random, clock, beganMs });
      await clock.sleep(WARM_UP_MS);
      const baselineFromMs = sinceBegin();
      await clock.sleep(seconds * 1_000);
      const greedyFromMs = sinceBegin();
      load.setRate(GREEDY, perMerchant * GREEDY_FACTOR);
      onProgress(
        `${GREEDY} begins ${(perMerchant * GREEDY_FACTOR).toFixed(1)} payments a second, the others ${perMerchant} each`,
      );
      await clock.sleep(seconds * 1_000);
      await load.stop();
      const endMs = sinceBegin();
      const accounts = await closeAccounts(mesh, load.samples, clock, SETTLED_WITHIN_MS);

      const within =
        (fromMs: number, toMs: number) =>
        ({ atMs }: ChannelSample) =>
          atMs >= fromMs && atMs < toMs;
      const small = load.samples.filter(({ merchantId }) => merchantId !== GREEDY);
      const before = small.filter(within(baselineFromMs, greedyFromMs));
      const during = small.filter(within(greedyFromMs, endMs));
      const greedy = load.samples.filter(({ merchantId }) => merchantId === GREEDY).filter(within(greedyFromMs, endMs));
      const shares = smallOnes.map(({ merchantId }) => {
        const own = during.filter((sample) => sample.merchantId === merchantId);
        return own.filter(isPaid).length / own.length;
      });
      const p99 = (samples: readonly ChannelSample[]) =>
        percentile(
          samples.map(({ tookMs }) => tookMs),
          0.99,
        );
      return {
        conditions: {
          seconds_a_phase: seconds,
          rate_of_the_others: rate,
          greedy_factor: GREEDY_FACTOR,
          channel_ms: PAY_MS,
        },
        figures: {
          payments_of_the_others: during.length,
          worst_share_paid: Number(Math.min(...shares).toFixed(4)),
          p99_before_ms: Math.round(p99(before)),
          p99_during_ms: Math.round(p99(during)),
          greedy_payments: greedy.length,
          greedy_paid: greedy.filter(isPaid).length,
        },
        targets: [
          {
            name: 'worst share of payments paid at once, of the others',
            measured: Number(Math.min(...shares).toFixed(4)),
            op: '>=',
            target: 0.9995,
          },
          {
            name: "the others' p99 against their own before",
            measured: Number((p99(during) / p99(before)).toFixed(3)),
            op: '<=',
            target: 1.15,
          },
          // Without it the run would show nothing.
          {
            name: 'payments of the greedy one that were refused',
            measured: greedy.length - greedy.filter(isPaid).length,
            op: '>=',
            target: 1,
          },
          { name: 'charged twice', measured: accounts.chargedTwice, op: '==', target: 0 },
          { name: 'accepted and lost', measured: accounts.lost, op: '==', target: 0 },
          { name: 'our books and the channels’ differ', measured: accounts.differing, op: '==', target: 0 },
        ],
        lines: [
          `${SMALL_ONES} merchants with ${during.length} payments: p99 ${p99(during).toFixed(0)} ms (${p99(before).toFixed(0)} before), the worst of them had ${(Math.min(...shares) * 100).toFixed(2)} % paid at once`,
          `the others: ${endsOf(during)}`,
          `${GREEDY}: ${endsOf(greedy)}`,
          ...accounts.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      await mesh.stop();
    }
  },
};
