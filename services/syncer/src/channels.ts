import type { Clock } from '@tillmesh/clock';
import { ChannelService, type PollPlan } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import type { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClients, type RpcClient } from '@tillmesh/rpc';
import type { ChannelLanes } from './lanes.ts';
import { CAUTIOUS_PLAN, type Plan, planOf } from './poll-plans.ts';

export type Channel = {
  readonly client: RpcClient<typeof ChannelService>;
  readonly lanes: ChannelLanes;
  /** How the channel wants to be asked about this kind; cautious until it has said so. */
  planFor(kind: PaymentKind): Promise<Plan>;
};

export type Channels = { find(channelId: string): Channel | undefined; close(): void };

const CAP_MS = 16_000;
const DESCRIBE_AGAIN_AFTER_MS = 60_000;

/** Connects to every channel's adapter. */
export const connectChannels = (
  targets: readonly { readonly channelId: string; readonly target: string }[],
  lanesOf: (channelId: string) => ChannelLanes,
  planTimeScale: number,
  clock: Clock,
): Channels => {
  const clients = createClients(
    ChannelService,
    targets.map(({ channelId, target }) => ({ id: channelId, target })),
    { caller: 'syncer', capMs: CAP_MS },
  );
  const channels = new Map(
    clients.ids.flatMap((id): [string, Channel][] => {
      const client = clients.find(id);
      if (client === undefined) return [];
      const lanes = lanesOf(id);
      let plans: readonly PollPlan[] = [];
      let heardAtMs = Number.NEGATIVE_INFINITY;
      const planFor = async (kind: PaymentKind): Promise<Plan> => {
        if (clock.monotonicMs() - heardAtMs > DESCRIBE_AGAIN_AFTER_MS) {
          try {
            plans = (await client.describeChannel({}, { passage: lanes.query, capMs: 2_000 })).pollPlans;
            heardAtMs = clock.monotonicMs();
          } catch {
            // What was heard last still holds; the query that follows tells whether the adapter is there.
          }
        }
        return plans.length === 0 ? CAUTIOUS_PLAN : planOf(plans, kind, planTimeScale);
      };
      return [[id, { client, lanes, planFor }]];
    }),
  );
  return { find: (id) => channels.get(id), close: clients.close };
};
