import { groupTag } from '@tillmesh/domain';
import { expect, test } from 'vitest';
import { MoveRefused } from '../src/move/move-refused.ts';
import { ORDER_TABLES, type OrderColumns, sameColumns, tagIn } from '../src/move/order-tables.ts';
import { MIGRATIONS } from '../src/schema.ts';

/** Tables whose rows go along by a way of their own: move/keep-numbers.ts and move/move-claims.ts. */
const MOVED_OTHERWISE = ['merchant_order', 'jump_claim', 'pending_event'];
/** Tables that speak of the group itself. */
const STAYING = ['group_epoch', 'group_map', 'heartbeat', 'worker_lease', 'group_move'];

test('every table of the schema either goes along when a group moves or is known to stay', () => {
  const tables = MIGRATIONS.flatMap(({ statements }) =>
    statements.flatMap(({ sql }) => /^CREATE TABLE (?:IF NOT EXISTS )?(\w+)/.exec(sql)?.[1] ?? []),
  );
  expect(tables.toSorted()).toEqual([...ORDER_TABLES, ...MOVED_OTHERWISE, ...STAYING].toSorted());
});

const columns = (payment: readonly string[]): OrderColumns => ({
  payment,
  attempt: ['order_no'],
  refund: ['order_no'],
  trajectory: ['order_no'],
  person_statement: ['order_no'],
});

test('groups of two versions of the schema are told apart, by the column', () => {
  expect(sameColumns(columns(['a', 'b']), columns(['b', 'a']))).toEqual(columns(['a', 'b']));
  expect(() => sameColumns(columns(['a', 'b']), columns(['a']))).toThrow(MoveRefused);
  expect(() => sameColumns(columns(['a', 'b']), columns(['a']))).toThrow('(payment: b)');
  expect(() => sameColumns(columns(['a']), columns(['a', 'c']))).toThrow('(payment: c)');
  expect(() => sameColumns(columns([]), columns([]))).toThrow('(payment: missing)');
});

test('a group’s orders are known by the tag in their numbers', () => {
  expect(tagIn([groupTag(3), groupTag(127)], 'p.order_no')).toBe('((p.order_no >> 15) & 127) IN (3, 127)');
});
