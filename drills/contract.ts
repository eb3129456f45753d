import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { createScriptControl } from './channels/channel-scripts.ts';
import { type Exchanges, exchangesOfAccount } from './channels/exchanges.ts';
import type { Drill } from './drill.ts';

const ACCOUNT = 'wechat-a';
const REPLICAS = 3;
const AGREED = 24;
const LEASE_MS = 3_000;
/** The channel takes so long; a call is over there after the second, whatever happened. */
const CHANNEL_MS = 1_000;
const CALL_MS_MAX = 5_000;
const WATCH_EVERY_MS = 100;
/** Callers of each replica, each of which calls again as soon as it is answered: together far more than is agreed. */
const CALLERS = 24;
const BACK_OFF_MS = 20;
/** Of another account so many requests a second are agreed. */
const RATE_ACCOUNT = 'wechat-b';
const PER_SECOND = 60;
const BURST = 15;
const RATE_CALLERS = 12;

const orderOf = (accountId: string) => ({
  accountId,
  channelOrderNo: '12611260000000000000000001',
  createdAt: timestampFromMs(Date.UTC(2026, 10, 26)),
  kind: PaymentKind.PAYMENT_CODE,
  amount: { currency: 'CNY', minorUnits: 100n },
});

const exchangesOf = async (address: string): Promise<{ readonly calls: Exchanges; readonly rate: Exchanges }> => ({
  calls: await exchangesOfAccount(address, ACCOUNT),
  rate: await exchangesOfAccount(address, RATE_ACCOUNT),
});

/** Calls without a pause until it is over. */
const callOn = async (
  client: RpcClient<typeof ChannelService>,
  accountId: string,
  clock: Clock,
  isOver: () => boolean,
): Promise<void> => {
  while (!isOver()) {
    try {
      await client.queryPayment({ order: orderOf(accountId) });
    } catch {
      // Refused, or the replica is away: callers try again, and not as fast as they can.
      await clock.sleep(BACK_OFF_MS);
    }
  }
};

/** What a channel saw: calls under way and requests a second, on average; the most calls at once since the beginning. */
type Seen = { readonly mean: number; readonly perSecond: number; readonly most: number };
type Phase = Seen & { readonly name: string };

/** Watches the channel for so long. */
const watch = async (address: string, clock: Clock, ms: number): Promise<Seen> => {
  const beganMs = clock.monotonicMs();
  const before = (await exchangesOf(address)).rate.total;
  const seen: number[] = [];
  let most = 0;
  while (clock.monotonicMs() < beganMs + ms) {
    const { calls } = await exchangesOf(address);
    seen.push(calls.underWay);
    most = Math.max(most, calls.most);
    await clock.sleep(WATCH_EVERY_MS);
  }
  const requests = (await exchangesOf(address)).rate.total - before;
  return {
    mean: seen.reduce((sum, each) => sum + each, 0) / Math.max(1, seen.length),
    perSecond: (1_000 * requests) / (clock.monotonicMs() - beganMs),
    most,
  };
};

/** What is done to replicas and Redis, one after the other, with time to recover in between. */
const phasesOf = async (mesh: Mesh, clock: Clock, ms: number, onProgress: (line: string) => void): Promise<Phase[]> => {
  const control = mesh.address('sandbox-control');
  const [, second] = mesh.processes().filter(({ service }) => service === 'channel-wechat');
  const { redis } = mesh.stack;
  if (second === undefined || redis === undefined) throw new Error('the mesh lacks a replica or Redis');
  const phases: Phase[] = [];
  const phase = async (name: string): Promise<void> => {
    onProgress(name);
    const seen = await watch(control, clock, ms);
    phases.push({ name, ...seen });
    const { mean, most, perSecond } = seen;
    onProgress(`  ${mean.toFixed(1)} under way on average, ${most} at most; ${perSecond.toFixed(1)} requests a second`);
  };
  await phase('steady');
  await mesh.services.kill(second.name, 'SIGKILL');
  await phase('a replica was killed and is started again');
  await mesh.services.kill(second.name, 'SIGSTOP');
  await phase('a replica stands still');
  await mesh.services.kill(second.name, 'SIGCONT');
  await phase('it goes on');
  await redis.kill('SIGKILL');
  onProgress('Redis is killed; leases end');
  await watch(control, clock, LEASE_MS + CHANNEL_MS);
  await phase('without Redis');
  await redis.start();
  await phase('Redis is back, with what it had on disk');
  return phases;
};

