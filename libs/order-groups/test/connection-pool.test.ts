import { systemClock } from '@tillmesh/clock';
import { afterEach, describe, expect, test } from 'vitest';
import type { Connection, Deadline, Statement } from '../src/connection.ts';
import { type ConnectionPool, createConnectionPool, type PoolLimits } from '../src/connection-pool.ts';
import type { DatabaseError } from '../src/database-error.ts';
import type { Endpoint } from '../src/group-map.ts';
import { type StatementAnswer, startDatabaseServer, startMuteServer, type WireServer } from './wire-servers.ts';

// Two noisy cores: what takes 300 ms by design is allowed a quarter of a second more.
const SLACK_MS = 250;

const toClose: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).toReversed()) await close();
});

const poolOf = (endpoint: Endpoint, limits: Partial<PoolLimits> = {}): ConnectionPool => {
  const pool = createConnectionPool({
    endpoint,
    account: { user: 'u', password: 'p', database: 'd' },
    limits: { connectionsMax: 2, waitersMax: 2, waitMsMax: 200, idleMin: 0, ...limits },
    clock: systemClock,
  });
  toClose.push(() => pool.close());
  return pool;
};

const kept = async (server: Promise<WireServer>): Promise<WireServer> => {
  const started = await server;
  toClose.push(() => started.close());
  return started;
};

const database = (answerOf: (sql: string) => StatementAnswer = () => 'ok') => kept(startDatabaseServer(answerOf));

const within = (ms: number): Deadline => ({ atMs: systemClock.monotonicMs() + ms });
const statement = (sql: string): Statement => ({ summary: 'a test', sql, text: true });
const run = (connection: Connection, sql: string, deadline: Deadline) => connection.run(statement(sql), [], deadline);

const failureOf = async (
  promise: Promise<unknown>,
): Promise<Pick<DatabaseError, 'code' | 'certainty'> & { readonly afterMs: number }> => {
  const beganMs = systemClock.monotonicMs();
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as DatabaseError,
  );
  expect(error).toMatchObject({ name: 'DatabaseError' });
  return {
    code: error?.code ?? '',
    certainty: error?.certainty ?? 'ambiguous',
    afterMs: systemClock.monotonicMs() - beganMs,
  };
};

const nobodyIsCalled = async (): Promise<never> => {
  throw new Error('no connection could be had');
};

describe('a server that accepts and never answers', () => {
  test('is given up after 300 ms, nothing is written, and its socket is cut', async () => {
    const server = await kept(startMuteServer());
    const failure = await failureOf(poolOf(server.endpoint).use(within(5_000), nobodyIsCalled));
    expect(failure).toMatchObject({ certainty: 'not_written' });
    expect(failure.afterMs).toBeGreaterThanOrEqual(290);
    expect(failure.afterMs).toBeLessThan(300 + SLACK_MS);
    expect(server.accepted()).toBe(1);
    await server.untilOpen(0);
  });

  test('is given up at the deadline where that comes first', async () => {
    const server = await kept(startMuteServer());
    const failure = await failureOf(poolOf(server.endpoint).use(within(60), nobodyIsCalled));
    expect(failure).toMatchObject({ certainty: 'not_written' });
    expect(failure.afterMs).toBeLessThan(60 + SLACK_MS);
    await server.untilOpen(0);
  });

  test('holds up no more callers than the limits say: two connect, two wait, the others are refused at once', async () => {
    const server = await kept(startMuteServer());
    const pool = poolOf(server.endpoint, { waitMsMax: 100 });
    const failures = await Promise.all(
      Array.from({ length: 6 }, () => failureOf(pool.use(within(5_000), nobodyIsCalled))),
    );
    const [, , third, fourth, fifth, sixth] = failures;
    for (const refused of [fifth, sixth]) {
      expect(refused).toMatchObject({ code: 'TILLMESH_POOL_FULL', certainty: 'not_written' });
      expect(refused?.afterMs).toBeLessThan(80);
    }
    for (const waited of [third, fourth]) {
      expect(waited).toMatchObject({ code: 'TILLMESH_POOL_FULL', certainty: 'not_written' });
      expect(waited?.afterMs).toBeGreaterThanOrEqual(95);
    }
    expect(server.accepted()).toBe(2);
    await server.untilOpen(0);
  });
});

