import { existsSync } from 'node:fs';
import type { Clock } from '@tillmesh/clock';
import type { AccountId, Hearsay, RoutingTable } from '@tillmesh/domain';
import type { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import type { RoutingTable as WireRoutingTable } from '@tillmesh/proto/tillmesh/routing/v1/routing_table_pb.ts';
import { followStream, type RpcClient } from '@tillmesh/rpc';
import { gauge, type Log } from '@tillmesh/telemetry';
import { hearsayFromWire, routingTableFromWire } from '@tillmesh/wire';
import { readSnapshot, writeSnapshot } from './routing-snapshot.ts';

/** The routing table as it was heard last, and what others say of health. Routing may be down: payments go on with the table. */
export type RoutingFeed = {
  /** Undefined until a table was heard, now or by an earlier process. */
  table(): RoutingTable | undefined;
  /** Resolves when there is a table. */
  ready(): Promise<void>;
  /** What others say of the accounts' health; undefined where routing was silent for longer than the table's policy allows. */
  hearsay(): ReadonlyMap<AccountId, Hearsay> | undefined;
};

const versionGauge = gauge(
  'tillmesh_routing_table_version',
  'Version of the routing table that this process decides by.',
);

/** Follows routing for as long as the signal lets it. */
export const followRouting = (options: {
  readonly routing: Pick<RpcClient<typeof RoutingService>, 'watchRoutingTable'>;
  readonly snapshotFile: string | undefined;
  /** The name under which this process reports health. */
  readonly reporter: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): RoutingFeed => {
  const { routing, snapshotFile, reporter, clock, log, signal } = options;
  let table: RoutingTable | undefined;
  let heard: { readonly atMs: number; readonly accounts: ReadonlyMap<AccountId, Hearsay> } | undefined;
  const first = Promise.withResolvers<void>();

  const take = (wire: WireRoutingTable, from: string) => {
    table = routingTableFromWire(wire);
    versionGauge.set({}, Number(table.version));
    first.resolve();
    log.info({ version: String(table.version), accounts: table.accounts.size, from }, 'routing table taken');
  };

  const keep = (wire: WireRoutingTable) => {
    if (snapshotFile === undefined) return;
    try {
      writeSnapshot(snapshotFile, wire);
    } catch (error) {
      log.warn({ err: error, snapshotFile }, 'the routing table could not be kept for the next start');
    }
  };

  if (snapshotFile !== undefined && existsSync(snapshotFile)) {
    try {
      take(readSnapshot(snapshotFile), 'snapshot');
    } catch (error) {
      log.warn({ err: error, snapshotFile }, 'the kept routing table cannot be read; routing will send one');
    }
  }

  followStream({
    what: 'routing',
    whileAway: 'the table that is held decides',
    open: () => routing.watchRoutingTable({ knownVersion: table?.version ?? 0n, reporter }, { signal }),
    take: ({ table: wire, health }) => {
      if (wire !== undefined) {
        take(wire, 'routing');
        keep(wire);
      }
      if (health !== undefined) heard = { atMs: clock.monotonicMs(), accounts: hearsayFromWire(health) };
    },
    clock,
    log,
    signal,
  });

  return {
    table: () => table,
    ready: () => first.promise,
    hearsay: () => {
      if (heard === undefined || table === undefined) return undefined;
      return clock.monotonicMs() - heard.atMs <= table.healthPolicy.reportAgeMsMax ? heard.accounts : undefined;
    },
  };
};
