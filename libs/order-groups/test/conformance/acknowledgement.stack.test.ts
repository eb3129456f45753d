import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anyDialect } from '../../src/dialect.ts';
import { type GroupUnderTest, startGroupUnderTest } from './group-under-test.ts';
import { administer, eventually, see } from './node-control.ts';
import { inTenSeconds, openOurs } from './sessions.ts';

// What the bounce protocol believes of an acknowledgement, shown by the server itself.

let group: GroupUnderTest;

beforeAll(async () => {
  group = await startGroupUnderTest('CREATE TABLE fact (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE)');
});
afterAll(() => group.close());

const insert = (id: number, name: string) => `INSERT INTO fact (id, name) VALUES (${id}, '${name}')`;
const count = (name: string) => `SELECT COUNT(*) FROM fact WHERE name = '${name}'`;

describe('a write', () => {
  test('that no replica acknowledges and whose client is cut is invisible to others, and appears later by itself', async () => {
    const [writer, other] = [await group.open(), await group.open()];
    await group.withoutReplicas(async () => {
      void writer.outcomeOf(insert(1, 'late'));
      await group.untilWaiting(1);
      expect(await other.value(count('late'))).toBe('0');
      writer.cut();
      expect(await other.value(count('late'))).toBe('0');
      expect(await group.semiSync()).toMatchObject({ waiting: 1 });
    });
    await eventually(async () => expect(await other.value(count('late'))).toBe('1'));
    await group.untilAllSee(count('late'), '1');
  });

  test('that waits is visible to a session that reads uncommitted rows: none of ours may', async () => {
    const [writer, other] = [await group.open(), await group.open()];
    await group.withoutReplicas(async () => {
      void writer.outcomeOf(insert(2, 'dirty'));
      await group.untilWaiting(1);
      expect(await other.value(count('dirty'))).toBe('0');
      await other.write('SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED');
      expect(await other.value(count('dirty'))).toBe('1');
    });
  });

  test('is acknowledged when a replica has received it, though none has executed it', async () => {
    const writer = await group.open();
    await group.withoutExecution(async () => {
      expect(await writer.outcomeOf(insert(3, 'received'))).toBe('OK 1');
      for (const replica of group.replicas) expect(await see(replica, count('received'))).toBe('0');
    });
    await group.untilAllSee(count('received'), '1');
  });

  test('that is acknowledged makes every write before it in the binary log visible', async () => {
    const [first, second, other] = [await group.open(), await group.open(), await group.open()];
    const seen = await group.withoutReplicas(async () => {
      void first.outcomeOf(insert(4, 'before'));
      await group.untilWaiting(1);
      const after = second.write(insert(5, 'after')).then(() => other.value(count('before')));
      // It queues behind the first, and only that one counts as waiting.
      const underWay = `SELECT COMMAND FROM information_schema.processlist WHERE ID = ${second.id}`;
      await eventually(async () => expect(await see(group.primary, underWay)).toBe('Query'));
      return { after };
    });
    expect(await seen.after).toBe('1');
  });
});

describe('an acknowledged row', () => {
  test('is on the primary and on every replica that acknowledged: drained, that one shows it at once', async () => {
    const writer = await group.open();
    const [following, away] = group.replicas;
    const reader = await openOurs(following, group.accounts.app);
    await administer(away, 'STOP REPLICA IO_THREAD');
    try {
      for (let id = 10; id < 20; id += 1) {
        await writer.write(insert(id, `two of three ${id}`));
        expect(await anyDialect.drain(reader, 5_000, inTenSeconds())).toBe(true);
        const { rows } = await reader.run({ summary: 'a test', sql: count(`two of three ${id}`) }, [], inTenSeconds());
        expect(Object.values(rows[0] ?? {}).map(Number)).toEqual([1]);
      }
      expect(await see(away, "SELECT COUNT(*) FROM fact WHERE name LIKE 'two of three%'")).toBe('0');
    } finally {
      await group.attach();
      reader.cut();
    }
  });

  test('is not taken for executed: a replica that cannot execute it is not drained in time', async () => {
    const writer = await group.open();
    const reader = await openOurs(group.replicas[0], group.accounts.app);
    await group.withoutExecution(async () => {
      await writer.write(insert(20, 'held up'));
      // Enough of them have received it, but which of the two acknowledged is not known.
      await eventually(async () => expect(await anyDialect.drain(reader, 100, inTenSeconds())).toBe(false));
    });
    expect(await anyDialect.drain(reader, 5_000, inTenSeconds())).toBe(true);
    await group.untilAllSee(count('held up'), '1', [group.replicas[0]]);
    reader.cut();
  });

  test('a node that replicates from nobody has nothing to be drained of', async () => {
    const reader = await openOurs(group.primary, group.accounts.app);
    expect(await anyDialect.drain(reader, 0, inTenSeconds())).toBe(true);
    reader.cut();
  });
});

describe('a tombstone on the same unique key', () => {
  test('is written where there was nothing, and a late INSERT then finds the key taken', async () => {
    const [sweeper, late] = [await group.open(), await group.open()];
    expect(await sweeper.outcomeOf(insert(30, 'never'))).toBe('OK 1');
    expect(await late.outcomeOf(insert(31, 'never'))).toBe('ER_DUP_ENTRY');
  });

  test('finds the key taken where the row is there', async () => {
    const session = await group.open();
    await session.write(insert(32, 'there'));
    expect(await session.outcomeOf(insert(33, 'there'))).toBe('ER_DUP_ENTRY');
  });

  test('waits for the lock for a second where the row still waits for its acknowledgement, and finds it taken afterwards', async () => {
    const [writer, sweeper] = [await group.open(), await group.open()];
    await group.withoutReplicas(async () => {
      void writer.outcomeOf(insert(34, 'in doubt'));
      await group.untilWaiting(1);
      writer.cut();
      const beganMs = performance.now();
      expect(await sweeper.outcomeOf(insert(35, 'in doubt'))).toBe('ER_LOCK_WAIT_TIMEOUT');
      expect(performance.now() - beganMs).toBeGreaterThan(900);
      expect(performance.now() - beganMs).toBeLessThan(2_500);
    });
    expect(await sweeper.outcomeOf(insert(35, 'in doubt'))).toBe('ER_DUP_ENTRY');
  });
});
