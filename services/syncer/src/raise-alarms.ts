import type { Alarms } from '@tillmesh/alarms';
import type { CheckItem } from '@tillmesh/delay-queue';
import { type Refund, RefundCause } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';

/** Money that came for nothing and goes back: after the end of its payment, or for a second order of one merchant number. */
export type Surplus = 'surplus_money' | 'second_order';

/** Refunds that give a second order back are named so by the order store. */
const SECOND_ORDER_PREFIX = 'second-of-';

/** Why a refund is not a merchant's; undefined for a merchant's. */
export const surplusOf = ({
  cause,
  merchantRefundNo,
}: Pick<Refund, 'cause' | 'merchantRefundNo'>): Surplus | undefined => {
  if (cause !== RefundCause.SURPLUS) return undefined;
  return merchantRefundNo.startsWith(SECOND_ORDER_PREFIX) ? 'second_order' : 'surplus_money';
};

/**
 * What a check of one item has to tell people. Raised at every check while it lasts, so that a process that was started anew raises it
 * again, and ended by the check that finds the item at its end.
 *
 * @param needsPerson why a person has to see to it; empty while nobody has to.
 */
export const raiseAlarms = (
  alarms: Pick<Alarms, 'raise' | 'end'>,
  item: CheckItem,
  {
    settled,
    needsPerson,
    surplus,
  }: {
    readonly settled: boolean;
    readonly needsPerson: string;
    readonly surplus: Surplus | undefined;
  },
): void => {
  const labels = item.kind === 'payment' ? { order_no: item.number } : { refund_no: item.number };
  const unfinished = { name: `${item.kind}_unfinished`, labels };
  if (settled) alarms.end(unfinished);
  else if (needsPerson !== '') alarms.raise({ ...unfinished, severity: 'urgent', summary: needsPerson });
  if (surplus === undefined) return;
  if (settled) alarms.end({ name: surplus, labels });
  else {
    alarms.raise({
      name: surplus,
      labels,
      severity: surplus === 'second_order' ? 'urgent' : 'watch',
      summary:
        surplus === 'second_order'
          ? 'two orders of one merchant number were paid; the second is being given back'
          : 'money came after its payment had ended; it is being given back',
    });
  }
};
