import { groupTagOf, type Payment, type Refund } from '@tillmesh/domain';
import type { ChangeFeed, PaymentWithRefunds } from '@tillmesh/order-groups';
import type { EventFacts } from './event-store.ts';

/** The rows of an event as they are now. */
export type EventRows = {
  readonly payment: Payment;
  /** Undefined for events of payments. */
  readonly refund: { readonly refund: Refund; readonly needsPerson: string } | undefined;
};

const rowsOf = (
  read: PaymentWithRefunds | undefined,
  { number, orderNo, version }: Pick<EventFacts, 'number' | 'orderNo' | 'version'>,
): EventRows | undefined => {
  if (read === undefined) return undefined;
  const { payment } = read.stored;
  if (number === orderNo) return payment.version >= version ? { payment, refund: undefined } : undefined;
  const refund = read.refunds.find((each) => each.refund.refundNo === number);
  return refund !== undefined && refund.refund.version >= version ? { payment, refund } : undefined;
};

/**
 * Reads what an event is told with: at a replica and, where that one does not show the event yet, at the primary. Undefined where the
 * primary does not have it either.
 *
 * @throws {DatabaseError} the group is away; {RowTampered}
 */
export const readEventRows = async (
  changes: Pick<ChangeFeed, 'paymentWithRefunds'>,
  event: EventFacts,
): Promise<EventRows | undefined> => {
  const tag = groupTagOf(event.orderNo);
  return (
    rowsOf(await changes.paymentWithRefunds(tag, event.orderNo, 'nearby'), event) ??
    rowsOf(await changes.paymentWithRefunds(tag, event.orderNo, 'primary'), event)
  );
};
