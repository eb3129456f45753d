import type { Clock } from '@tillmesh/clock';
import { type GroupTag, type OrderNo, toOrderKey } from '@tillmesh/domain';
import { claimOf, merchantOrderOf } from './claim-reader.ts';
import * as claims from './claim-statements.ts';
import { optionalText, optionalWhole, whole } from './columns.ts';
import { bigintParameter, type Connection, type Deadline, type Parameter, type Statement } from './connection.ts';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import type { GroupClient, Work } from './group-client.ts';
import { SELECT_EPOCH } from './group-statements.ts';
import { newPaymentRow, stubRow } from './new-payment-row.ts';
import type { CasResult, Holding, MerchantOrder, NewPayment, OrderGroup, Sure, WriteResult } from './order-group.ts';
import * as sql from './order-statements.ts';
import type { RowCodec } from './payment-rows.ts';
import { createPaymentWriter } from './payment-writer.ts';
import type { StoredPayment } from './stored-payment.ts';
import { transaction } from './transaction.ts';

const key = (orderNo: OrderNo) => bigintParameter(toOrderKey(orderNo));

const UNSURE = { kind: 'unsure' } as const;
const sure = <T>(value: T): Sure<T> => ({ kind: 'sure', value });

const sameClaim = (a: Holding['claim'], b: Holding['claim']): boolean =>
  a?.state === b?.state && a?.orderNo === b?.orderNo;

const sameHolding = (a: Holding, b: Holding): boolean =>
  sameClaim(a.claim, b.claim) &&
  a.mapVersion === b.mapVersion &&
  a.order?.payment.orderNo === b.order?.payment.orderNo &&
  a.order?.payment.version === b.order?.payment.version;

export type SqlOrderGroupOptions = {
  readonly client: GroupClient;
  readonly rows: RowCodec;
  /** New orders that one statement writes at most; 1 writes each by itself. */
  readonly batchRowsMax: number;
  readonly clock: Clock;
};

