import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Clock } from '@tillmesh/clock';
import type { Probe } from '@tillmesh/lane';
import type { ChannelOrderRefSchema, ChannelService } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { type RpcClient, runAsCall } from '@tillmesh/rpc';

/** A query is answered within this by a channel that is well, ms. */
const PROBE_MS_MAX = 3_000;

export type ChannelProbe = {
  /** Remembers the latest order that was sent to the channel: it is what is asked about. */
  note(order: MessageInitShape<typeof ChannelOrderRefSchema>): void;
  readonly probe: Probe;
};

/**
 * Sees whether a channel is well again by asking about the latest order: unlike a payment, a question can be lost. It goes past
 * the lane of queries, which may be closed for the same reason.
 */
export const probeByQuery = (
  client: Pick<RpcClient<typeof ChannelService>, 'queryPayment'>,
  clock: Clock,
): ChannelProbe => {
  let latest: MessageInitShape<typeof ChannelOrderRefSchema> | undefined;
  return {
    note: (order) => {
      latest = order;
    },
    probe: (signal) => {
      if (latest === undefined) return undefined;
      const order = latest;
      const call = {
        name: 'probe of a channel',
        caller: 'cashier',
        priority: 'query',
        budgetMs: PROBE_MS_MAX,
        clock,
        signal,
      } as const;
      return runAsCall(call, async () => {
        const { result } = await client.queryPayment({ order }, { capMs: PROBE_MS_MAX });
        return result?.transport === Transport.ANSWERED;
      });
    },
  };
};
