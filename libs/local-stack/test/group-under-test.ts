import { systemClock } from '@tillmesh/clock';
import {
  type LocalGroup,
  type LocalNode,
  type LocalStack,
  type LocalStackOptions,
  startLocalStack,
} from '../src/index.ts';
import { asAccount, rowOf, valuesOf } from './databases.ts';
import { eventually } from './temporary-folder.ts';

/** The first group of a stack. */
export const groupOf = (stack: LocalStack): LocalGroup => {
  const [group] = stack.groups;
  if (group === undefined) throw new Error('the group was not started');
  return group;
};

/** A stack of one group with a table `note`, and words to write and read there. */
export type GroupUnderTest = {
  readonly stack: LocalStack;
  readonly group: LocalGroup;
  /** The nodes in the order of their letters, whatever they are now. */
  readonly a: LocalNode;
  readonly b: LocalNode;
  readonly c: LocalNode;
  write(id: number, node?: LocalNode): Promise<void>;
  has(node: LocalNode, id: number): Promise<boolean>;
  arrives(node: LocalNode, id: number): Promise<void>;
  /** The numbers of all rows, ascending. */
  idsOn(node: LocalNode): Promise<readonly number[]>;
  /** How many replicas acknowledge to the present primary. */
  acknowledging(): Promise<number>;
};

/** Words for a stack that runs. */
export const wordsFor = (stack: LocalStack): GroupUnderTest => {
  const group = groupOf(stack);
  const [a, b, c] = group.nodes;
  if (a === undefined || b === undefined || c === undefined) throw new Error('three nodes are expected');
  const has = async (node: LocalNode, id: number) => {
    const sql = `SELECT id FROM note WHERE id = ${id}`;
    return (await asAccount(node, stack.accounts.read, (connection) => valuesOf(connection, sql))).length === 1;
  };
  return {
    stack,
    group,
    a,
    b,
    c,
    write: (id, node = group.primary()) =>
      asAccount(node, stack.accounts.app, async (connection) => {
        await connection.query('INSERT INTO note (id) VALUES (?)', [id]);
      }),
    has,
    arrives: (node, id) =>
      eventually(`row ${id} on ${node.name}`, async () => ((await has(node, id)) ? true : undefined)).then(
        () => undefined,
      ),
    idsOn: (node) =>
      asAccount(node, stack.accounts.read, async (connection) =>
        (await valuesOf(connection, 'SELECT id FROM note ORDER BY id')).map(Number),
      ),
    acknowledging: () =>
      group.primary().administer(async (connection) => {
        const row = await rowOf(connection, "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_clients'");
        return Number(row['Value']);
      }),
  };
};

/** Starts a stack of one group with the table in place on every node. */
export const startGroup = async (folder: string, options: Partial<LocalStackOptions> = {}): Promise<GroupUnderTest> => {
  const stack = await startLocalStack({ folder, groupTags: [5], redis: false, clock: systemClock, ...options });
  const words = wordsFor(stack);
  await asAccount(words.group.primary(), stack.accounts.migrate, (connection) =>
    connection.query('CREATE TABLE IF NOT EXISTS note (id INT PRIMARY KEY) ENGINE = InnoDB'),
  );
  await words.write(1);
  for (const replica of words.group.replicas()) {
    await eventually(`row 1 on ${replica.name}`, () =>
      words.has(replica, 1).then(
        (isThere) => (isThere ? true : undefined),
        () => undefined,
      ),
    );
  }
  return words;
};
