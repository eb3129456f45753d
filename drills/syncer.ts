import { timestampMs } from '@bufbuild/protobuf/wkt';
import { type Clock, type Random, seededRandom } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { type Payment, PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { createSandboxControl } from '../scripts/demo/sandbox-control.ts';
import { createScriptControl } from './channels/channel-scripts.ts';
import { percentile } from './channels/hang-phase.ts';
import type { Drill, Target } from './drill.ts';
import { emptyRedis } from './empty-redis.ts';
import { closeAccounts } from './final-accounts.ts';
import type { Sample } from './payment-stream.ts';

const MERCHANT = 'demo-cafe';
const ACCOUNTS = ['wechat-a', 'alipay-a'] as const;
const WALLETS = [Wallet.WECHAT, Wallet.ALIPAY] as const;
const WORKERS = 2;
const KILL_EVERY_MS = 10_000;
/** The payer pays so long after the code was shown: the syncer has asked for some time by then. */
const PAYS_AFTER_MS = { min: 2_000, max: 25_000 } as const;
const VICTIM_TAG = 2;
/** Payments of the phase in which a group dies are begun before it does. */
const DOWN_MS = 8_000;
const SETTLED_WITHIN_MS = 90_000;
const CALL_MS_MAX = 20_000;

/** What happens while payments wait for somebody to ask about them. */
type Trouble = 'workers killed' | 'Redis emptied' | 'a group down';

type Repair = { readonly trouble: Trouble; readonly sample: Sample; knownAtMs: number };

type World = {
  readonly mesh: Mesh;
  readonly cashier: RpcClient<typeof CashierService>;
  readonly random: Random;
  readonly clock: Clock;
  readonly beganMs: number;
  readonly onProgress: (line: string) => void;
};

const begin = async (world: World, trouble: Trouble, number: number): Promise<Repair> => {
  const { cashier, random, clock, beganMs } = world;
  const sample: Sample = {
    what: `${trouble} ${number}`,
    merchantId: MERCHANT,
    merchantOrderNo: `SYNC-${random.hex(8)}`,
    minorUnits: BigInt(100 + random.below(50_000)),
    atMs: clock.monotonicMs() - beganMs,
    tookMs: 0,
    answer: undefined,
    errors: [],
  };
  const { payment } = await cashier.createPayment({
    merchantId: sample.merchantId,
    merchantOrderNo: sample.merchantOrderNo,
    amount: { currency: 'CNY', minorUnits: sample.minorUnits },
    subject: sample.what,
    kind: PaymentKind.MERCHANT_QR,
    wallet: WALLETS[number % WALLETS.length] ?? Wallet.WECHAT,
    expireAfter: { seconds: 600n, nanos: 0 },
  });
  sample.tookMs = clock.monotonicMs() - beganMs - sample.atMs;
  sample.answer = payment;
  return { trouble, sample, knownAtMs: Number.NaN };
};

/** The payer scans and pays; nobody but the channel knows. */
const pay = async ({ mesh, clock }: World, repair: Repair): Promise<void> => {
  const code = repair.sample.answer?.action?.action;
  if (code?.case !== 'qrCode') throw new Error(`${repair.sample.what} has no code to scan`);
  await createSandboxControl(mesh.address('sandbox-control')).scan(code.value, 0);
  repair.knownAtMs = clock.nowMs();
};

/** Begins so many payments over so long, each paid some time later, while the trouble goes on. */
const phase = async (
  world: World,
  trouble: Trouble,
  size: { readonly count: number; readonly ms: number },
  makeTrouble: (untilMs: number) => Promise<void>,
): Promise<Repair[]> => {
  const { clock, random, onProgress } = world;
  const fromMs = clock.monotonicMs();
  const running: Promise<Repair>[] = [];
  // For as long as somebody may still have to be asked about a payment of this phase.
  const troubled = makeTrouble(fromMs + size.ms + PAYS_AFTER_MS.max);
  for (let number = 0; number < size.count; number += 1) {
    const waitMs = fromMs + (number * size.ms) / size.count - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs);
    const afterMs = PAYS_AFTER_MS.min + random.below(PAYS_AFTER_MS.max - PAYS_AFTER_MS.min);
    running.push(
      (async () => {
        const repair = await begin(world, trouble, number);
        await clock.sleep(afterMs);
        await pay(world, repair);
        return repair;
      })(),
    );
  }
  const repairs = await Promise.all(running);
  await troubled;
  onProgress(`${trouble}: ${repairs.length} payments were paid, and only the channel knew`);
  return repairs;
};

const killWorkers = async ({ mesh, clock, onProgress }: World, untilMs: number): Promise<number> => {
  const workers = mesh.processes().filter(({ service }) => service === 'syncer');
  let kills = 0;
  for (; clock.monotonicMs() + KILL_EVERY_MS < untilMs; kills += 1) {
    await clock.sleep(KILL_EVERY_MS);
    const worker = workers[kills % workers.length];
    if (worker === undefined) throw new Error('no syncer runs');
    await mesh.services.kill(worker.name, 'SIGKILL');
    onProgress(`kill -9 ${worker.name}`);
  }
  return kills;
};

const emptyInTheMiddle = async ({ mesh, clock, onProgress }: World, untilMs: number): Promise<void> => {
  await clock.sleep((untilMs - clock.monotonicMs()) / 2);
  await emptyRedis(mesh, clock);
  onProgress('Redis was emptied');
};

