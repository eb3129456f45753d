import { ManualClock } from '@tillmesh/clock';
import { formatOrderNo, groupTag, toOrderKey } from '@tillmesh/domain';
import { describe, expect, test } from 'vitest';
import { claimOf } from '../src/claim-reader.ts';
import type { Connection, Row } from '../src/connection.ts';
import { DatabaseError, OWN_CODES } from '../src/database-error.ts';
import { quorumOf } from '../src/group-client.ts';
import { createSqlOrderGroup } from '../src/sql-order-group.ts';
import { clientThatAnswers, never } from './client-that-answers.ts';
import { newPayment } from './new-payment.ts';
import { rowCodec } from './row-codec.ts';

/** Every choice of `count` out of `items`. */
const choices = <T>(items: readonly T[], count: number): readonly (readonly T[])[] => {
  if (count === 0) return [[]];
  return items.flatMap((item, place) => choices(items.slice(place + 1), count - 1).map((rest) => [item, ...rest]));
};

describe('a quorum', () => {
  for (const nodeCount of [2, 3, 4, 5]) {
    test(`of ${nodeCount} nodes always includes one of the two that hold an acknowledged write`, () => {
      const nodes = Array.from({ length: nodeCount }, (_, n) => n);
      const missed = choices(nodes, 2).flatMap((holders) =>
        choices(nodes, quorumOf(nodeCount)).filter((asked) => !asked.some((node) => holders.includes(node))),
      );
      expect(missed).toEqual([]);
    });
  }

  test('is never a single node', () => {
    expect([quorumOf(1), quorumOf(2)]).toEqual([2, 2]);
  });
});

const clock = new ManualClock();
const deadline = { atMs: 1_000 };
const orderNo = formatOrderNo({ day: 1, msOfDay: 1, groupTag: groupTag(2), workerId: 1, sequence: 1 });
const otherNo = formatOrderNo({ day: 1, msOfDay: 2, groupTag: groupTag(2), workerId: 1, sequence: 1 });
const claimRow = (state: string, of = orderNo): Row => ({ order_no: toOrderKey(of).toString(), state, home_tag: 5 });
const HOME = groupTag(5);

const nodeThatAnswers = (rows: readonly Row[]): Connection => ({
  endpoint: { host: 'db.example', port: 1 },
  usable: () => true,
  run: async () => ({ rows, affectedRows: 0 }),
  cut: never,
});

/** A group whose primary gives this, and whose nodes give that. */
const groupWith = (parts: {
  readonly atPrimary: readonly Row[] | 'away';
  readonly atNodes: readonly (readonly Row[])[] | 'too_few';
}) => {
  const client = clientThatAnswers({
    readClaimConfirmed: async () => {
      if (parts.atPrimary === 'away') throw new DatabaseError(OWN_CODES.noPrimary, 'not_written');
      const [row] = parts.atPrimary;
      return row && claimOf(row);
    },
    readQuorum: async (until, work) =>
      parts.atNodes === 'too_few'
        ? undefined
        : Promise.all(parts.atNodes.map((rows) => work(nodeThatAnswers(rows), until))),
  });
  return createSqlOrderGroup({ client, rows: rowCodec(), batchRowsMax: 1, clock });
};

const [none, open, bound] = [[], [claimRow('open')], [claimRow('bound')]] as const;

const CLAIMS: readonly (readonly [
  what: string,
  atPrimary: readonly Row[] | 'away',
  atNodes: readonly (readonly Row[])[] | 'too_few',
  seen: unknown,
])[] = [
  ['what a confirmed primary says', bound, 'too_few', { kind: 'sure', value: { orderNo, state: 'bound', home: HOME } }],
  ['none where a confirmed primary has none', none, 'too_few', { kind: 'sure', value: undefined }],
  [
    'what all nodes say while the primary is away',
    'away',
    [open, open],
    { kind: 'sure', value: { orderNo, state: 'open', home: HOME } },
  ],
  ['none where all nodes have none', 'away', [none, none], { kind: 'sure', value: undefined }],
  ['unsure where too few nodes answer', 'away', 'too_few', { kind: 'unsure' }],
  ['unsure where one node has the claim and another has not', 'away', [none, open], { kind: 'unsure' }],
  ['unsure where the nodes have it in two states', 'away', [open, bound], { kind: 'unsure' }],
  ['unsure where the nodes have two claims', 'away', [open, [claimRow('open', otherNo)]], { kind: 'unsure' }],
  ['unsure where only the last of four differs', 'away', [open, open, open, bound], { kind: 'unsure' }],
];

describe('a claim is', () => {
  for (const [what, atPrimary, atNodes, seen] of CLAIMS) {
    test(what, async () => {
      const group = groupWith({ atPrimary, atNodes });
      expect(await group.readClaim(newPayment(), deadline)).toEqual(seen);
    });
  }

  test('not read from a quorum when the failure is no database’s', async () => {
    const group = groupWith({
      atPrimary: [{ state: 'open', order_no: 'nonsense', home_tag: 5 }],
      atNodes: [none, none],
    });
    await expect(group.readClaim(newPayment(), deadline)).rejects.toThrow(SyntaxError);
  });
});