test('a server that is not there is known to have written nothing', async () => {
  const server = await startMuteServer();
  await server.close();
  expect(await failureOf(poolOf(server.endpoint).use(within(1_000), nobodyIsCalled))).toMatchObject({
    code: 'ECONNREFUSED',
    certainty: 'not_written',
  });
});

describe('a statement', () => {
  test('that is not answered by its deadline is ambiguous, its socket is cut, and the next caller gets a new one', async () => {
    const server = await database((sql) => (sql === 'HANG' ? 'silence' : 'ok'));
    const pool = poolOf(server.endpoint);
    const failure = await failureOf(pool.use(within(100), (connection) => run(connection, 'HANG', within(100))));
    expect(failure).toMatchObject({ code: 'TILLMESH_TIME_UP', certainty: 'ambiguous' });
    expect(failure.afterMs).toBeLessThan(100 + SLACK_MS);
    await server.untilOpen(0);
    await pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)));
    expect(server.accepted()).toBe(2);
  });

  test('whose deadline is over already is not sent', async () => {
    const asked: string[] = [];
    const server = await database((sql) => {
      asked.push(sql);
      return 'ok';
    });
    const late = poolOf(server.endpoint).use(within(1_000), (connection) => run(connection, 'LATE', within(-1)));
    expect(await failureOf(late)).toMatchObject({ code: 'TILLMESH_NO_TIME_LEFT', certainty: 'not_written' });
    expect(asked).toEqual([]);
  });

  test('that the server refuses leaves the connection in use', async () => {
    const server = await database((sql) =>
      sql === 'TWICE' ? { number: 1062, message: "Duplicate entry '1' for key 'merchant_order'" } : 'ok',
    );
    const pool = poolOf(server.endpoint);
    const refused = pool.use(within(1_000), (connection) => run(connection, 'TWICE', within(1_000)));
    expect(await failureOf(refused)).toMatchObject({ code: 'ER_DUP_ENTRY', certainty: 'not_written' });
    await pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)));
    expect(server.accepted()).toBe(1);
  });

  test('that ends in an ambiguous error cuts the connection: what it does further is nobody’s to use', async () => {
    const server = await database((sql) => (sql === 'END' ? { number: 1053, message: 'shutting down' } : 'ok'));
    const pool = poolOf(server.endpoint);
    const ended = pool.use(within(1_000), (connection) => run(connection, 'END', within(1_000)));
    expect(await failureOf(ended)).toMatchObject({ code: 'ER_SERVER_SHUTDOWN', certainty: 'ambiguous' });
    await server.untilOpen(0);
  });

  test('during which the server goes away is ambiguous', async () => {
    const server = await database(() => 'silence');
    const broken = poolOf(server.endpoint).use(within(2_000), (connection) => {
      const answer = run(connection, 'HANG', within(2_000));
      server.dropAll();
      return answer;
    });
    expect(await failureOf(broken)).toMatchObject({ certainty: 'ambiguous' });
  });
});

