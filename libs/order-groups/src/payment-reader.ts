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
import type { ReadFrom } from './group-client.ts';
import type { GroupClients } from './group-clients.ts';
import { earlierPlacementsOf, placementOf } from './group-map.ts';
import type { GroupMaps } from './group-maps.ts';
import { SELECT_PAYMENT, SELECT_PAYMENT_OF_MERCHANT } from './order-statements.ts';
import type { RowCodec } from './payment-rows.ts';
import type { StoredPayment } from './stored-payment.ts';

/** A payment with where it was read: `staleMs` is how old it may be, 0 from a primary, undefined where nobody knows. */
export type ReadPayment = Omit<ReadFrom<never>, 'value'> & { readonly stored: StoredPayment };

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
export const selectPayment = (rows: RowCodec, orderNo: OrderNo, deadline: Deadline) => async (connection: Connection) =>
  rows.readPayment((await connection.run(SELECT_PAYMENT, [bigintParameter(toOrderKey(orderNo))], deadline)).rows);

const isShown = (state: PaymentState): boolean => state !== 'void' && state !== 'unbound';

/** Creates the reader over the groups. */
export const createPaymentReader = (options: {
  readonly maps: GroupMaps;
  readonly groups: GroupClients;
  readonly rows: RowCodec;
  readonly statementMsMax: number;
  readonly clock: Clock;
}): PaymentReader => {
  const { maps, groups, rows, statementMsMax, clock } = options;
  const within = (): Deadline => ({ atMs: clock.monotonicMs() + statementMsMax });

  const found = ({ value, ...from }: ReadFrom<StoredPayment | undefined>): ReadPayment | undefined =>
    value === undefined ? undefined : { stored: value, ...from };

  const read = async (orderNo: OrderNo, way: 'read' | 'readNearby'): Promise<ReadPayment | undefined> => {
    const client = groups.find(groupTagOf(orderNo));
    if (client === undefined) return undefined;
    const deadline = within();
    return found(await client[way](deadline, selectPayment(rows, orderNo, deadline)));
  };

  return {
    read: (orderNo) => read(orderNo, 'read'),
    readNearby: (orderNo) => read(orderNo, 'readNearby'),
    readOfMerchant: async (merchantId, merchantOrderNo, nearby) => {
      const way = nearby ? 'readNearby' : 'read';
      const view = maps.current();
      const deadline = within();
      const select = async (connection: Connection) =>
        rows.readPayment(
          (await connection.run(SELECT_PAYMENT_OF_MERCHANT, [merchantId, merchantOrderNo], deadline)).rows,
        );
      const ask = async (tag: GroupTag): Promise<ReadPayment | undefined> =>
        fromHolder(tag, found(await groups.of(tag)[way](deadline, select)));
      /** What another group's orders have sent ahead here says nothing: that group answers for them until they have moved. */
      const fromHolder = (
        tag: GroupTag,
        of: ReadPayment | undefined,
      ): Promise<ReadPayment | undefined> | ReadPayment | undefined => {
        const orderNo = of?.stored.payment.orderNo;
        return orderNo === undefined || groups.find(groupTagOf(orderNo)) === groups.find(tag) ? of : read(orderNo, way);
      };

      const places = [
        placementOf(view.map, merchantId, merchantOrderNo),
        ...earlierPlacementsOf(view, { merchantId, merchantOrderNo }),
      ];
      const tags = new Set(places.flatMap(({ home, buddy }) => (buddy === undefined ? [home] : [home, buddy])));
      const answers = await Promise.allSettled([...tags].map(ask));
      const seen = answers.flatMap((answer) => (answer.status === 'fulfilled' ? (answer.value ?? []) : []));
      // A jumped order is shown only once it is bound; then the one at home, should there be one, lost.
      const shown = seen.filter(({ stored }) => isShown(stored.payment.state));
      const [first] = shown.sort(
        (a, b) => Number(b.stored.jumpedFrom !== undefined) - Number(a.stored.jumpedFrom !== undefined),
      );
      if (first !== undefined) return first;
      const pointer = seen.find(({ stored }) => stored.jumpedTo !== undefined)?.stored.jumpedTo;
      if (pointer !== undefined) return read(pointer, way);
      const failed = answers.find((answer) => answer.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      return undefined;
    },
  };
};
