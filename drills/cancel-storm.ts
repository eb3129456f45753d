import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { startMesh } from '@tillmesh/local-mesh';
import { ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient, toRpcError } from '@tillmesh/rpc';
import { createScriptControl } from './channels/channel-scripts.ts';
import { percentile } from './channels/hang-phase.ts';
import { connectionsTo } from './channels/tcp-connections.ts';
import type { Drill } from './drill.ts';

const HANGING = 'wechat-a';
/** How long a call is under way before its caller goes away, ms: long enough to have arrived. */
const CANCEL_AFTER_MS = 30;
const INNOCENT_PER_SECOND = 20;
const LOOK_EVERY_MS = 200;
const TICK_MS = 5;
const CALL_MS_MAX = 10_000;

const orderOf = (accountId: string, number: number) => ({
  accountId,
  channelOrderNo: `1261126000000000${String(number).padStart(10, '0')}`,
  createdAt: timestampFromMs(Date.UTC(2026, 10, 26)),
  kind: PaymentKind.PAYMENT_CODE,
  amount: { currency: 'CNY', minorUnits: 100n },
});

type Client = Pick<RpcClient<typeof ChannelService>, 'queryPayment'>;

/** Begins something so many times a second until it is over. */
const steadily = async (
  clock: Clock,
  perSecond: number,
  isOver: () => boolean,
  begin: (number: number) => void,
): Promise<void> => {
  const beganMs = clock.monotonicMs();
  for (let number = 0; !isOver(); ) {
    const due = ((clock.monotonicMs() - beganMs) * perSecond) / 1_000;
    for (; number < due; number += 1) begin(number);
    await clock.sleep(TICK_MS);
  }
};

/** Calls whose callers go away, and how many really went away while they were under way. */
const cancelling = (client: Client, clock: Clock) => {
  const counts = { cancelled: 0, endedBefore: 0 };
  const reasons = new Map<string, number>();
  const ends = new Set<Promise<void>>();
  const begin = (number: number): void => {
    const abort = new AbortController();
    clock.after(CANCEL_AFTER_MS, () => abort.abort());
    const end = client.queryPayment({ order: orderOf(HANGING, number) }, { signal: abort.signal }).then(
      () => void (counts.endedBefore += 1),
      (error: unknown) => {
        if (abort.signal.aborted && toRpcError(error).reason === 'TRANSPORT') counts.cancelled += 1;
        else {
          counts.endedBefore += 1;
          reasons.set(toRpcError(error).message, (reasons.get(toRpcError(error).message) ?? 0) + 1);
        }
      },
    );
    ends.add(end);
    void end.finally(() => ends.delete(end));
  };
  return { counts, reasons, begin, ended: () => Promise.all(ends) };
};

/** Thousands of callers go away in the middle of their calls, on the connection that innocent calls use as well. */
export const cancelStorm: Drill = {
  name: 'cancel-storm',
  title: 'a thousand calls a second are cancelled on one connection: it stays, and no other call fails',
  defaults: { seconds: 60, rate: 1_000 },
  run: async ({ seconds, rate, folder, env, clock, onProgress }) => {
    const services = ['sandbox', 'channel-wechat'] as const;
    const mesh = await startMesh({
      folder,
      env,
      clock,
      logLevel: 'error',
      services,
      redis: 'down',
      // One call hangs at the channel; the storm's wait behind it, at the adapter. With HTTP exchanges for each of them the
      // storm would be one of sockets between adapter and channel, and this machine would not bear it.
      settings: {
        'channel-wechat': { lanes: { query: { concurrentMax: 1, queuedMax: 1_000, queueWaitMsMax: 10_000 } } },
      },
      onProgress,
    });
    const port = mesh.ports['channel-wechat'];
    const client = createClient(ChannelService, {
      target: mesh.address('channel-wechat'),
      caller: 'drill',
      capMs: CALL_MS_MAX,
      clock,
    });
    try {
      const scripts = createScriptControl(mesh.address('sandbox-control'));
      await scripts.add({
        match: { account: HANGING },
        operations: ['query'],
        script: [{ do: 'answer_lost_before_commit', how: 'hang' }],
      });
      const others = connectionsTo(port);
      await client.describeChannel({});
      const own = [...connectionsTo(port)].filter((local) => !others.has(local));
      const lost = new Set<number>();
      const endMs = clock.monotonicMs() + seconds * 1_000;
      const isOver = () => clock.monotonicMs() >= endMs;
      const innocent = { ended: 0, failed: 0, reasons: new Set<string>(), tookMs: [] as number[] };
      const innocents = new Set<Promise<void>>();
      const storm = cancelling(client, clock);
      onProgress(`${rate} calls a second are cancelled, ${INNOCENT_PER_SECOND} are not`);
      await Promise.all([
        steadily(clock, rate, isOver, storm.begin),
        steadily(clock, INNOCENT_PER_SECOND, isOver, () => {
          const beganMs = clock.monotonicMs();
          const end = client.describeChannel({}).then(
            () => {
              innocent.ended += 1;
              innocent.tookMs.push(clock.monotonicMs() - beganMs);
            },
            (error: unknown) => {
              innocent.failed += 1;
              innocent.reasons.add(toRpcError(error).message);
            },
          );
          innocents.add(end);
        }),
        steadily(clock, 1_000 / LOOK_EVERY_MS, isOver, () => {
          const present = connectionsTo(port);
          for (const local of own) if (!present.has(local)) lost.add(local);
        }),
      ]);
      await Promise.all([storm.ended(), ...innocents]);
      const perSecond = storm.counts.cancelled / seconds;
      return {
        conditions: { seconds, rate, cancelled_after_ms: CANCEL_AFTER_MS, innocent_per_second: INNOCENT_PER_SECOND },
        figures: {
          cancelled: storm.counts.cancelled,
          ended_before_they_were_cancelled: storm.counts.endedBefore,
          connections: own.length,
          innocent_calls: innocent.ended + innocent.failed,
          innocent_p99_ms: Number(percentile(innocent.tookMs, 0.99).toFixed(1)),
        },
        targets: [
          { name: 'calls cancelled a second', measured: Math.round(perSecond), op: '>=', target: rate * 0.95 },
          { name: 'connections of the caller', measured: own.length, op: '>=', target: 1 },
          { name: 'connections lost', measured: lost.size, op: '==', target: 0 },
          { name: 'innocent calls that failed', measured: innocent.failed, op: '==', target: 0 },
        ],
        lines: [
          `${storm.counts.cancelled} calls were cancelled under way, ${storm.counts.endedBefore} ended before; of ${innocent.ended + innocent.failed} innocent ones ${innocent.failed} failed, p99 ${percentile(innocent.tookMs, 0.99).toFixed(1)} ms`,
          ...[...storm.reasons].map(([reason, times]) => `  ended before: ${reason} ${times}×`),
          ...[...innocent.reasons].map((reason) => `✗ ${reason}`),
        ],
      };
    } finally {
      client.close();
      await mesh.stop();
    }
  },
};
