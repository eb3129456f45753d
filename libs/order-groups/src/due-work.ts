import type { Clock } from '@tillmesh/clock';
import type { GroupTag, OrderNo } from '@tillmesh/domain';
import { big, orderNoOf, whole } from './columns.ts';
import type { Connection, Deadline, Row, Statement } from './connection.ts';
import { DatabaseError } from './database-error.ts';
import type { GroupClients } from './group-clients.ts';
import { SELECT_DUE_PAYMENTS } from './order-statements.ts';
import { SELECT_DUE_REFUNDS } from './refund-statements.ts';
import { transaction } from './transaction.ts';

export type DueItem = {
  readonly kind: 'payment' | 'refund';
  /** The order number of the payment, or the number of the refund. */
  readonly number: OrderNo;
  readonly dueAtMs: number;
};

export type DueWork = { readonly items: readonly DueItem[]; readonly unreachable: readonly GroupTag[] };

// Order numbers are digits of our own making; nothing from outside stands in the text.
const postpone = (table: 'payment' | 'refund', column: string, keys: readonly string[]): Statement => ({
  summary: `UPDATE due ${table}s`,
  sql: `UPDATE ${table} SET next_check_at = ? WHERE ${column} IN (${keys.join(', ')})`,
  text: true,
});

const KINDS = [
  { kind: 'payment', column: 'order_no', select: SELECT_DUE_PAYMENTS },
  { kind: 'refund', column: 'refund_no', select: SELECT_DUE_REFUNDS },
] as const;

/**
 * Hands out what is due in every group, and pushes it back by the visibility time so that no two workers do the same. What is
 * not dealt with comes again.
 *
 * @param limit at most this many payments, and as many refunds, of each group.
 */
export const claimDue = async (options: {
  readonly groups: GroupClients;
  readonly limit: number;
  readonly visibilityMs: number;
  readonly overdueByMs: number;
  readonly statementMsMax: number;
  readonly clock: Clock;
}): Promise<DueWork> => {
  const { groups, limit, visibilityMs, overdueByMs, statementMsMax, clock } = options;

  const claimKind = async (
    connection: Connection,
    deadline: Deadline,
    { kind, column, select }: (typeof KINDS)[number],
  ): Promise<DueItem[]> => {
    const { rows } = await connection.run(select, [clock.nowMs() - overdueByMs, limit], deadline);
    if (rows.length === 0) return [];
    const keys = rows.map((row) => big(row, column).toString());
    await connection.run(postpone(kind, column, keys), [clock.nowMs() + visibilityMs], deadline);
    return rows.map((row) => itemOf(kind, column, row));
  };

  const answers = await Promise.all(
    groups.all().map(async (client) => {
      const deadline = { atMs: clock.monotonicMs() + statementMsMax };
      try {
        const items = await client.write(deadline, (connection) =>
          transaction(connection, deadline, async () => {
            const claimed: DueItem[] = [];
            for (const which of KINDS) claimed.push(...(await claimKind(connection, deadline, which)));
            return { commit: claimed.length > 0, value: claimed };
          }),
        );
        return { tag: client.tag, items };
      } catch (error) {
        if (error instanceof DatabaseError) return { tag: client.tag, items: undefined };
        throw error;
      }
    }),
  );
  return {
    items: answers.flatMap(({ items }) => items ?? []),
    unreachable: answers.filter(({ items }) => items === undefined).map(({ tag }) => tag),
  };
};

const itemOf = (kind: DueItem['kind'], column: string, row: Row): DueItem => ({
  kind,
  number: orderNoOf(row, column),
  dueAtMs: whole(row, 'next_check_at'),
});
