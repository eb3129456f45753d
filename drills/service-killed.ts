import { seededRandom } from '@tillmesh/clock';
import { type ServiceName, startMesh } from '@tillmesh/local-mesh';
import type { Drill } from './drill.ts';
import { closeAccounts } from './final-accounts.ts';
import { startPaymentStream } from './payment-stream.ts';
import { type Mark, secondTable } from './second-table.ts';
import { timesOf } from './times-of.ts';

/** Every process of ours, in the order in which it dies. The sandbox is not ours: it plays the channels. */
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
  'query',
];

const SETTLED_WITHIN_MS = 180_000;
/** The channels here are simulated: nobody has to wait two real minutes to be sure that an order never arrived. */
const PLAN_TIME_SCALE = 0.25;

/** kill -9 of each service process in turn during a stream of payments: it is restarted, and all books agree at the end. */
export const serviceKilled: Drill = {
  name: 'service-killed',
  title: 'each service process is killed in turn while payments go on',
  defaults: { seconds: 40, rate: 8 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const settings = { syncer: { planTimeScale: PLAN_TIME_SCALE } };
    const mesh = await startMesh({ folder, env, clock, logLevel: 'warn', settings, onProgress });
    try {
      const marks: Mark[] = [];
      let underWayAtKills = 0;
      const beganMs = clock.monotonicMs();
      const stream = startPaymentStream({ mesh, rate, seconds, random: seededRandom(seed), clock });
      const pauseMs = (seconds * 1_000) / (VICTIMS.length + 1);
      for (const victim of VICTIMS) {
        await clock.sleep(pauseMs);
        await mesh.services.kill(victim, 'SIGKILL');
        const underWay = stream.samples.filter(({ answer, tookMs }) => answer === undefined && tookMs === 0).length;
        underWayAtKills += underWay;
        marks.push({ atMs: clock.monotonicMs() - beganMs, text: `kill -9 ${victim} with ${underWay} under way` });
        onProgress(`kill -9 ${victim}`);
      }
      await stream.done;
      onProgress('the stream is over; waiting for what is on its way');
      const accounts = await closeAccounts(mesh, stream.samples, clock, SETTLED_WITHIN_MS);
      const restarted = VICTIMS.filter(
        (victim) => mesh.services.restartsOf(victim) > 0 && mesh.services.pid(victim) !== undefined,
      );
      const withErrors = stream.samples.filter(({ errors }) => errors.length > 0).length;
      return {
        conditions: { seconds, rate, victims: VICTIMS.join(' '), plan_time_scale: PLAN_TIME_SCALE },
        figures: {
          payments: stream.samples.length,
          accepted: accounts.accepted,
          under_way_at_kills: underWayAtKills,
          answered_after_an_error: withErrors,
          restarted: restarted.length,
          paid: accounts.paid,
          not_paid: accounts.notPaid,
          unsettled: accounts.unsettled,
          lost: accounts.lost,
          differing: accounts.differing,
          charged_twice: accounts.chargedTwice,
          settled_after_ms: Math.round(accounts.settledAfterMs),
        },
        targets: [
          { name: 'processes that were restarted', measured: restarted.length, op: '==', target: VICTIMS.length },
          // Without it the run would show nothing.
          {
            name: 'payments under way when something died',
            measured: underWayAtKills,
            op: '>=',
            target: VICTIMS.length,
          },
          { name: 'payments answered', measured: accounts.accepted, op: '==', target: stream.samples.length },
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
          `errors that tills saw and repeated: ${timesOf(stream.samples.flatMap(({ errors }) => errors))}`,
          ...accounts.complaints.map((complaint) => `✗ ${complaint}`),
        ],
      };
    } finally {
      await mesh.stop();
    }
  },
};
