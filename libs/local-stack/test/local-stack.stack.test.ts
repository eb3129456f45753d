import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalNode, type LocalStack, ownerOfLocalStack, startLocalStack } from '../src/index.ts';
import { processIdentity } from '../src/process-identity.ts';
import { within } from '../src/waiting.ts';
import { asAccount, rowOf, valuesOf } from './databases.ts';
import { eventually } from './temporary-folder.ts';

// One group and one Redis for all tests of this file; each test leaves all servers running.
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-stack-'));
let stack: LocalStack;
const progress: string[] = [];

beforeAll(async () => {
  stack = await startLocalStack({
    folder,
    groupTags: [5],
    redis: true,
    clock: systemClock,
    onProgress: (line) => progress.push(line),
  });
  await asAccount(primary(), stack.accounts.migrate, (connection) =>
    connection.query('CREATE TABLE note (id INT PRIMARY KEY, text VARCHAR(100) NOT NULL) ENGINE = InnoDB'),
  );
  // One acknowledgement is enough for the primary, so the other replica may still be without the table.
  for (const replica of group().replicas()) await tableArrives(replica);
});

afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true, force: true });
});

const group = () => {
  const [first] = stack.groups;
  if (first === undefined) throw new Error('the group was not started');
  return first;
};
const primary = (): LocalNode => group().primary();
const firstReplica = (): LocalNode => {
  const [replica] = group().replicas();
  if (replica === undefined) throw new Error('the group has no replica');
  return replica;
};
const redis = () => {
  if (stack.redis === undefined) throw new Error('Redis was not started');
  return stack.redis;
};

const write = (id: number, node = primary()) =>
  asAccount(node, stack.accounts.app, (connection) =>
    connection.query('INSERT INTO note (id, text) VALUES (?, ?)', [id, 'Kaffee & 茶']),
  );
const has = (node: LocalNode, id: number) =>
  asAccount(node, stack.accounts.read, (connection) => valuesOf(connection, `SELECT text FROM note WHERE id = ${id}`));
const tableArrives = (node: LocalNode) =>
  eventually(`the table on ${node.name}`, () =>
    asAccount(node, stack.accounts.read, async (connection) => {
      const tables = await valuesOf(connection, "SHOW TABLES LIKE 'note'");
      return tables.length === 1 ? true : undefined;
    }),
  );
const arrives = (node: LocalNode, id: number) =>
  eventually(`row ${id} on ${node.name}`, async () => ((await has(node, id)).length === 1 ? true : undefined));
const semiSync = () =>
  primary().administer(async (connection) => {
    const status = async (name: string) =>
      (await rowOf(connection, `SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_${name}'`))['Value'];
    return { status: await status('status'), clients: await status('clients'), noTransactions: await status('no_tx') };
  });
const healthyAgain = () =>
  eventually('two semi-sync replicas', async () => ((await semiSync()).clients === '2' ? true : undefined));

describe('a group', () => {
  test('has one primary and two replicas that acknowledge what is in their logs before anybody sees it', async () => {
    expect(await semiSync()).toEqual({ status: 'ON', clients: '2', noTransactions: '0' });
    const settings = await asAccount(primary(), stack.accounts.app, (connection) =>
      rowOf(
        connection,
        `SELECT @@rpl_semi_sync_master_wait_point AS waitPoint, @@rpl_semi_sync_master_timeout AS timeoutMs,
           @@rpl_semi_sync_master_wait_no_slave AS waitWithout, @@sync_binlog AS syncBinlog,
           @@innodb_flush_log_at_trx_commit AS flush, @@binlog_format AS format, @@gtid_strict_mode AS strict,
           @@log_slave_updates AS updates, @@innodb_lock_wait_timeout AS lockSeconds, @@time_zone AS zone,
           @@character_set_server AS charset, @@performance_schema AS performance, @@read_only AS readOnly`,
      ),
    );
    expect(settings).toEqual({
      waitPoint: 'AFTER_SYNC',
      timeoutMs: 86_400_000,
      waitWithout: 1,
      syncBinlog: 1,
      flush: 1,
      format: 'ROW',
      strict: 1,
      updates: 1,
      lockSeconds: 1,
      zone: '+00:00',
      charset: 'utf8mb4',
      performance: 0,
      readOnly: 0,
    });
  });

  test('shows a row that was written to the primary on both replicas', async () => {
    await write(1);
    for (const replica of group().replicas()) {
      await arrives(replica, 1);
      expect(await has(replica, 1)).toEqual(['Kaffee & 茶']);
    }
  });

  test('takes no write of a service or of a migration on a replica', async () => {
    for (const replica of group().replicas()) {
      await expect(write(2, replica)).rejects.toMatchObject({ code: 'ER_OPTION_PREVENTS_STATEMENT' });
      const migration = asAccount(replica, stack.accounts.migrate, (connection) =>
        connection.query('CREATE TABLE other (id INT PRIMARY KEY)'),
      );
      await expect(migration).rejects.toMatchObject({ code: 'ER_OPTION_PREVENTS_STATEMENT' });
    }
  });

  test('listens on 127.0.0.1 only and names its nodes after its tag', () => {
    expect(group().nodes.map(({ name, host, serverId }) => [name, host, serverId])).toEqual([
      ['g5-a', '127.0.0.1', 51],
      ['g5-b', '127.0.0.1', 52],
      ['g5-c', '127.0.0.1', 53],
    ]);
    expect(progress).toContainEqual(expect.stringMatching(/^group 5 takes writes: primary 127\.0\.0\.1:\d+/));
  });
});

