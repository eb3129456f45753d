import type { Movement, OrderSum } from './ledger.ts';

/** A channel's order number of the mesh: 25 digits of the payment and one of the attempt. */
const MESH_ORDER_NO = /^[0-9]{26}$/;

/** What stands for one payment: all attempts of one order number, or the order number itself where it is not ours. */
export const paymentOf = (outTradeNo: string): string =>
  MESH_ORDER_NO.test(outTradeNo) ? outTradeNo.slice(0, 25) : outTradeNo;

/** An order as the control API shows it; amounts are whole fen. */
export const shownSum = (sum: OrderSum) => ({
  channel: sum.channel,
  account: sum.accountId,
  merchantId: sum.merchantId,
  outTradeNo: sum.outTradeNo,
  charges: sum.charges,
  chargedFen: Number(sum.charged),
  returnedFen: Number(sum.returned),
  netFen: Number(sum.net),
});

/** A movement as the control API shows it. */
export const shownMovement = ({ amount, accountId, ...movement }: Movement) => ({
  ...movement,
  account: accountId,
  amountFen: Number(amount),
  at: new Date(movement.atMs).toISOString(),
});

const OFFENDERS_SHOWN_MAX = 100;

/**
 * Adds up the orders whose number begins with a prefix. `chargedTwice` names the payments of which two orders have kept
 * money, or of which one order was charged more than once: there must be none.
 */
export const checkLedger = (sums: Iterable<OrderSum>, prefix: string) => {
  const payments = new Map<string, { keeping: number; charges: number; orders: OrderSum[] }>();
  let orders = 0;
  let charges = 0;
  let net = 0n;
  for (const sum of sums) {
    if (!sum.outTradeNo.startsWith(prefix)) continue;
    const key = paymentOf(sum.outTradeNo);
    const payment = payments.get(key) ?? { keeping: 0, charges: 0, orders: [] };
    payment.orders.push(sum);
    payment.keeping += sum.net > 0n ? 1 : 0;
    payments.set(key, payment);
    orders += 1;
    charges += sum.charges;
    net += sum.net;
  }
  const twice = [...payments].filter(
    ([, payment]) => payment.keeping > 1 || payment.orders.some((order) => order.charges > 1),
  );
  return {
    payments: payments.size,
    paymentsKept: [...payments.values()].filter((payment) => payment.keeping > 0).length,
    orders,
    charges,
    netFen: Number(net),
    chargedTwice: twice.length,
    chargedTwiceShown: twice.slice(0, OFFENDERS_SHOWN_MAX).map(([payment, { orders: of }]) => ({
      payment,
      orders: of.map(shownSum),
    })),
  };
};
