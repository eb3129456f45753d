import type { MerchantRefundNo, OrderNo } from '@tillmesh/domain';
import type { RefundStore } from './refund-store.ts';

/**
 * Writes the refund of a paid order whose merchant number stands for another paid order. Any number of times it is one refund; the
 * syncer finds it due at once and has the channel give the money back, as with every refund.
 *
 * @returns false where it cannot be written: a person has to look.
 */
export type GiveBack = (second: OrderNo, kept: OrderNo) => Promise<boolean>;

/** The refund's number of the merchant's kind: the same however often the two orders are met. */
export const secondOrderRefundNo = (kept: OrderNo): MerchantRefundNo => `second-of-${kept}` as MerchantRefundNo;

/** Creates the refunds of second orders over the store of all refunds. */
export const createGiveBack =
  (refunds: Pick<RefundStore, 'create'>): GiveBack =>
  async (second, kept) => {
    const created = await refunds.create({
      orderNo: second,
      merchantRefundNo: secondOrderRefundNo(kept),
      // What the merchant has given back already does not go back twice.
      amount: undefined,
      cause: 'surplus',
      reason: `order ${kept} has the same merchant order number and was paid as well`,
      firstCheckAfterMs: 0,
      source: 'sweep',
    });
    switch (created.kind) {
      case 'created':
        return true;
      case 'existing':
        // A merchant's refund under this number would be somebody's joke, but not ours.
        return created.stored.refund.cause === 'surplus';
      case 'exceeds':
        return created.refundable.minorUnits === 0n;
      case 'payment_unknown':
      case 'not_paid':
      case 'other_currency':
        return false;
    }
  };
