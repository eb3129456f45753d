import { DatabaseError } from './database-error.ts';
import type { Applied, AttemptNews, PaymentStore } from './payment-store.ts';
import type { PendingEvents } from './pending-events.ts';
import type { ChannelRefundNews, RefundStore } from './refund-store.ts';

/** Failures after which the row may still be as it was: whoever comes later finds out. */
const isAway = (error: unknown): error is DatabaseError =>
  error instanceof DatabaseError && !error.isRefusal && error.code !== 'TILLMESH_VERSION_CONFLICT';

/**
 * A channel's answer must not be lost because its order's group is away: it is written to another group and applied when its own is
 * back. What was applied without an answer is applied once more then, which changes nothing.
 */
export const keepPaymentNews = (
  payments: Pick<PaymentStore, 'apply' | 'read'>,
  pending: PendingEvents,
): PaymentStore['apply'] => {
  const keep = async (
    orderNo: Parameters<PaymentStore['apply']>[0],
    news: AttemptNews,
  ): Promise<Applied | undefined> => {
    // Who would call the channel for the next attempt is gone by the time this is applied.
    const later: AttemptNews = { ...news, nextAttempt: undefined };
    if (!(await pending.keep({ kind: 'attempt', number: orderNo, news: later }))) return undefined;
    const stored = (await payments.read(orderNo).catch(() => undefined))?.stored;
    return stored === undefined
      ? undefined
      : { stored, changed: false, nextAttemptStarted: false, surplusRefundNo: undefined, kept: true };
  };
  return async (orderNo, news) => {
    try {
      return await payments.apply(orderNo, news);
    } catch (error) {
      const kept = isAway(error) ? await keep(orderNo, news) : undefined;
      if (kept === undefined) throw error;
      return kept;
    }
  };
};

/** The same for a refund's news. */
export const keepRefundNews = (
  refunds: Pick<RefundStore, 'apply' | 'read'>,
  pending: PendingEvents,
): RefundStore['apply'] => {
  const keep = async (refundNo: Parameters<RefundStore['apply']>[0], news: ChannelRefundNews) => {
    if (!(await pending.keep({ kind: 'refund', number: refundNo, news }))) return undefined;
    const stored = await refunds.read(refundNo).catch(() => undefined);
    return stored === undefined ? undefined : { stored, changed: false, kept: true };
  };
  return async (refundNo, news) => {
    try {
      return await refunds.apply(refundNo, news);
    } catch (error) {
      const kept = isAway(error) ? await keep(refundNo, news) : undefined;
      if (kept === undefined) throw error;
      return kept;
    }
  };
};