describe('a pool', () => {
  const borrow = async (pool: ConnectionPool) => {
    const release = Promise.withResolvers<void>();
    const borrowed = Promise.withResolvers<Connection>();
    const done = pool.use(within(5_000), async (connection) => {
      borrowed.resolve(connection);
      await release.promise;
    });
    return { connection: await borrowed.promise, giveBack: () => release.resolve(), done };
  };

  test('lends a connection again, and opens no second one while one is idle', async () => {
    const server = await database();
    const pool = poolOf(server.endpoint);
    for (let n = 0; n < 5; n += 1)
      await pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)));
    expect(server.accepted()).toBe(1);
  });

  test('serves those who wait in their order, as soon as a connection is given back', async () => {
    const server = await database();
    const pool = poolOf(server.endpoint, { connectionsMax: 1, waitMsMax: 1_000 });
    const first = await borrow(pool);
    const served: string[] = [];
    const waiting = ['second', 'third'].map((name) =>
      pool.use(within(1_000), async () => {
        served.push(name);
      }),
    );
    expect(await failureOf(pool.use(within(1_000), nobodyIsCalled))).toMatchObject({ code: 'TILLMESH_POOL_FULL' });
    first.giveBack();
    await Promise.all(waiting);
    expect(served).toEqual(['second', 'third']);
    expect(server.accepted()).toBe(1);
  });

  test('lets a caller wait no longer than its deadline, and forgets it then', async () => {
    const server = await database();
    const pool = poolOf(server.endpoint, { connectionsMax: 1, waitersMax: 1, waitMsMax: 5_000 });
    const first = await borrow(pool);
    const failure = await failureOf(pool.use(within(50), nobodyIsCalled));
    expect(failure).toMatchObject({ code: 'TILLMESH_POOL_FULL', certainty: 'not_written' });
    expect(failure.afterMs).toBeLessThan(50 + SLACK_MS);
    // Its place in the line is free, and a connection that comes back is not given to somebody who has gone.
    const next = pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)));
    first.giveBack();
    expect(await next).toMatchObject({ affectedRows: 0 });
  });

  test('does not lend a connection that broke while it was idle', async () => {
    const server = await database();
    const pool = poolOf(server.endpoint);
    await pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)));
    server.dropAll();
    await server.untilOpen(0);
    // The end of a socket is noticed one turn of the event loop later.
    await systemClock.sleep(20);
    await pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)));
    expect(server.accepted()).toBe(2);
  });

  test('that is warmed keeps connections open for a sudden need, and no more than it may', async () => {
    const server = await database();
    const pool = poolOf(server.endpoint, { connectionsMax: 3, idleMin: 2 });
    await pool.warm(within(1_000));
    await pool.warm(within(1_000));
    expect(server.accepted()).toBe(2);
    await Promise.all(
      [1, 2].map(() => pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)))),
    );
    expect(server.accepted()).toBe(2);
    const lent = [await borrow(pool), await borrow(pool), await borrow(pool)];
    await pool.warm(within(1_000));
    expect(server.accepted()).toBe(3);
    for (const one of lent) one.giveBack();
    await Promise.all(lent.map((one) => one.done));
  });

  test('that is recycled cuts idle connections at once and lent ones when they come back', async () => {
    const server = await database();
    const pool = poolOf(server.endpoint);
    const lent = await borrow(pool);
    await pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)));
    await server.untilOpen(2);
    pool.recycle();
    await server.untilOpen(1);
    await run(lent.connection, 'PING', within(1_000));
    lent.giveBack();
    await lent.done;
    await server.untilOpen(0);
    await pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)));
    expect(server.accepted()).toBe(3);
  });

  test('that is closed lends no more and keeps nothing', async () => {
    const server = await database();
    const pool = poolOf(server.endpoint);
    const lent = await borrow(pool);
    pool.close();
    expect(await failureOf(pool.use(within(1_000), nobodyIsCalled))).toMatchObject({ code: 'TILLMESH_CLOSED' });
    lent.giveBack();
    await lent.done;
    await server.untilOpen(0);
  });

  test('gives its place on when the work throws something of its own', async () => {
    const server = await database();
    const pool = poolOf(server.endpoint, { connectionsMax: 1, waitersMax: 0 });
    await expect(pool.use(within(1_000), nobodyIsCalled)).rejects.toThrow('no connection could be had');
    await pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)));
    expect(server.accepted()).toBe(1);
  });

  test('never has more connections open than it may, whatever is asked of it at once', async () => {
    const server = await database();
    const pool = poolOf(server.endpoint, { connectionsMax: 3, waitersMax: 50, waitMsMax: 1_000 });
    await Promise.all(
      Array.from({ length: 20 }, () => pool.use(within(1_000), (connection) => run(connection, 'PING', within(1_000)))),
    );
    expect(server.accepted()).toBe(3);
  });
});