/** Replicas of a channel die, stand still and lose Redis: the channel never sees more calls at once, or more requests, than was agreed. */
export const contract: Drill = {
  name: 'contract',
  title: `${REPLICAS} replicas share ${AGREED} calls at once, and ${PER_SECOND} requests a second, whatever dies, stands still or is lost`,
  defaults: { seconds: 15, rate: CALLERS },
  run: async ({ seconds, rate, folder, env, clock, onProgress }) => {
    const mesh = await startMesh({
      folder,
      env,
      clock,
      logLevel: 'error',
      services: ['sandbox', 'channel-wechat'],
      instances: { 'channel-wechat': REPLICAS },
      agreed: {
        [ACCOUNT]: { concurrencyMax: AGREED, replicasMax: REPLICAS, callMsMax: CALL_MS_MAX, leaseMs: LEASE_MS },
        [RATE_ACCOUNT]: {
          perSecond: PER_SECOND,
          burst: BURST,
          replicasMax: REPLICAS,
          callMsMax: CALL_MS_MAX,
          leaseMs: LEASE_MS,
        },
      },
      onProgress,
    });
    const replicas = mesh.processes().filter(({ service }) => service === 'channel-wechat');
    const clients = replicas.map(({ port }) =>
      createClient(ChannelService, { target: `127.0.0.1:${port}`, caller: 'drill', capMs: 3_000, clock }),
    );
    let over = false;
    try {
      const scripts = createScriptControl(mesh.address('sandbox-control'));
      await scripts.add({
        match: { account: ACCOUNT },
        operations: ['query'],
        script: [{ do: 'delay', ms: CHANNEL_MS, when: 'before_commit' }],
      });
      const callers = clients.flatMap((client) => [
        ...Array.from({ length: rate }, () => callOn(client, ACCOUNT, clock, () => over)),
        ...Array.from({ length: RATE_CALLERS }, () => callOn(client, RATE_ACCOUNT, clock, () => over)),
      ]);
      // A Redis that knows nothing learns for so long, and gives emergency shares until then; the next leases follow the demand.
      await clock.sleep(2 * LEASE_MS + CALL_MS_MAX);
      const phases = await phasesOf(mesh, clock, seconds * 1_000, onProgress);
      over = true;
      await Promise.all(callers);
      const seen = await exchangesOf(mesh.address('sandbox-control'));
      const phase = (name: string) => phases.find((each) => each.name === name);
      const share = (name: string) => Number(((phase(name)?.mean ?? Number.NaN) / AGREED).toFixed(3));
      const rateShare = (name: string) => Number(((phase(name)?.perSecond ?? Number.NaN) / PER_SECOND).toFixed(3));
      const back = 'Redis is back, with what it had on disk';
      return {
        conditions: {
          seconds_a_phase: seconds,
          replicas: REPLICAS,
          agreed: AGREED,
          requests_a_second: PER_SECOND,
          burst: BURST,
          lease_ms: LEASE_MS,
          channel_ms: CHANNEL_MS,
        },
        figures: {
          most_at_once: seen.calls.most,
          most_requests_in_1_s: seen.rate.mostInSecond,
          most_requests_in_10_s: seen.rate.mostInTenSeconds,
          ...Object.fromEntries(phases.map(({ name }) => [name, share(name)])),
          ...Object.fromEntries(phases.map(({ name }) => [`rate: ${name}`, rateShare(name)])),
        },
        targets: [
          { name: 'calls at once at the channel, the most', measured: seen.calls.most, op: '<=', target: AGREED },
          {
            name: 'requests at the channel in any second, the most',
            measured: seen.rate.mostInSecond,
            op: '<=',
            target: PER_SECOND + BURST,
          },
          {
            name: 'requests at the channel in any ten seconds, the most',
            measured: seen.rate.mostInTenSeconds,
            op: '<=',
            target: 10 * PER_SECOND + BURST,
          },
          { name: 'use in steady state, share', measured: share('steady'), op: '>=', target: 0.9 },
          { name: 'use of the rate in steady state, share', measured: rateShare('steady'), op: '>=', target: 0.9 },
          { name: 'use without Redis, share', measured: share('without Redis'), op: '>=', target: 0.5 },
          { name: 'use of the rate without Redis, share', measured: rateShare('without Redis'), op: '>=', target: 0.5 },
          { name: 'use when Redis is back, share', measured: share(back), op: '>=', target: 0.5 },
          { name: 'use of the rate when Redis is back, share', measured: rateShare(back), op: '>=', target: 0.5 },
        ],
        lines: phases.map(
          ({ name, mean, perSecond }) =>
            `${name.padEnd(44)} ${mean.toFixed(1).padStart(5)} of ${AGREED} calls, ${((100 * mean) / AGREED).toFixed(0)} %; ` +
            `${perSecond.toFixed(1).padStart(5)} of ${PER_SECOND} requests a second, ${((100 * perSecond) / PER_SECOND).toFixed(0)} %`,
        ),
      };
    } finally {
      over = true;
      await mesh.services.kill('channel-wechat-i2', 'SIGCONT').catch(() => undefined);
      for (const client of clients) client.close();
      await mesh.stop();
    }
  },
};
