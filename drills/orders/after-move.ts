import type { Clock } from '@tillmesh/clock';
import { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient } from '@tillmesh/rpc';
import { createOrderTill, type OrderSample } from './order-till.ts';

/** What became of orders whose group is gone. All but `read`, `repeated`, `paid` and `refunded` are lists of what is wrong. */
export type AfterMove = {
  readonly read: number;
  readonly repeated: number;
  readonly paid: number;
  readonly refunded: number;
  readonly wrong: readonly string[];
};

const CALL_MS_MAX = 3_000;
const AT_ONCE = 8;
const CHECK_AFTER_SECONDS = 3_600n;
const REFUND_UNITS = 1n;

/** Reads every one of these orders by its number, sends it again under its merchant's number, pays it where it is not paid, and refunds it. */
export const useMovedOrders = async (
  target: string,
  samples: readonly OrderSample[],
  { clock, token }: { readonly clock: Clock; readonly token: string },
): Promise<AfterMove> => {
  const store = createClient(OrderStoreService, { target, caller: 'cashier', capMs: CALL_MS_MAX, clock });
  const till = createOrderTill({ target, clock, beganMs: clock.monotonicMs() });
  const counts = { read: 0, repeated: 0, paid: 0, refunded: 0 };
  const wrong: string[] = [];

  const use = async (sample: OrderSample): Promise<void> => {
    const orderNo = sample.orderNo ?? '';
    const read = await till.read(orderNo);
    if (read?.orderNo !== orderNo || read.amount?.minorUnits !== sample.minorUnits) throw new Error('reads otherwise');
    counts.read += 1;
    const again = { ...sample, errors: [], grants: [], orderNo: undefined, isPaid: false };
    if ((await till.send(again, token)) !== 'answered') throw new Error(`repeated: ${again.errors.join(', ')}`);
    if (again.orderNo !== orderNo || again.grants.length > 0) throw new Error('repeated: it is another order');
    counts.repeated += 1;
    if (read.state === PaymentState.PAYING) {
      // The till that was granted it brings the channel's answer now.
      await till.pay(sample, () => 0);
      if (!sample.isPaid) throw new Error(`paid: ${sample.errors.at(-1)}`);
      counts.paid += 1;
    }
    const { refund, created } = await store.createRefund({
      orderNo,
      merchantRefundNo: `R-${token}`,
      amount: { currency: 'CNY', minorUnits: REFUND_UNITS },
      reason: 'a drill',
      firstCheckAfter: { seconds: CHECK_AFTER_SECONDS, nanos: 0 },
    });
    if (!created || refund?.orderNo !== orderNo) throw new Error('refunded: nothing was created');
    counts.refunded += 1;
  };

  const queue = samples.filter(({ orderNo }) => orderNo !== undefined);
  const worker = async (): Promise<void> => {
    for (let sample = queue.pop(); sample !== undefined; sample = queue.pop()) {
      try {
        await use(sample);
      } catch (error) {
        wrong.push(`${sample.orderNo}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  till.close();
  store.close();
  return { ...counts, wrong };
};
