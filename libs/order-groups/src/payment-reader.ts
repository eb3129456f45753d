import type { Clock } from '@tillmesh/clock';
import {
  type GroupTag,
  groupTagOf,
  isVisible,
  type MerchantId,
  type MerchantOrderNo,
  type OrderNo,
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
import { READ_ORDER, type ReadAt, readAt, readFound } from './sure-read.ts';
import { selectTrajectory, type Trajectory } from './trajectory.ts';

/** A payment with where it was read: `staleMs` is how old it may be, 0 from a primary, undefined where nobody knows. */
export type ReadPayment = Omit<ReadFrom<never>, 'value'> & { readonly stored: StoredPayment };

/** The same of a payment's whole story. */
export type ReadTrajectory = Omit<ReadFrom<never>, 'value'> & { readonly trajectory: Trajectory };

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
  /** A payment with everything that happened to it, from a replica where one answers. */
  readTrajectory(orderNo: OrderNo): Promise<ReadTrajectory | undefined>;
};

/** Reads a payment with its attempts on a connection. */
export const selectPayment = (rows: RowCodec, orderNo: OrderNo) => async (connection: Connection, deadline: Deadline) =>
  rows.readPayment((await connection.run(SELECT_PAYMENT, [bigintParameter(toOrderKey(orderNo))], deadline)).rows);

const isShown = ({ payment: { state } }: StoredPayment): boolean => isVisible(state);

/** A jumped order is shown only once it is bound; then the one at home, should there be one, lost. */
const jumpedFirst = (a: ReadPayment, b: ReadPayment): number =>
  Number(b.stored.jumpedFrom !== undefined) - Number(a.stored.jumpedFrom !== undefined);

const isFromReplica = (answer: PromiseSettledResult<{ readonly fromReplica: boolean }> | undefined): boolean =>
  answer?.status === 'fulfilled' && answer.value.fromReplica;

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
    return found(await readFound(client, way, deadline, selectPayment(rows, orderNo)));
  };

  return {
    read: (orderNo) => read(orderNo, 'read'),
    readNearby: (orderNo) => read(orderNo, 'readNearby'),
    readTrajectory: async (orderNo) => {
      const client = groups.find(groupTagOf(orderNo));
      if (client === undefined) return undefined;
      const { value, ...from } = await readFound(client, 'readNearby', within(), selectTrajectory(rows, orderNo));
      return value === undefined ? undefined : { trajectory: value, ...from };
    },
    readOfMerchant: async (merchantId, merchantOrderNo, nearby) => {
      const way = nearby ? 'readNearby' : 'read';
      const view = maps.current();
      const deadline = within();
      const select = async (connection: Connection, until: Deadline) =>
        rows.readPayment((await connection.run(SELECT_PAYMENT_OF_MERCHANT, [merchantId, merchantOrderNo], until)).rows);
      const ask = async (tag: GroupTag, at: ReadAt): Promise<ReadFrom<StoredPayment | undefined>> => {
        const answer = await readAt(groups.of(tag), at, deadline, select, isShown);
        const orderNo = answer.value?.payment.orderNo;
        if (orderNo === undefined || groups.find(groupTagOf(orderNo)) === groups.find(tag)) return answer;
        // What another group's orders have sent ahead here says nothing: that group answers for them until they have moved.
        const held = await read(orderNo, way);
        return held === undefined ? { ...answer, value: undefined } : { ...held, value: held.stored };
      };

      const places = [
        placementOf(view.map, merchantId, merchantOrderNo),
        ...earlierPlacementsOf(view, { merchantId, merchantOrderNo }),
      ];
      let unsure = [...new Set(places.flatMap(({ home, buddy }) => (buddy === undefined ? [home] : [home, buddy])))];
      let failed: PromiseRejectedResult | undefined;
      const pointers: OrderNo[] = [];
      for (const at of READ_ORDER[way]) {
        const answers = await Promise.allSettled(unsure.map((tag) => ask(tag, at)));
        const seen = answers.flatMap((answer) => (answer.status === 'fulfilled' ? (found(answer.value) ?? []) : []));
        const first = seen.filter(({ stored }) => isShown(stored)).sort(jumpedFirst)[0];
        if (first !== undefined) return first;
        pointers.push(...seen.flatMap(({ stored }) => stored.jumpedTo ?? []));
        // Nothing at a primary is nothing; nothing at a replica may be on its way there.
        unsure = unsure.filter((_, place) => answers[place]?.status === 'rejected' || isFromReplica(answers[place]));
        failed = answers.find((answer) => answer.status === 'rejected');
        if (unsure.length === 0) break;
      }
      const [pointer] = pointers;
      if (pointer !== undefined) return read(pointer, way);
      if (failed !== undefined) throw failed.reason;
      return undefined;
    },
  };
};
