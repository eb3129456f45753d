import { systemClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { onThisServer, serverUnderTest } from '../server-under-test.ts';
import { type GroupUnderTest, startGroupUnderTest } from './group-under-test.ts';
import { administer, eventually, see, serverWords } from './node-control.ts';
import { inTenSeconds, openOurs, outcomeOf, readingOf } from './sessions.ts';

// How a wait for an acknowledgement can end without one, and who is told.

let group: GroupUnderTest;

beforeAll(async () => {
  group = await startGroupUnderTest('CREATE TABLE fact (id INT PRIMARY KEY)');
});
afterAll(() => group.close());

const insert = (id: number) => `INSERT INTO fact (id) VALUES (${id})`;
const count = (id: number) => `SELECT COUNT(*) FROM fact WHERE id = ${id}`;

/** `waits` where the outcome does not come within half a second. */
const soon = (outcome: Promise<string>): Promise<string> =>
  Promise.race([outcome, systemClock.sleep(500).then(() => 'waits')]);

const unacknowledgedSince = async (before: number) => (await group.semiSync()).unacknowledged - before;

describe('while no replica acknowledges', () => {
  test('KILL QUERY of a session that waits: MariaDB answers OK, MySQL lets it wait on', async () => {
    const session = await group.open();
    const before = (await group.semiSync()).unacknowledged;
    await group.withoutReplicas(async () => {
      const outcome = session.outcomeOf(insert(1));
      await group.untilWaiting(1);
      await administer(group.primary, `KILL QUERY ${session.id}`);
      expect(await soon(outcome)).toBe(onThisServer({ mariadb: 'OK 1', mysql: 'waits' }));
      expect(await see(group.primary, count(1))).toBe(onThisServer({ mariadb: '1', mysql: '0' }));
      expect(await unacknowledgedSince(before)).toBe(onThisServer({ mariadb: 1, mysql: 0 }));
      // Nothing but the counter tells: semi-sync says that it is on.
      expect(await group.semiSync()).toMatchObject({ on: true });
      for (const replica of group.replicas) expect(await see(replica, count(1))).toBe('0');
    });
  });

  test('KILL CONNECTION of a session that waits ends the client; MariaDB commits at once, MySQL once it is acknowledged', async () => {
    const [session, ours] = [await group.open(), await openOurs(group.primary, group.accounts.app)];
    const before = (await group.semiSync()).unacknowledged;
    await group.withoutReplicas(async () => {
      const { rows } = await ours.run({ summary: 'a test', sql: 'SELECT CONNECTION_ID() AS id' }, [], inTenSeconds());
      const reading = readingOf(ours.run({ summary: 'a test', sql: insert(2) }, [], inTenSeconds()));
      await group.untilWaiting(1);
      await administer(group.primary, `KILL CONNECTION ${String(rows[0]?.['id'])}`);
      expect(await reading).toMatchObject({ code: 'PROTOCOL_CONNECTION_LOST', certainty: 'ambiguous' });
      const seen = onThisServer({ mariadb: '1', mysql: '0' });
      await eventually(async () => expect(await session.value(count(2))).toBe(seen));
      expect(await unacknowledgedSince(before)).toBe(Number(seen));
    });
    await group.untilAllSee(count(2), '1');
  });

  test('no time limit for statements ends the wait: max_statement_time of MariaDB, max_execution_time of MySQL', async () => {
    const session = await group.open();
    await session.write(
      onThisServer({ mariadb: 'SET SESSION max_statement_time = 0.1', mysql: 'SET SESSION max_execution_time = 100' }),
    );
    const outcome = await group.withoutReplicas(async () => {
      const waiting = session.outcomeOf(insert(3));
      await group.untilWaiting(1);
      expect(await soon(waiting)).toBe('waits');
      return { waiting };
    });
    expect(await outcome.waiting).toBe('OK 1');
  });

  test('a time-out for acknowledgements ends the wait silently: OK without a warning, also for all that follow; only the counters tell', async () => {
    const session = await group.open();
    const before = (await group.semiSync()).unacknowledged;
    await administer(group.primary, `SET GLOBAL ${serverWords.ackTimeout} = 200`);
    await group.withoutReplicas(async () => {
      for (const id of [4, 5]) {
        expect(await session.write(insert(id))).toMatchObject({ affectedRows: 1, warningStatus: 0 });
        expect(await session.rows('SHOW WARNINGS')).toEqual([]);
        expect(await group.semiSync()).toMatchObject({ on: false, waiting: 0 });
        for (const replica of group.replicas) expect(await see(replica, count(id))).toBe('0');
      }
      expect(await unacknowledgedSince(before)).toBe(2);
      await administer(group.primary, `SET GLOBAL ${serverWords.ackTimeout} = 86400000`);
    });
    // Back by itself once a replica has caught up, and nothing but the counter remembers.
    expect(await group.semiSync()).toMatchObject({ on: true, unacknowledged: before + 2 });
  });

  test('switching semi-sync off answers OK to every session that waits', async () => {
    const session = await group.open();
    await group.withoutReplicas(async () => {
      const outcome = session.outcomeOf(insert(6));
      await group.untilWaiting(1);
      await administer(group.primary, `SET GLOBAL ${serverWords.status}_enabled = OFF`);
      expect(await outcome).toBe('OK 1');
      for (const replica of group.replicas) expect(await see(replica, count(6))).toBe('0');
      await administer(group.primary, `SET GLOBAL ${serverWords.status}_enabled = ON`);
    });
  });

  test('the primary stops counting replicas that left: MariaDB within a second, MySQL when a heartbeat cannot be sent any more', async () => {
    await group.withoutReplicas(async () => {
      const beganMs = performance.now();
      await eventually(async () => expect(await group.semiSync()).toMatchObject({ on: true, clients: 0 }));
      expect(performance.now() - beganMs).toBeLessThan(onThisServer({ mariadb: 1_000, mysql: 5_000 }));
    });
  });
});

describe('a primary that ends while a write waits', () => {
  const restart = async () => {
    // It opens only when a replica is attached, and that one when the primary is back.
    const started = group.primary.start();
    await Promise.race([started, eventually(() => see(group.primary, 'SELECT 1'))]);
    return { attach: () => Promise.all([started, group.attach()]) };
  };

  test('by kill -9 leaves its client in doubt, and commits the row when it starts again, though no replica has it', async () => {
    const ours = await openOurs(group.primary, group.accounts.app);
    for (const replica of group.replicas) await administer(replica, 'STOP REPLICA IO_THREAD');
    const reading = readingOf(ours.run({ summary: 'a test', sql: insert(7) }, [], inTenSeconds()));
    await group.untilWaiting(1);
    await group.primary.kill('SIGKILL');
    expect(await reading).toMatchObject({ code: 'PROTOCOL_CONNECTION_LOST', certainty: 'ambiguous' });
    const { attach } = await restart();
    expect(await see(group.primary, count(7))).toBe('1');
    for (const replica of group.replicas) expect(await see(replica, count(7))).toBe('0');
    await attach();
    await group.untilAllSee(count(7), '1');
  });

  test('by a shutdown: MariaDB ends the client in doubt; MySQL answers OK, though no replica has the row', async () => {
    const [waiting, idle] = [
      await openOurs(group.primary, group.accounts.app),
      await openOurs(group.primary, group.accounts.app),
    ];
    for (const replica of group.replicas) await administer(replica, 'STOP REPLICA IO_THREAD');
    const outcome = outcomeOf(waiting.run({ summary: 'a test', sql: insert(8) }, [], inTenSeconds()));
    await group.untilWaiting(1);
    const ended = group.primary.kill('SIGTERM');
    expect(await outcome).toBe(onThisServer({ mariadb: 'PROTOCOL_CONNECTION_LOST ambiguous', mysql: 'OK 1' }));
    // Whatever a session is told that had nothing under way: its statement is not called written.
    const refused = await readingOf(idle.run({ summary: 'a test', sql: insert(9) }, [], inTenSeconds()));
    // MySQL can take ten seconds to end. MariaDB ends at once, and must not be cut short: killed in the middle of its shutdown it may refuse
    // to start ("Found 1 prepared transactions").
    if (serverUnderTest === 'mysql') await group.primary.kill('SIGKILL');
    await ended;
    expect(['ambiguous', 'not_written']).toContain(refused.certainty);
    for (const replica of group.replicas) expect(await see(replica, count(8))).toBe('0');
    const { attach } = await restart();
    expect(await see(group.primary, count(8))).toBe('1');
    expect(await see(group.primary, count(9))).toBe('0');
    await attach();
  });
});
