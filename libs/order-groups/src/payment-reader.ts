import type { Clock } from '@tillmesh/clock';
import {
  type GroupTag,
  groupTagOf,
  type MerchantId,
  type MerchantOrderNo,
  type OrderNo,
  type PaymentState,
  toOrderKey,
} from '@tillmesh/domain';
import { bigintParameter, type Connection, type Deadline } from './connection.ts';
import type { GroupClients } from './group-clients.ts';
import { type GroupMap, placementOf } from './group-map.ts';
import { SELECT_PAYMENT, SELECT_PAYMENT_OF_MERCHANT } from './order-statements.ts';
import { paymentOfRows, type StoredPayment } from './payment-rows.ts';

export type ReadPayment = { readonly stored: StoredPayment; readonly fromReplica: boolean };

/** Reading payments. */
export type PaymentReader = {
  /** From the primary; from a replica while it is away. */
  read(orderNo: OrderNo): Promise<ReadPayment | undefined>;
  /** From a replica where one answers. */
  readNearby(orderNo: OrderNo): Promise<ReadPayment | undefined>;
  /** The order that a merchant's number stands for, at its home or, where a jump took the number, at its buddy. */
  readOfMerchant(
    merchantId: MerchantId,
    merchantOrderNo: MerchantOrderNo,
    nearby: boolean,
  ): Promise<ReadPayment | undefined>;
};

/** Reads a payment with its attempts on a connection. */
export const selectPayment = (orderNo: OrderNo, deadline: Deadline) => async (connection: Connection) =>
  paymentOfRows((await connection.run(SELECT_PAYMENT, [bigintParameter(toOrderKey(orderNo))], deadline)).rows);

const selectOfMerchant =
  (merchantId: MerchantId, merchantOrderNo: MerchantOrderNo, deadline: Deadline) => async (connection: Connection) =>
    paymentOfRows((await connection.run(SELECT_PAYMENT_OF_MERCHANT, [merchantId, merchantOrderNo], deadline)).rows);

const isShown = (state: PaymentState): boolean => state !== 'void' && state !== 'unbound';

/** Creates the reader over the groups. */
export const createPaymentReader = (options: {
  readonly map: GroupMap;
  readonly groups: GroupClients;
  readonly statementMsMax: number;
  readonly clock: Clock;
}): PaymentReader => {
  const { map, groups, statementMsMax, clock } = options;
  const within = (): Deadline => ({ atMs: clock.monotonicMs() + statementMsMax });

  const read = async (orderNo: OrderNo, way: 'read' | 'readNearby'): Promise<ReadPayment | undefined> => {
    const client = groups.find(groupTagOf(orderNo));
    if (client === undefined) return undefined;
    const deadline = within();
    const { value, fromReplica } = await client[way](deadline, selectPayment(orderNo, deadline));
    return value === undefined ? undefined : { stored: value, fromReplica };
  };

  return {
    read: (orderNo) => read(orderNo, 'read'),
    readNearby: (orderNo) => read(orderNo, 'readNearby'),
    readOfMerchant: async (merchantId, merchantOrderNo, nearby) => {
      const way = nearby ? 'readNearby' : 'read';
      const { home, buddy } = placementOf(map, merchantId, merchantOrderNo);
      const deadline = within();
      const ask = async (tag: GroupTag): Promise<ReadPayment | undefined> => {
        const select = selectOfMerchant(merchantId, merchantOrderNo, deadline);
        const { value, fromReplica } = await groups.of(tag)[way](deadline, select);
        return value === undefined || !isShown(value.payment.state) ? undefined : { stored: value, fromReplica };
      };
      const [atHome, atBuddy] = await Promise.allSettled([ask(home), buddy === undefined ? undefined : ask(buddy)]);
      // A jumped order at the buddy is shown only once it is bound; then the one at home, should there be one, lost.
      if (atBuddy.status === 'fulfilled' && atBuddy.value !== undefined) return atBuddy.value;
      if (atHome.status === 'fulfilled' && atHome.value !== undefined) return atHome.value;
      const failed = [atHome, atBuddy].find((answer) => answer.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      return undefined;
    },
  };
};
