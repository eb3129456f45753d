import { seededRandom, systemClock } from '@tillmesh/clock';
import { afterEach, expect, test } from 'vitest';
import { type LocalNode, type LocalStack, startLocalStack } from '../src/index.ts';
import { asAccount, valuesOf } from './databases.ts';
import { eventually, removeFoldersAfterEach, temporaryFolder } from './temporary-folder.ts';

removeFoldersAfterEach();
let stack: LocalStack | undefined;
afterEach(() => stack?.stop());

const SEED = 20_261_122;
const ROUNDS = 12;

/** Makes tables and writes rows, one after the other, until the connection breaks; counts the rows that were answered. */
const writeUntilKilled = async (primary: LocalNode, running: LocalStack, round: number): Promise<number> => {
  let answered = 0;
  await asAccount(primary, running.accounts.migrate, async (connection) => {
    for (;;) {
      // Schema changes are what a killed replica is most easily caught in the middle of.
      await connection.query(`CREATE TABLE made_${round} (id INT PRIMARY KEY)`);
      await connection.query(`ALTER TABLE made_${round} ADD COLUMN more INT`);
      await connection.query(`DROP TABLE made_${round}`);
      await connection.query('INSERT INTO note (round) VALUES (?)', [round]);
      answered += 1;
    }
  }).catch(() => undefined);
  return answered;
};

test('no answered row is lost and replication goes on, whichever servers are killed at whatever moment', async () => {
  stack = await startLocalStack({ folder: temporaryFolder(), groupTags: [1], redis: false, clock: systemClock });
  const running = stack;
  const [group] = running.groups;
  if (group === undefined) throw new Error('the group was not started');
  const [primary, first, second] = group.nodes;
  if (primary === undefined || first === undefined || second === undefined) throw new Error('three nodes are expected');
  await asAccount(primary, running.accounts.migrate, (connection) =>
    connection.query('CREATE TABLE note (id INT PRIMARY KEY AUTO_INCREMENT, round INT NOT NULL)'),
  );
  const countOn = async (node: LocalNode, round: number) => {
    const sql = `SELECT COUNT(*) FROM note WHERE round = ${round}`;
    return Number((await asAccount(node, running.accounts.read, (connection) => valuesOf(connection, sql)))[0]);
  };

  const random = seededRandom(SEED);
  const sets = [[first, second], [primary, first, second], [first], [primary]];
  for (let round = 0; round < ROUNDS; round++) {
    const what = `seed ${SEED}, round ${round}`;
    const writing = writeUntilKilled(primary, running, round);
    await systemClock.sleep(20 + random.below(150));
    const killed = sets[random.below(sets.length)] ?? [];
    await Promise.all(killed.map((node) => node.kill('SIGKILL')));
    // The writer goes on as long as one replica is left, and waits for ever when none is.
    await systemClock.sleep(random.below(40));
    await primary.kill('SIGKILL');
    const answered = await writing;
    await Promise.all(group.nodes.map((node) => node.start()));
    const kept = await countOn(primary, round);
    // At most the one write that was under way when the primary died is there without having been answered.
    expect({ what, kept: [answered, answered + 1].includes(kept) ? 'all' : kept }).toEqual({ what, kept: 'all' });
    for (const replica of group.replicas()) {
      const same = async () => ((await countOn(replica, round)) === kept ? true : undefined);
      await eventually(`${what}: ${kept} rows on ${replica.name}`, same);
    }
  }
});
