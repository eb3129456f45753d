import type { Payment } from '@tillmesh/domain';
import { differingField, type NewPayment, type OrderGroups, paymentAsWritten } from '@tillmesh/order-groups';
import { rpcErrors } from '@tillmesh/rpc';

/** Long enough for a group to be noticed and avoided, short enough for a till that waits. */
const REPEAT_AFTER_MS = 500;

export type OrderCreated = { readonly payment: Payment; readonly created: boolean; readonly bounced: boolean };

/**
 * Writes an order, or finds the one that its merchant number stands for.
 *
 * @throws {RpcError} MERCHANT_ORDER_NO_REUSED, naming the field, where the number was used for another request.
 * @throws {RpcError} REPEAT_SAME_NUMBER where it cannot be decided now.
 */
export const createOrder = async (orders: OrderGroups, payment: NewPayment): Promise<OrderCreated> => {
  const created = await orders.create(payment);
  switch (created.kind) {
    case 'repeat':
      throw rpcErrors.repeatSameNumber(
        `whether this number is in use cannot be decided now (${created.why}); nothing was taken. Send the same number again`,
        { retryAfterMs: REPEAT_AFTER_MS, metadata: { why: created.why } },
      );
    case 'existing': {
      const field = differingField(payment, created.stored.payment);
      const found = created.stored.payment;
      if (field === undefined) return { payment: found, created: false, bounced: false };
      const { orderNo } = found;
      throw rpcErrors.merchantOrderNoReused(
        `this merchant order number stands for order ${orderNo}, whose ${field} is another; use a new number`,
        { metadata: { field, order_no: orderNo } },
      );
    }
    case 'payable': {
      const { orderNo, way } = created;
      const bounced = way === 'jump';
      if (way !== 'repeat') {
        return { payment: paymentAsWritten(orderNo, payment, bounced ? 2 : 1), created: true, bounced };
      }
      const read = await orders.payments.read(orderNo);
      if (read === undefined) throw rpcErrors.internal('an order that was just written cannot be read');
      return { payment: read.stored.payment, created: true, bounced };
    }
  }
};
