import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { type Mesh, startMesh } from '@tillmesh/local-mesh';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient } from '@tillmesh/rpc';
import { createScriptControl } from './channels/channel-scripts.ts';
import { exchangesOfAccount } from './channels/exchanges.ts';
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

const order = {
  accountId: ACCOUNT,
  channelOrderNo: '12611260000000000000000001',
  createdAt: timestampFromMs(Date.UTC(2026, 10, 26)),
  kind: PaymentKind.PAYMENT_CODE,
  amount: { currency: 'CNY', minorUnits: 100n },
};

const exchangesOf = (address: string) => exchangesOfAccount(address, ACCOUNT);

/** Calls without a pause until it is over. */
const callOn = async (client: RpcClient<typeof ChannelService>, clock: Clock, isOver: () => boolean): Promise<void> => {
  while (!isOver()) {
    try {
      await client.queryPayment({ order });
    } catch {
      // Refused, or the replica is away: callers try again, and not as fast as they can.
      await clock.sleep(BACK_OFF_MS);
    }
  }
};

/** Watches what is under way at the channel for so long. @returns the mean and the most. */
const watch = async (
  address: string,
  clock: Clock,
  ms: number,
): Promise<{ readonly mean: number; readonly most: number }> => {
  const endMs = clock.monotonicMs() + ms;
  const seen: number[] = [];
  let most = 0;
  while (clock.monotonicMs() < endMs) {
    const exchanges = await exchangesOf(address);
    seen.push(exchanges.underWay);
    most = Math.max(most, exchanges.most);
    await clock.sleep(WATCH_EVERY_MS);
  }
  return { mean: seen.reduce((sum, each) => sum + each, 0) / Math.max(1, seen.length), most };
};

type Phase = { readonly name: string; readonly mean: number; readonly most: number };

/** What is done to replicas and Redis, one after the other, with time to recover in between. */
const phasesOf = async (mesh: Mesh, clock: Clock, ms: number, onProgress: (line: string) => void): Promise<Phase[]> => {
  const control = mesh.address('sandbox-control');
  const [, second] = mesh.processes().filter(({ service }) => service === 'channel-wechat');
  const { redis } = mesh.stack;
  if (second === undefined || redis === undefined) throw new Error('the mesh lacks a replica or Redis');
  const phases: Phase[] = [];
  const phase = async (name: string): Promise<void> => {
    onProgress(name);
    const { mean, most } = await watch(control, clock, ms);
    phases.push({ name, mean, most });
    onProgress(`  ${mean.toFixed(1)} under way on average, ${most} at most since the beginning`);
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

/** Replicas of a channel die, stand still and lose Redis: the channel never sees more calls at once than was agreed. */
export const contract: Drill = {
  name: 'contract',
  title: `${REPLICAS} replicas share ${AGREED} calls at once at a channel, whatever dies, stands still or is lost`,
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
      const callers = clients.flatMap((client) =>
        Array.from({ length: rate }, () => callOn(client, clock, () => over)),
      );
      // The first leases follow the demand that nobody knew of.
      await clock.sleep(2 * LEASE_MS);
      const phases = await phasesOf(mesh, clock, seconds * 1_000, onProgress);
      over = true;
      await Promise.all(callers);
      const { most } = await exchangesOf(mesh.address('sandbox-control'));
      const share = (name: string) => (phases.find((phase) => phase.name === name)?.mean ?? Number.NaN) / AGREED;
      return {
        conditions: {
          seconds_a_phase: seconds,
          replicas: REPLICAS,
          agreed: AGREED,
          lease_ms: LEASE_MS,
          channel_ms: CHANNEL_MS,
        },
        figures: {
          most_at_once: most,
          ...Object.fromEntries(phases.map(({ name, mean }) => [name, Number((mean / AGREED).toFixed(3))])),
        },
        targets: [
          { name: 'calls at once at the channel, the most', measured: most, op: '<=', target: AGREED },
          { name: 'use in steady state, share', measured: Number(share('steady').toFixed(3)), op: '>=', target: 0.9 },
          {
            name: 'use without Redis, share',
            measured: Number(share('without Redis').toFixed(3)),
            op: '>=',
            target: 0.5,
          },
          {
            name: 'use when Redis is back, share',
            measured: Number(share('Redis is back, with what it had on disk').toFixed(3)),
            op: '>=',
            target: 0.5,
          },
        ],
        lines: phases.map(
          ({ name, mean }) =>
            `${name.padEnd(44)} ${mean.toFixed(1).padStart(5)} of ${AGREED}, ${((100 * mean) / AGREED).toFixed(0)} %`,
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
