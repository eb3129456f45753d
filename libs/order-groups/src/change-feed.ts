import type { Clock } from '@tillmesh/clock';
import { type GroupTag, type OrderKey, type OrderNo, toOrderKey } from '@tillmesh/domain';
import type { Log } from '@tillmesh/telemetry';
import { big, optionalText, optionalWhole, orderNoOf, whole } from './columns.ts';
import {
  bigintParameter,
  type Connection,
  type Deadline,
  type Parameter,
  type Row,
  type Statement,
} from './connection.ts';
import type { ReadFrom } from './group-client.ts';
import type { GroupClients } from './group-clients.ts';
import {
  RANGES_IN_STATEMENT,
  SELECT_KEYS_AFTER,
  SELECT_LAST_KEY,
  STREAMS,
  type StreamName,
} from './list-statements.ts';
import { SELECT_PAYMENT } from './order-statements.ts';
import type { RowCodec } from './payment-rows.ts';
import { readPayments } from './read-payments.ts';
import { SELECT_REFUNDS_OF_ORDER } from './refund-statements.ts';
import type { RowTampered } from './row-seal.ts';
import type { StoredPayment, StoredRefund } from './stored-payment.ts';

/** What a line of the outbox says of the change itself. */
export type ChangeLine = {
  /** Such as `payment_moved` or `refund_moved`. */
  readonly event: string;
  /** Of the payment, or of the refund where one is named, after the change. */
  readonly state: string;
  readonly version: number;
  readonly refundNo: OrderNo | undefined;
};

/** A row of a group's outbox: this payment is at this version, or beyond. */
export type Change = {
  /** Its place in the stream. Ids become visible in the order of commits, which is not quite theirs. */
  readonly id: bigint;
  readonly key: OrderKey;
  /** 0 where the row does not tell. */
  readonly version: number;
  /** Ms since 1970; undefined for a new order, whose own row tells. */
  readonly happenedAtMs: number | undefined;
  /** Undefined for a new order. */
  readonly line: ChangeLine | undefined;
};

/** Ids of a stream, both ends included. */
export type IdRange = { readonly from: bigint; readonly to: bigint };

/** A run of payments. */
export type PaymentRun = {
  readonly payments: readonly StoredPayment[];
  /** The last key that was looked at; undefined where there was none. */
  readonly lastKey: bigint | undefined;
  /** Nothing is behind it. */
  readonly isEnd: boolean;
};

export type PaymentWithRefunds = { readonly stored: StoredPayment; readonly refunds: readonly StoredRefund[] };

/** What has changed in each group, in order, for whoever keeps something that follows the groups. */
export type ChangeFeed = {
  /** The groups that are not retired. */
  tags(): readonly GroupTag[];
  /** What a stream shows behind an id, at the primary; at a replica while it is away. */
  after(tag: GroupTag, stream: StreamName, id: bigint, limit: number): Promise<ReadFrom<readonly Change[]>>;
  /** What a stream shows within ranges by now; at most RANGES_IN_STATEMENT of them. */
  within(tag: GroupTag, stream: StreamName, ranges: readonly IdRange[]): Promise<readonly Change[]>;
  /** The latest id that a stream shows; 0 for none. */
  last(tag: GroupTag, stream: StreamName): Promise<bigint>;
  /** Payments as they are now, at a replica (`nearby`) or at the primary. One that was tampered with is told and left out. */
  payments(
    tag: GroupTag,
    keys: readonly OrderKey[],
    way: 'nearby' | 'primary',
  ): Promise<ReadonlyMap<bigint, StoredPayment>>;
  /** One payment with its refunds as they are now, at a replica (`nearby`) or at the primary. @throws {RowTampered} */
  paymentWithRefunds(
    tag: GroupTag,
    orderNo: OrderNo,
    way: 'nearby' | 'primary',
  ): Promise<PaymentWithRefunds | undefined>;
  /** All payments in the order of their keys, at the primary alone: it has every one that is acknowledged. */
  paymentsAfter(tag: GroupTag, key: bigint, limit: number): Promise<PaymentRun>;
  /** The latest key of a group; 0 for none. */
  lastKey(tag: GroupTag): Promise<bigint>;
};

export const CHANGES_READ_MAX = 1_000;
export const RANGES_READ_MAX = RANGES_IN_STATEMENT;