/** The bounce protocol's view of a real group. */
export const createSqlOrderGroup = (options: SqlOrderGroupOptions): OrderGroup => {
  const { client, rows, clock } = options;
  const writer = createPaymentWriter(options);

  /** A fence that was missed: by a newer map, which the caller has to learn of, or by a group that was not told of the caller's yet. */
  const afterFence = async (connection: Connection, mapVersion: number, deadline: Deadline): Promise<WriteResult> => {
    const { rows: found } = await connection.run(SELECT_EPOCH, [], deadline);
    const admitted = optionalWhole(found[0], 'map_version') ?? 0;
    return admitted > mapVersion ? { kind: 'fenced' } : { kind: 'not_written', cause: OWN_CODES.fenced };
  };

  const failure = (error: unknown): WriteResult => {
    if (!(error instanceof DatabaseError)) throw error;
    if (error.duplicateKey === 'PRIMARY') return { kind: 'number_taken' };
    if (error.duplicateKey !== undefined) return { kind: 'duplicate' };
    return { kind: error.certainty, cause: error.code };
  };

  const cas = async (
    statement: Statement,
    parameters: readonly Parameter[],
    deadline: Deadline,
  ): Promise<CasResult> => {
    try {
      const { affectedRows } = await client.write(
        deadline,
        (connection) => connection.run(statement, parameters, deadline),
        (answer) => answer.affectedRows > 0,
      );
      return affectedRows > 0 ? 'won' : 'lost';
    } catch (error) {
      if (error instanceof DatabaseError) return 'failed';
      throw error;
    }
  };

  const selectOrder =
    ({ merchantId, merchantOrderNo }: MerchantOrder) =>
    async (connection: Connection, deadline: Deadline) =>
      rows.readPayment(
        (await connection.run(sql.SELECT_PAYMENT_OF_MERCHANT, [merchantId, merchantOrderNo], deadline)).rows,
      );

  const selectNumber = (orderNo: OrderNo) => async (connection: Connection, deadline: Deadline) =>
    rows.readPayment((await connection.run(sql.SELECT_PAYMENT, [key(orderNo)], deadline)).rows);

  const selectClaim =
    ({ merchantId, merchantOrderNo }: MerchantOrder) =>
    async (connection: Connection, deadline: Deadline) => {
      const [row] = (await connection.run(claims.selectClaims(1), [merchantId, merchantOrderNo], deadline)).rows;
      return row && claimOf(row);
    };

  const selectHolding =
    ({ merchantId, merchantOrderNo }: MerchantOrder) =>
    async (connection: Connection, deadline: Deadline): Promise<Holding> => {
      const asked = [merchantId, merchantOrderNo, merchantId, merchantOrderNo];
      const { rows: found } = await connection.run(sql.SELECT_HOLDING, asked, deadline);
      const [row] = found;
      return {
        order: rows.readPayment(found),
        claim:
          row === undefined || optionalText(row, 'claim_order_no') === undefined ? undefined : claimOf(row, 'claim_'),
        mapVersion: optionalWhole(row, 'group_map_version') ?? 0,
      };
    };

  /** What the primary says with a confirming write, and with the primary away what a quorum agrees about. */
  const certain = async <T>(
    confirmed: () => Promise<T>,
    quorum: () => Promise<readonly T[] | undefined>,
    same: (a: T, b: T) => boolean,
  ): Promise<Sure<T>> => {
    try {
      return sure(await confirmed());
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
    }
    const seen = await quorum();
    if (seen === undefined) return UNSURE;
    const first = seen[0] as T;
    return seen.every((other) => same(first, other)) ? sure(first) : UNSURE;
  };

  const readPlainly = async (
    deadline: Deadline,
    select: Work<StoredPayment | undefined>,
  ): Promise<StoredPayment | undefined> => {
    try {
      return (await client.read(deadline, select)).value;
    } catch (error) {
      if (error instanceof DatabaseError) return undefined;
      throw error;
    }
  };

  const insertJumped = async (
    connection: Connection,
    orderNo: OrderNo,
    payment: NewPayment,
    home: GroupTag,
    mapVersion: number,
    deadline: Deadline,
  ): Promise<{ readonly commit: boolean; readonly value: WriteResult }> => {
    const nowMs = clock.nowMs();
    const { merchantId, merchantOrderNo } = payment;
    try {
      await connection.run(
        claims.INSERT_CLAIM,
        [merchantId, merchantOrderNo, key(orderNo), home, nowMs, nowMs],
        deadline,
      );
    } catch (error) {
      // The claim's primary key is the merchant's number, not ours.
      if (error instanceof DatabaseError && error.duplicateKey !== undefined) {
        return { commit: false, value: { kind: 'duplicate' } };
      }
      throw error;
    }
    const row = newPaymentRow({ orderNo, payment, state: 'unbound', jumpedFrom: home, mapVersion }, rows);
    try {
      await writer.insertOn(connection, [{ orderNo, row }], deadline);
      return { commit: true, value: { kind: 'written' } };
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== OWN_CODES.fenced) throw error;
      return { commit: false, value: await afterFence(connection, mapVersion, deadline) };
    }
  };

  return {
    tag: client.tag,
    admitsNewOrders: client.admitsNewOrders,
    insertPaying: async (orderNo, payment, mapVersion, deadline) => {
      const row = newPaymentRow({ orderNo, payment, state: 'paying', jumpedFrom: undefined, mapVersion }, rows);
      try {
        await writer.insert({ orderNo, row }, deadline);
        return { kind: 'written' };
      } catch (error) {
        if (!(error instanceof DatabaseError) || error.code !== OWN_CODES.fenced) return failure(error);
        return client
          .write(deadline, (connection) => afterFence(connection, mapVersion, deadline))
          .catch((): WriteResult => ({ kind: 'not_written', cause: OWN_CODES.fenced }));
      }
    },
    insertJumped: async (orderNo, payment, home, mapVersion, deadline) => {
      try {
        return await client.write(
          deadline,
          (connection) =>
            transaction(connection, deadline, () =>
              insertJumped(connection, orderNo, payment, home, mapVersion, deadline),
            ),
          (answer) => answer.kind === 'written',
        );
      } catch (error) {
        return failure(error);
      }
    },
    touch: (orderNo, { source, attempt }, deadline) =>
      cas(sql.TOUCH_PAYMENT, [clock.nowMs(), source, key(orderNo), attempt.token], deadline),
    activate: (orderNo, version, { firstCheckAfterMs, source, attempt }, deadline) => {
      const nowMs = clock.nowMs();
      const values = [nowMs, nowMs + firstCheckAfterMs, source, attempt.token, key(orderNo), version];
      return cas(sql.ACTIVATE_PAYMENT, values, deadline);
    },
    unbind: (orderNo, version, source, deadline) =>
      cas(sql.UNBIND_PAYMENT, [clock.nowMs(), source, key(orderNo), version], deadline),
    voidOrder: (orderNo, source, deadline) => cas(sql.VOID_PAYMENT, [clock.nowMs(), source, key(orderNo)], deadline),
    bindClaim: (orderNo, payment, deadline) => {
      const nowMs = clock.nowMs();
      const { merchantId, merchantOrderNo, firstCheckAfterMs, source, attempt } = payment;
      return cas(
        claims.BIND_CLAIM,
        [
          nowMs,
          nowMs,
          nowMs + firstCheckAfterMs,
          source,
          attempt.token,
          merchantId,
          merchantOrderNo,
          key(orderNo),
          key(orderNo),
        ],
        deadline,
      );
    },
    abandonClaim: ({ merchantId, merchantOrderNo }, deadline) =>
      cas(claims.ABANDON_CLAIM, [clock.nowMs(), merchantId, merchantOrderNo], deadline),
    readClaim: (of, deadline) =>
      certain(
        () => client.readClaimConfirmed(of, deadline),
        () => client.readQuorum(deadline, selectClaim(of)),
        sameClaim,
      ),
    readByQuorum: async (of, deadline) => {
      const seen = await client.readQuorum(deadline, selectOrder(of));
      // One node that shows it is enough: what was acknowledged is on one of any quorum.
      return seen === undefined ? UNSURE : sure(seen.find((stored) => stored !== undefined));
    },
    readHolding: (of, deadline) =>
      certain(
        () => client.readConfirmed(deadline, selectHolding(of)),
        () => client.readQuorum(deadline, selectHolding(of)),
        sameHolding,
      ),
    readOrder: (of, deadline) => readPlainly(deadline, selectOrder(of)),
    readNumber: (orderNo, deadline) => readPlainly(deadline, selectNumber(orderNo)),
    claimsToSweep: async (limit, deadline) => {
      const { value } = await client.read(deadline, (connection, until) =>
        connection.run(claims.SELECT_CLAIMS_TO_SWEEP, [clock.nowMs(), limit], until),
      );
      return value.rows.map((row) => ({
        ...merchantOrderOf(row),
        ...claimOf(row),
        createdAtMs: whole(row, 'created_at'),
      }));
    },
    insertStub: async (orderNo, of, jumpedTo, deadline) => {
      const row = stubRow(orderNo, of, jumpedTo, { nowMs: clock.nowMs(), mapVersion: client.mapVersion() });
      try {
        await client.write(
          deadline,
          (connection) => writer.insertOn(connection, [{ orderNo, row }], deadline),
          () => true,
        );
        return 'written';
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        return error.duplicateKey !== undefined && error.duplicateKey !== 'PRIMARY' ? 'exists' : 'in_doubt';
      }
    },
    closeClaim: ({ merchantId, merchantOrderNo }, deadline) =>
      cas(claims.CLOSE_CLAIM, [clock.nowMs(), merchantId, merchantOrderNo], deadline),
  };
};
