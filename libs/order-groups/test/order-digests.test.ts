import { groupTag } from '@tillmesh/domain';
import { expect, test } from 'vitest';
import { MoveRefused } from '../src/move/move-refused.ts';
import { differencesOf, type OrderDigests } from '../src/move/order-digests.ts';
import { type OrderColumns, sameColumns, tagIn } from '../src/move/order-tables.ts';

const digests = (
  orders: Readonly<Record<string, readonly (readonly ['payment' | 'attempt', string])[]>>,
): OrderDigests => new Map(Object.entries(orders).map(([key, tables]) => [BigInt(key), new Map(tables)]));

test('orders differ where a table does, where one is missing, and where one is too many', () => {
  const source = digests({
    1: [['payment', '1 a']],
    2: [
      ['payment', '1 b'],
      ['attempt', '2 c'],
    ],
    3: [['payment', '1 d']],
  });
  const target = digests({
    1: [['payment', '1 a']],
    2: [
      ['payment', '1 b'],
      ['attempt', '1 c'],
    ],
    4: [['payment', '1 e']],
  });
  expect(differencesOf(source, target)).toEqual([
    { key: 2n, tables: ['attempt'] },
    { key: 3n, tables: ['payment'] },
    { key: 4n, tables: ['payment'] },
  ]);
  expect(differencesOf(source, source)).toEqual([]);
});

const columns = (payment: readonly string[]): OrderColumns => ({
  payment,
  attempt: ['order_no'],
  refund: ['order_no'],
  trajectory: ['order_no'],
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