const lineOf = (row: Row): ChangeLine | undefined => {
  const event = optionalText(row, 'event');
  if (event === undefined) return undefined;
  const refundNo = optionalText(row, 'refund_no') === undefined ? undefined : orderNoOf(row, 'refund_no');
  return { event, state: optionalText(row, 'state') ?? '', version: whole(row, 'line_version'), refundNo };
};

const changeOf = (row: Row): Change => ({
  id: big(row, 'id'),
  key: big(row, 'order_no') as OrderKey,
  version: whole(row, 'version'),
  happenedAtMs: optionalWhole(row, 'happened_at'),
  line: lineOf(row),
});

const orZero = (row: Row | undefined, column: string): bigint => BigInt(optionalText(row, column) ?? '0');

/** Creates the feed over the groups. */
export const createChangeFeed = (options: {
  readonly groups: GroupClients;
  readonly rows: RowCodec;
  readonly statementMsMax: number;
  readonly clock: Clock;
  readonly log: Log;
}): ChangeFeed => {
  const { groups, rows, statementMsMax, clock, log } = options;
  // One row that somebody changed by hand must not keep the others from being followed.
  const onTampered = (error: RowTampered): void =>
    log.error({ err: error }, 'a payment was tampered with; lists do not follow it');
  const deadlineNow = (): Deadline => ({ atMs: clock.monotonicMs() + statementMsMax });
  const ask = async (tag: GroupTag, statement: Statement, parameters: readonly Parameter[]) => {
    const deadline = deadlineNow();
    return groups.of(tag).read(deadline, (connection, until) => connection.run(statement, parameters, until));
  };

  return {
    tags: () => groups.all().map(({ tag }) => tag),
    after: async (tag, stream, id, limit) => {
      const limited = BigInt(Math.min(limit, CHANGES_READ_MAX));
      const answer = await ask(tag, STREAMS[stream].after, [bigintParameter(id), bigintParameter(limited)]);
      return { ...answer, value: answer.value.rows.map(changeOf) };
    },
    within: async (tag, stream, ranges) => {
      // Filled up with a range that holds nothing: ids begin with 1.
      const parameters = Array.from({ length: RANGES_IN_STATEMENT }, (_, place) => ranges[place])
        .flatMap((range) => [range?.from ?? 0n, range?.to ?? 0n])
        .map(bigintParameter);
      const { value } = await ask(tag, STREAMS[stream].within, [
        ...parameters,
        bigintParameter(BigInt(CHANGES_READ_MAX)),
      ]);
      return value.rows.map(changeOf);
    },
    last: async (tag, stream) => orZero((await ask(tag, STREAMS[stream].last, [])).value.rows[0], 'id'),
    payments: async (tag, keys, way) => {
      const deadline = deadlineNow();
      const client = groups.of(tag);
      const work = readPayments(rows, keys, onTampered);
      return way === 'nearby' ? (await client.readNearby(deadline, work)).value : client.write(deadline, work);
    },
    paymentWithRefunds: async (tag, orderNo, way) => {
      const deadline = deadlineNow();
      const client = groups.of(tag);
      const work = async (connection: Connection, until: Deadline): Promise<PaymentWithRefunds | undefined> => {
        const key = [bigintParameter(toOrderKey(orderNo))];
        const refunds = (await connection.run(SELECT_REFUNDS_OF_ORDER, key, until)).rows;
        const stored = rows.readPayment((await connection.run(SELECT_PAYMENT, key, until)).rows);
        return stored && { stored, refunds: refunds.flatMap((row) => rows.readRefund([row]) ?? []) };
      };
      return way === 'nearby' ? (await client.readNearby(deadline, work)).value : client.write(deadline, work);
    },
    paymentsAfter: async (tag, key, limit) => {
      const deadline = deadlineNow();
      // `write` is the way to the primary and nowhere else.
      return groups.of(tag).write(deadline, async (connection) => {
        const answer = await connection.run(
          SELECT_KEYS_AFTER,
          [bigintParameter(key), bigintParameter(BigInt(limit))],
          deadline,
        );
        const keys = answer.rows.map((row) => big(row, 'order_no') as OrderKey);
        const found = await readPayments(rows, keys, onTampered)(connection, deadline);
        return { payments: [...found.values()], lastKey: keys.at(-1), isEnd: keys.length < limit };
      });
    },
    lastKey: async (tag) => orZero((await ask(tag, SELECT_LAST_KEY, [])).value.rows[0], 'order_no'),
  };
};
