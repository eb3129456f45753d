import { fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { ListStore, StoreWatch } from '@tillmesh/merchant-lists';
import { DatabaseError, type OrderReader, RowTampered } from '@tillmesh/order-groups';
import { PaymentSchema } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type ListPaymentsResponseSchema, ListSource } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { counter, traceIdOf } from '@tillmesh/telemetry';
import { paymentToWire } from '@tillmesh/wire';
import type { AskedPage } from './list-question.ts';
import { writePageToken } from './page-token.ts';

export type Page = MessageInitShape<typeof ListPaymentsResponseSchema>;

const pages = counter('tillmesh_list_pages_total', 'Pages of payments by who answered.', ['source', 'incomplete']);

const staleness = (ms: number | undefined) => (ms === undefined ? {} : { staleness: durationFromMs(ms) });

/** The store of lists and the knowledge whether it may be used. */
export type ProjectedLists = { readonly store: Pick<ListStore, 'page'>; readonly watch: StoreWatch };

/**
 * Lists payments: from the store of lists while it is near enough, otherwise from the groups. After an incomplete page the groups answer
 * until every one of them has caught up: the store knows of one place only, the groups of one each.
 */
export const createListPayments = (options: {
  readonly orders: Pick<OrderReader, 'lists'>;
  readonly projected: ProjectedLists | undefined;
}): ((asked: AskedPage, fresh: boolean) => Promise<Page>) => {
  const { orders, projected } = options;

  const fromStore = async (asked: AskedPage): Promise<Page | undefined> => {
    const generation = projected?.watch.usable();
    if (projected === undefined || generation === undefined || asked.position.behind.size > 0) return undefined;
    const { position, floor, question } = asked;
    try {
      const page = await projected.store.page({ ...asked, before: position.before });
      const lagMs = projected.watch.lagOf(page.status, generation);
      if (lagMs === undefined) return undefined;
      const next = page.next === undefined ? undefined : { before: page.next, behind: new Map() };
      return {
        payments: page.contents.map((content) => fromBinary(PaymentSchema, content)),
        nextPageToken: next === undefined ? '' : writePageToken({ position: next, floor }, question),
        source: ListSource.PROJECTION,
        ...staleness(lagMs),
      };
    } catch (error) {
      if (!(error instanceof DatabaseError) && !(error instanceof RowTampered)) throw error;
      // The groups hold the truth; whatever is wrong with the store, the caller gets an answer.
      projected.watch.failed(error);
      return undefined;
    }
  };

  const fromGroups = async (asked: AskedPage): Promise<Page> => {
    const { payments, next, missing, staleMs } = await orders.lists.page(asked);
    return {
      payments: payments.map((read) =>
        paymentToWire(read.stored.payment, {
          traceId: traceIdOf(read.stored.payment.traceparent),
          fromReplica: read.fromReplica,
          staleMs: read.staleMs,
        }),
      ),
      nextPageToken: next === undefined ? '' : writePageToken({ position: next, floor: asked.floor }, asked.question),
      missingGroupTags: [...missing],
      incomplete: missing.length > 0,
      source: ListSource.GROUPS,
      ...staleness(staleMs),
    };
  };

  return async (asked, fresh) => {
    const page = (fresh ? undefined : await fromStore(asked)) ?? (await fromGroups(asked));
    const source = page.source === ListSource.PROJECTION ? 'projection' : 'groups';
    pages.add({ source, incomplete: String(page.incomplete === true) });
    return page;
  };
};