describe('the accounts', () => {
  const GRANTS: readonly (readonly [
    'app' | 'events' | 'lists' | 'migrate' | 'read' | 'replication',
    readonly string[],
  ])[] = [
    ['app', ['GRANT SLAVE MONITOR ON *.*', 'GRANT SELECT, INSERT, UPDATE, DELETE ON `tillmesh`.*']],
    ['migrate', ['GRANT USAGE ON *.*', 'GRANT ALL PRIVILEGES ON `tillmesh`.*']],
    [
      'read',
      [
        'GRANT SLAVE MONITOR ON *.*',
        'GRANT SELECT ON `tillmesh`.*',
        'GRANT SELECT ON `tillmesh_events`.*',
        'GRANT SELECT ON `tillmesh_lists`.*',
      ],
    ],
    ['lists', ['GRANT USAGE ON *.*', 'GRANT ALL PRIVILEGES ON `tillmesh_lists`.*']],
    ['events', ['GRANT USAGE ON *.*', 'GRANT ALL PRIVILEGES ON `tillmesh_events`.*']],
    ['replication', ['GRANT REPLICATION SLAVE ON *.*']],
  ];
  for (const [name, grants] of GRANTS) {
    test(`let ${name} do exactly: ${grants.join('; ')}, on every node`, async () => {
      for (const node of group().nodes) {
        const shown = await node.administer((connection) =>
          valuesOf(connection, `SHOW GRANTS FOR '${name}'@'127.0.0.1'`),
        );
        expect(shown.map((grant) => String(grant).replace(/ TO .*$/, '')).toSorted()).toEqual(grants.toSorted());
      }
    });
  }

  test('of the services can read how far a replica is', async () => {
    for (const account of [stack.accounts.app, stack.accounts.read]) {
      const state = await asAccount(firstReplica(), account, (connection) => rowOf(connection, 'SHOW SLAVE STATUS'));
      expect(state).toMatchObject({ Slave_IO_Running: 'Yes', Slave_SQL_Running: 'Yes', Using_Gtid: 'Slave_Pos' });
    }
  });

  test('include nobody who could come in over TCP without a password, or as administrator', async () => {
    const users = await primary().administer((connection) =>
      valuesOf(
        connection,
        `SELECT CONCAT(User, '@', Host) FROM mysql.global_priv
         WHERE JSON_VALUE(Priv, '$.account_locked') IS NULL ORDER BY 1`,
      ),
    );
    expect(users).toEqual([
      'app@127.0.0.1',
      'events@127.0.0.1',
      'lists@127.0.0.1',
      'migrate@127.0.0.1',
      'read@127.0.0.1',
      'replication@127.0.0.1',
      'root@localhost',
    ]);
  });

  test('let a migration make triggers and foreign keys', async () => {
    await asAccount(primary(), stack.accounts.migrate, async (connection) => {
      await connection.query('CREATE TABLE parent (id INT PRIMARY KEY)');
      await connection.query(
        'CREATE TABLE child (id INT PRIMARY KEY, CONSTRAINT up FOREIGN KEY (id) REFERENCES parent (id))',
      );
      await connection.query('CREATE TRIGGER no_zero BEFORE INSERT ON parent FOR EACH ROW SET NEW.id = NEW.id + 1');
      await connection.query('DROP TABLE child, parent');
    });
  });
});

