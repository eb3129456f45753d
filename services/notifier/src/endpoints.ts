import type { Clock } from '@tillmesh/clock';
import type { MerchantEventKind, MerchantId, MerchantWebhook, RoutingTable } from '@tillmesh/domain';
import type { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import { followStream, type RpcClient } from '@tillmesh/rpc';
import type { Log } from '@tillmesh/telemetry';
import { routingTableFromWire } from '@tillmesh/wire';

/** Where merchants want to be told, by the routing table that was heard last. */
export type Endpoints = {
  of(merchantId: MerchantId): readonly MerchantWebhook[];
  /** Resolves when a table was heard: before that nobody knows who wants to be told. */
  ready(): Promise<void>;
};

/** Whether an endpoint is told of such events. */
export const wants = ({ kinds }: MerchantWebhook, kind: MerchantEventKind): boolean =>
  kinds.length === 0 || kinds.includes(kind);

/** Follows routing for as long as the signal lets it; while routing is away the table that was heard last holds. */
export const followEndpoints = (options: {
  readonly routing: Pick<RpcClient<typeof RoutingService>, 'watchRoutingTable'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Endpoints => {
  const { routing, clock, log, signal } = options;
  let table: RoutingTable | undefined;
  const first = Promise.withResolvers<void>();
  followStream({
    what: 'routing',
    whileAway: 'the endpoints that are known hold',
    open: () => routing.watchRoutingTable({ knownVersion: table?.version ?? 0n, reporter: '' }, { signal }),
    take: ({ table: wire }) => {
      if (wire === undefined) return;
      table = routingTableFromWire(wire);
      const endpoints = [...table.merchants.values()].reduce((sum, { webhooks }) => sum + webhooks.length, 0);
      log.info({ version: String(table.version), endpoints }, 'routing table taken');
      first.resolve();
    },
    clock,
    log,
    signal,
  });
  return {
    of: (merchantId) => table?.merchants.get(merchantId)?.webhooks ?? [],
    ready: () => first.promise,
  };
};
