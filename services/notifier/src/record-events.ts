import { fromOrderKey, type GroupTag, groupTag, merchantEventKindOf, type OrderKey } from '@tillmesh/domain';
import type { EventFacts, EventStore, NewEvent } from '@tillmesh/merchant-events';
import type { Change, ChangeFeed, StoredPayment } from '@tillmesh/order-groups';
import { counter } from '@tillmesh/telemetry';
import type { DeliveryQueue } from './delivery-queue.ts';
import { type Endpoints, wants } from './endpoints.ts';

const recorded = counter('tillmesh_merchant_events_total', 'Events that merchants are told of.', ['kind']);

type Told = { readonly key: OrderKey; readonly id: bigint; readonly facts: EventFacts };

/** The changes that merchants are told of, in the order in which they were begun. */
export const toldOf = (changes: readonly Change[]): readonly Told[] =>
  changes
    .flatMap(({ id, key, line, happenedAtMs }) => {
      const kind = line === undefined ? undefined : merchantEventKindOf(line);
      if (line === undefined || kind === undefined || happenedAtMs === undefined) return [];
      const orderNo = fromOrderKey(key);
      const facts = { orderNo, number: line.refundNo ?? orderNo, version: line.version, kind, happenedAtMs };
      return [{ id, key, facts }];
    })
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));

/**
 * Takes changes of a group: records what merchants are told of, and gives it to who tells them. What Redis does not take is found by the
 * sweep.
 *
 * @throws {DatabaseError} the group or the store is away: the changes have to come again.
 */
export const createRecorder = (options: {
  readonly changes: Pick<ChangeFeed, 'payments'>;
  readonly store: Pick<EventStore, 'record'>;
  readonly endpoints: Pick<Endpoints, 'of'>;
  readonly queue: Pick<DeliveryQueue, 'give'>;
}): ((tag: GroupTag, found: readonly Change[]) => Promise<void>) => {
  const { changes, store, endpoints, queue } = options;

  const paymentsOf = async (tag: GroupTag, keys: readonly OrderKey[]): Promise<ReadonlyMap<bigint, StoredPayment>> => {
    const near = await changes.payments(tag, keys, 'nearby');
    const missing = keys.filter((key) => !near.has(key));
    // One that the primary does not have was taken away: it is in another group, which tells of it itself.
    return missing.length === 0 ? near : new Map([...near, ...(await changes.payments(tag, missing, 'primary'))]);
  };

  return async (tag, found) => {
    const told = toldOf(found);
    if (told.length === 0) return;
    const payments = await paymentsOf(groupTag(tag), [...new Set(told.map(({ key }) => key))]);
    const events = told.flatMap(({ key, facts }): readonly NewEvent[] => {
      const merchantId = payments.get(key)?.payment.merchantId;
      if (merchantId === undefined) return [];
      const endpointIds = endpoints
        .of(merchantId)
        .filter((endpoint) => wants(endpoint, facts.kind))
        .map(({ endpointId }) => endpointId);
      return [{ ...facts, merchantId, endpointIds }];
    });
    const due = await store.record(events);
    for (const { kind } of events) recorded.add({ kind });
    await queue.give(due);
  };
};