describe('after kill -9 of the primary', () => {
  test('it comes back on the same data, with semi-sync on, and takes writes', async () => {
    await write(10);
    const before = primary().pid;
    await primary().kill('SIGKILL');
    expect(primary().isRunning()).toBe(false);
    await expect(write(11)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await primary().start();
    expect(primary().pid).not.toBe(before);
    expect((await semiSync()).status).toBe('ON');
    expect(await has(primary(), 10)).toHaveLength(1);
    await write(11);
    for (const replica of group().replicas()) await arrives(replica, 11);
    await healthyAgain();
  });

  test('it stays read-only while no replica is there, and opens when one comes', async () => {
    await Promise.all(group().nodes.map((node) => node.kill('SIGKILL')));
    const start = primary().start();
    // Long enough for a start that does not wait for a replica, which takes a fifth of a second.
    const opened = await within(
      systemClock,
      1_500,
      start.then(() => 'opened'),
    );
    expect(opened).toBe('late');
    await expect(write(20)).rejects.toMatchObject({ code: 'ER_OPTION_PREVENTS_STATEMENT' });
    await firstReplica().start();
    await start;
    await write(20);
    await Promise.all(group().nodes.map((node) => node.start()));
    await healthyAgain();
  });
});

describe('after kill -9 of a replica', () => {
  test('it comes back and catches up', async () => {
    const replica = firstReplica();
    await replica.kill('SIGKILL');
    await write(30);
    await replica.start();
    await arrives(replica, 30);
    await expect(write(31, replica)).rejects.toMatchObject({ code: 'ER_OPTION_PREVENTS_STATEMENT' });
    await healthyAgain();
  });

  test('whoever kills it and starts it in one breath gets a new process', async () => {
    const replica = firstReplica();
    const before = replica.pid;
    const killed = replica.kill('SIGKILL');
    await Promise.all([killed, replica.start(), replica.start()]);
    expect(replica.isRunning()).toBe(true);
    expect(replica.pid).not.toBe(before);
    await healthyAgain();
  });

  test('it still has what it had acknowledged but not executed, although the primary is gone', async () => {
    const [replica, other] = group().replicas();
    if (replica === undefined || other === undefined) throw new Error('two replicas are expected');
    await replica.administer((connection) => connection.query('STOP SLAVE SQL_THREAD'));
    await other.kill('SIGKILL');
    for (const id of [40, 41, 42]) await write(id);
    expect(await has(replica, 42)).toEqual([]);
    await Promise.all([primary().kill('SIGKILL'), replica.kill('SIGKILL')]);
    await replica.start();
    for (const id of [40, 41, 42]) expect(await has(replica, id)).toHaveLength(1);
    await Promise.all(group().nodes.map((node) => node.start()));
    await write(43);
    await arrives(replica, 43);
    await healthyAgain();
  });
});

test('a primary that is frozen goes on where it was when it is let go on', async () => {
  await primary().kill('SIGSTOP');
  expect(primary().isRunning()).toBe(true);
  const held = write(50);
  await primary().kill('SIGCONT');
  await held;
  await healthyAgain();
});

describe('Redis', () => {
  const ask = async <T>(work: (client: Redis) => Promise<T>): Promise<T> => {
    const client = new Redis({ host: redis().host, port: redis().port, maxRetriesPerRequest: 0 });
    try {
      return await work(client);
    } finally {
      client.disconnect();
    }
  };

  test('comes back with its data after kill -9', async () => {
    await ask((client) => client.set('schedule', 'kept'));
    await redis().kill('SIGKILL');
    expect(redis().isRunning()).toBe(false);
    await redis().start();
    expect(await ask((client) => client.get('schedule'))).toBe('kept');
  });

  test('keeps its data in the append-only file alone and refuses rather than forgets', async () => {
    const settings = await ask((client) => client.config('GET', 'append*', 'save', 'maxmemory-policy', 'bind'));
    const pairs = Object.fromEntries(
      settings.flatMap((name, index, all) => (index % 2 === 0 ? [[name, all[index + 1]]] : [])),
    );
    expect(pairs).toMatchObject({
      appendonly: 'yes',
      appendfsync: 'everysec',
      save: '',
      'maxmemory-policy': 'noeviction',
      bind: '127.0.0.1',
    });
  });
});

// The last tests of the file: they stop the stack and start it again.
describe('the stack', () => {
  test('cannot be started twice on the same data', async () => {
    expect(ownerOfLocalStack(folder)).toBe(process.pid);
    const second = startLocalStack({ folder, groupTags: [5], redis: true, clock: systemClock });
    await expect(second).rejects.toMatchObject({
      problem: 'folder_in_use',
      message: expect.stringContaining(`kill ${process.pid}`) as unknown,
    });
    expect(primary().isRunning()).toBe(true);
  });

  test('leaves no process when it is stopped, also when some servers are dead or frozen, in less than three seconds', async () => {
    const servers = [...group().nodes, redis()];
    const pids = servers.map((server) => server.pid ?? 0);
    await firstReplica().kill('SIGKILL');
    await group().nodes[2]?.kill('SIGSTOP');
    const beganMs = systemClock.monotonicMs();
    await stack.stop();
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(3_000);
    expect(servers.map((server) => server.isRunning())).toEqual([false, false, false, false]);
    expect(pids.map(processIdentity)).toEqual([undefined, undefined, undefined, undefined]);
    expect(readdirSync(join(folder, 'logs')).filter((file) => file.endsWith('.pid'))).toEqual([]);
    expect(existsSync(join(folder, 'owner.json'))).toBe(false);
  });

  test('starts again with the same data, ports and passwords', async () => {
    const before = { ports: group().nodes.map(({ port }) => port), password: stack.accounts.app.password.reveal() };
    stack = await startLocalStack({ folder, groupTags: [5], redis: true, clock: systemClock });
    expect({
      ports: group().nodes.map(({ port }) => port),
      password: stack.accounts.app.password.reveal(),
    }).toEqual(before);
    for (const node of group().nodes) expect(await has(node, 1)).toHaveLength(1);
    await write(60);
  });

  test('makes a replica anew from the primary when its folder was deleted', async () => {
    await stack.stop();
    rmSync(join(folder, 'g5-b'), { recursive: true });
    stack = await startLocalStack({ folder, groupTags: [5], redis: true, clock: systemClock });
    expect(await has(firstReplica(), 60)).toHaveLength(1);
  });
});
