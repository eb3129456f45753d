import type { Clock } from '@tillmesh/clock';
import { type GroupTag, type OrderNo, toOrderKey } from '@tillmesh/domain';
import { orderNoOf, text } from './columns.ts';
import {
  bigintParameter,
  type Connection,
  type Deadline,
  type Parameter,
  type Row,
  type Statement,
} from './connection.ts';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import type { GroupClient } from './group-client.ts';
import type { CasResult, Claim, NewPayment, OrderGroup, Sure, WriteResult } from './order-group.ts';
import * as sql from './order-statements.ts';
import { paymentOfRows } from './payment-rows.ts';
import { transaction } from './transaction.ts';

const key = (orderNo: OrderNo) => bigintParameter(toOrderKey(orderNo));

const failure = (error: unknown): WriteResult => {
  if (!(error instanceof DatabaseError)) throw error;
  if (error.duplicateKey === 'PRIMARY') return { kind: 'number_taken' };
  if (error.duplicateKey !== undefined) return { kind: 'duplicate' };
  return { kind: error.certainty, cause: error.code };
};

const UNSURE = { kind: 'unsure' } as const;
const sure = <T>(value: T): Sure<T> => ({ kind: 'sure', value });

const claimOf = (rows: readonly Row[]): Claim | undefined => {
  const [row] = rows;
  if (row === undefined) return undefined;
  return { orderNo: orderNoOf(row, 'order_no'), state: text(row, 'state') as Claim['state'] };
};

/** The bounce protocol's view of a real group. */
export const createSqlOrderGroup = (client: GroupClient, clock: Clock): OrderGroup => {
  const insert = async (
    connection: Connection,
    orderNo: OrderNo,
    payment: NewPayment,
    state: 'paying' | 'unbound',
    deadline: Deadline,
  ): Promise<WriteResult> => {
    const { attempt, createdAtMs } = payment;
    const { affectedRows } = await connection.run(
      sql.INSERT_PAYMENT,
      [
        key(orderNo),
        payment.merchantId,
        payment.merchantOrderNo,
        payment.amount.currency,
        bigintParameter(payment.amount.minorUnits),
        payment.kind,
        payment.wallet,
        payment.subject,
        state,
        payment.terminalId,
        payment.storeId,
        payment.traceparent,
        createdAtMs,
        payment.expireAtMs,
        createdAtMs,
        // An order that nobody may pay is nothing to check.
        state === 'paying' ? createdAtMs + payment.firstCheckAfterMs : null,
        attempt.accountId,
        attempt.channelId,
        attempt.token,
        attempt.routeReason,
        payment.source,
        client.epoch(),
      ],
      deadline,
    );
    return affectedRows === 0 ? { kind: 'not_written', cause: OWN_CODES.fenced } : { kind: 'written' };
  };

  const cas = async (
    statement: Statement,
    parameters: readonly Parameter[],
    deadline: Deadline,
  ): Promise<CasResult> => {
    try {
      const { affectedRows } = await client.write(deadline, (connection) =>
        connection.run(statement, parameters, deadline),
      );
      return affectedRows > 0 ? 'won' : 'lost';
    } catch (error) {
      if (error instanceof DatabaseError) return 'failed';
      throw error;
    }
  };

  const selectClaim = (payment: NewPayment, deadline: Deadline) => async (connection: Connection) => {
    const { rows } = await connection.run(sql.SELECT_CLAIM, [payment.merchantId, payment.merchantOrderNo], deadline);
    return claimOf(rows);
  };

  const selectOrder = (payment: NewPayment, deadline: Deadline) => async (connection: Connection) => {
    const parameters = [payment.merchantId, payment.merchantOrderNo];
    return paymentOfRows((await connection.run(sql.SELECT_PAYMENT_OF_MERCHANT, parameters, deadline)).rows);
  };

  const readByQuorum: OrderGroup['readByQuorum'] = async (payment, deadline) => {
    const seen = await client.readQuorum(deadline, selectOrder(payment, deadline));
    // One node that shows it is enough: what was acknowledged is on one of any quorum.
    return seen === undefined ? UNSURE : sure(seen.find((stored) => stored !== undefined));
  };

  return {
    tag: client.tag,
    admitsNewOrders: client.admitsNewOrders,
    insertPaying: async (orderNo, payment, deadline) => {
      try {
        return await client.write(deadline, (connection) => insert(connection, orderNo, payment, 'paying', deadline));
      } catch (error) {
        return failure(error);
      }
    },
    insertJumped: async (orderNo, payment, home: GroupTag, deadline) => {
      try {
        return await client.write(deadline, (connection) =>
          transaction(connection, deadline, async () => {
            const nowMs = clock.nowMs();
            const claim = [payment.merchantId, payment.merchantOrderNo, key(orderNo), home, nowMs, nowMs];
            try {
              await connection.run(sql.INSERT_CLAIM, claim, deadline);
            } catch (error) {
              // The claim's primary key is the merchant's number, not ours.
              if (error instanceof DatabaseError && error.duplicateKey !== undefined) {
                return { commit: false, value: { kind: 'duplicate' } };
              }
              throw error;
            }
            const written = await insert(connection, orderNo, payment, 'unbound', deadline);
            return { commit: written.kind === 'written', value: written };
          }),
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
      return cas(
        sql.BIND_CLAIM,
        [
          nowMs,
          nowMs,
          nowMs + payment.firstCheckAfterMs,
          payment.source,
          payment.attempt.token,
          payment.merchantId,
          payment.merchantOrderNo,
          key(orderNo),
        ],
        deadline,
      );
    },
    abandonClaim: (payment, deadline) =>
      cas(sql.ABANDON_CLAIM, [clock.nowMs(), payment.merchantId, payment.merchantOrderNo], deadline),
    readClaim: async (payment, deadline) => {
      try {
        return sure(await client.readConfirmed(deadline, selectClaim(payment, deadline)));
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
      }
      const seen = await client.readQuorum(deadline, selectClaim(payment, deadline));
      const first = seen?.[0];
      const agree = seen?.every((claim) => claim?.state === first?.state && claim?.orderNo === first?.orderNo);
      return agree === true ? sure(first) : UNSURE;
    },
    readByQuorum,
    readOrder: async (payment, deadline) => {
      try {
        return (await client.read(deadline, selectOrder(payment, deadline))).value;
      } catch (error) {
        if (error instanceof DatabaseError) return undefined;
        throw error;
      }
    },
  };
};
