import { expect, test } from 'vitest';
import { differencesOf, type OrderDigests } from '../src/move/order-digests.ts';

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
