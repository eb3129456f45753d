import type { Clock } from '@tillmesh/clock';
import {
  type Agreement,
  agreementOf,
  type ChannelTransactionId,
  groupTagOf,
  type OrderNo,
  type PersonStatement,
  type StatedItem,
  type StatedOutcome,
  toOrderKey,
} from '@tillmesh/domain';
import { optionalWhole, text, whole } from './columns.ts';
import { bigintParameter, type Connection, type Parameter, type Row, type Statement } from './connection.ts';
import type { GroupClients } from './group-clients.ts';
import { transaction } from './transaction.ts';

/** A statement as it is kept. */
export type KeptStatement = PersonStatement & { readonly evidence: string; readonly saidAtMs: number };

export type Stated =
  | { readonly kind: 'stated'; readonly agreement: Agreement; readonly isNew: boolean }
  | { readonly kind: 'unknown_item' }
  | { readonly kind: 'too_many' };

/** What persons say of payments and refunds that no channel settles. */
export type StatementStore = {
  /**
   * Writes down what a person says, and tells how far all who spoke of the item agree. The same words of the same person again
   * are written once.
   *
   * @param evidence at most 1,000 characters. @param source the service that was told.
   */
  state(item: StatedItem, statement: PersonStatement, evidence: string, source: string): Promise<Stated>;
};

/** Statements about one item; who needs more has another problem. */
export const STATEMENTS_MAX = 20;

// Two persons who speak at once come one after the other, so that one of them sees both.
const LOCK_PAYMENT: Statement = {
  summary: 'SELECT payment FOR UPDATE',
  sql: 'SELECT order_no FROM payment WHERE order_no = ? FOR UPDATE',
};
const SELECT_ATTEMPT: Statement = {
  summary: 'SELECT attempt',
  sql: 'SELECT 1 AS n FROM attempt WHERE order_no = ? AND attempt_no = ?',
};
const SELECT_REFUND_ROW: Statement = {
  summary: 'SELECT refund',
  sql: 'SELECT 1 AS n FROM refund WHERE order_no = ? AND refund_no = ?',
};
/** What statementOf() reads. */
export const STATEMENT_COLUMNS = 'person, outcome, channel_transaction_id, happened_at, evidence, said_at';
const SELECT_STATEMENTS: Statement = {
  summary: 'SELECT person_statement',
  sql: `SELECT ${STATEMENT_COLUMNS} FROM person_statement
        WHERE order_no = ? AND item = ? ORDER BY statement_no`,
};
const INSERT_STATEMENT: Statement = {
  summary: 'INSERT person_statement',
  sql: `INSERT INTO person_statement (order_no, item, statement_no, person, outcome, channel_transaction_id, happened_at, evidence,
          said_at, said_through)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
};

/** Reads a row of person_statement. */
export const statementOf = (row: Row): KeptStatement => ({
  person: text(row, 'person'),
  outcome: text(row, 'outcome') as StatedOutcome,
  channelTransactionId: text(row, 'channel_transaction_id') as ChannelTransactionId | '',
  happenedAtMs: optionalWhole(row, 'happened_at'),
  evidence: text(row, 'evidence'),
  saidAtMs: whole(row, 'said_at'),
});

const numberParameter = (number: OrderNo): Parameter => bigintParameter(toOrderKey(number));
const itemParameter = (item: StatedItem): Parameter =>
  item.kind === 'attempt' ? item.attemptNo : numberParameter(item.refundNo);

/** Creates the store of statements over the groups. */
export const createStatementStore = (options: {
  readonly groups: GroupClients;
  readonly statementMsMax: number;
  readonly clock: Clock;
}): StatementStore => {
  const { groups, statementMsMax, clock } = options;
  return {
    state: (item, statement, evidence, source) => {
      const deadline = { atMs: clock.monotonicMs() + statementMsMax };
      const orderKey = numberParameter(item.orderNo);
      const say = (connection: Connection) =>
        transaction<Stated>(connection, deadline, async () => {
          const isThere = async (question: Statement, parameters: readonly Parameter[]) =>
            (await connection.run(question, parameters, deadline)).rows.length > 0;
          const known =
            (await isThere(LOCK_PAYMENT, [orderKey])) &&
            ((item.kind === 'attempt' && item.attemptNo === 1) ||
              (await isThere(item.kind === 'attempt' ? SELECT_ATTEMPT : SELECT_REFUND_ROW, [
                orderKey,
                itemParameter(item),
              ])));
          if (!known) return { commit: false, value: { kind: 'unknown_item' } };
          const { rows } = await connection.run(SELECT_STATEMENTS, [orderKey, itemParameter(item)], deadline);
          const before = rows.map(statementOf);
          const latest = before.findLast(({ person }) => person === statement.person);
          if (
            latest?.outcome === statement.outcome &&
            latest.channelTransactionId === statement.channelTransactionId &&
            latest.happenedAtMs === statement.happenedAtMs
          ) {
            return { commit: false, value: { kind: 'stated', agreement: agreementOf(before), isNew: false } };
          }
          if (before.length >= STATEMENTS_MAX) return { commit: false, value: { kind: 'too_many' } };
          const { person, outcome, channelTransactionId, happenedAtMs } = statement;
          const said = [person, outcome, channelTransactionId, happenedAtMs ?? null, evidence, clock.nowMs(), source];
          await connection.run(INSERT_STATEMENT, [orderKey, itemParameter(item), before.length + 1, ...said], deadline);
          return {
            commit: true,
            value: { kind: 'stated', agreement: agreementOf([...before, statement]), isNew: true },
          };
        });
      return groups
        .of(groupTagOf(item.orderNo))
        .write(deadline, say, (stated) => stated.kind === 'stated' && stated.isNew);
    },
  };
};