/** @returns when the group took changes again, wall clock. */
const groupDown = async ({ mesh, clock, onProgress }: World, untilMs: number): Promise<number> => {
  const group = mesh.stack.groups.find(({ tag }) => tag === VICTIM_TAG);
  if (group === undefined) throw new Error(`there is no group ${VICTIM_TAG}`);
  await clock.sleep((untilMs - clock.monotonicMs()) / 2);
  const primary = group.primary();
  await primary.kill('SIGKILL');
  onProgress(`kill -9 of ${primary.name}, primary of group ${VICTIM_TAG}`);
  await clock.sleep(DOWN_MS);
  await group.promote();
  onProgress(`${group.primary().name} was promoted`);
  return clock.nowMs();
};

const settledAtMs = (payment: Payment | undefined): number => {
  const at = payment?.attempts.find(({ settledAt }) => settledAt !== undefined)?.settledAt;
  return payment?.state !== PaymentState.SUCCEEDED || at === undefined ? Number.POSITIVE_INFINITY : timestampMs(at);
};

/** Nobody but the syncer learns of payments, while its workers die, its queue is emptied, and a group is away. */
export const syncer: Drill = {
  name: 'syncer',
  title: 'only the syncer can learn of payments: its workers are killed, Redis is emptied, a group dies',
  defaults: { seconds: 60, rate: 12 },
  run: async ({ seconds, rate, seed, folder, env, clock, onProgress }) => {
    const mesh = await startMesh({
      folder,
      env,
      clock,
      logLevel: 'error',
      instances: { syncer: WORKERS },
      services: ['sandbox', 'routing', 'order-store', 'channel-wechat', 'channel-alipay', 'cashier', 'syncer'],
      onProgress,
    });
    const cashier = createClient(CashierService, {
      target: mesh.target('cashier'),
      caller: 'drill',
      capMs: CALL_MS_MAX,
      clock,
    });
    try {
      const random = seededRandom(seed);
      const world: World = { mesh, cashier, random, clock, beganMs: clock.monotonicMs(), onProgress };
      const scripts = createScriptControl(mesh.address('sandbox-control'));
      for (const account of ACCOUNTS)
        await scripts.add({ match: { account }, operations: ['notification'], script: [{ do: 'never_notify' }] });
      const size = { count: Math.round((rate * seconds) / 3), ms: (seconds * 1_000) / 3 };
      let kills = 0;
      let promotedAtMs = Number.NaN;
      const repairs = [
        ...(await phase(world, 'workers killed', size, async (untilMs) => {
          kills = await killWorkers(world, untilMs);
        })),
        ...(await phase(world, 'Redis emptied', size, (untilMs) => emptyInTheMiddle(world, untilMs))),
        ...(await phase(world, 'a group down', size, async (untilMs) => {
          promotedAtMs = await groupDown(world, untilMs);
        })),
      ];
      const samples = repairs.map(({ sample }) => sample);
      const accounts = await closeAccounts(mesh, samples, clock, SETTLED_WITHIN_MS);
      const took = new Map<Trouble, number[]>();
      for (const { trouble, sample, knownAtMs } of repairs) {
        const orderNo = sample.answer?.orderNo ?? '';
        const { payment } = await cashier.getPayment({ payment: { ref: { case: 'orderNo', value: orderNo } } });
        // An order of the dead group can be settled from the promotion on.
        const isAway = trouble === 'a group down' && sample.answer?.groupTag === VICTIM_TAG;
        const fromMs = isAway ? Math.max(knownAtMs, promotedAtMs) : knownAtMs;
        took.set(trouble, [...(took.get(trouble) ?? []), Math.max(0, settledAtMs(payment) - fromMs)]);
      }
      const secondsOf = (trouble: Trouble, share: number): number =>
        Number((percentile(took.get(trouble) ?? [], share) / 1_000).toFixed(2));
      const within = (trouble: Trouble, share: number, target: number): Target => ({
        name: `${trouble}: repaired within, p${share * 100}, s`,
        measured: secondsOf(trouble, share),
        op: '<=',
        target,
      });
      return {
        conditions: { payments: repairs.length, rate, workers: WORKERS, kill_every_ms: KILL_EVERY_MS },
        figures: {
          kills,
          paid: accounts.paid,
          unsettled: accounts.unsettled,
          ...Object.fromEntries(
            [...took].flatMap(([trouble]) => {
              const name = trouble.toLowerCase().replaceAll(' ', '_');
              return [
                [`${name}_p50_s`, secondsOf(trouble, 0.5)],
                [`${name}_p99_s`, secondsOf(trouble, 0.99)],
                [`${name}_max_s`, secondsOf(trouble, 1)],
              ];
            }),
          ),
        },
        targets: [
          // Without them the run would show nothing.
          { name: 'workers killed', measured: kills, op: '>=', target: 3 },
          within('workers killed', 0.99, 10),
          within('workers killed', 0.999, 15),
          within('Redis emptied', 1, 30),
          within('a group down', 0.99, 10),
          { name: 'all of them paid', measured: accounts.paid, op: '==', target: repairs.length },
          { name: 'charged twice', measured: accounts.chargedTwice, op: '==', target: 0 },
          { name: 'our books and the channels’ differ', measured: accounts.differing, op: '==', target: 0 },
        ],
        lines: accounts.complaints.map((complaint) => `✗ ${complaint}`),
      };
    } finally {
      cashier.close();
      await mesh.stop();
    }
  },
};
