import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findMysql, type LocalNode, type LocalStack, startLocalStack } from '../src/index.ts';
import { asAccount, rowOf, valuesOf } from './databases.ts';
import { eventually } from './temporary-folder.ts';

const missing = 'problem' in (await findMysql());
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-mysql-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

// On MySQL the local stack is for those who fetch one; the same stack on MariaDB is tested everywhere.
describe.skipIf(missing)('a stack on MySQL (skipped where there is none: npm run mysql:get)', () => {
  let stack: LocalStack;
  const start = () => startLocalStack({ folder, groupTags: [6], redis: false, server: 'mysql', clock: systemClock });
  const nodes = (): readonly [LocalNode, LocalNode, LocalNode] => {
    const [a, b, c] = stack.groups[0]?.nodes ?? [];
    if (a === undefined || b === undefined || c === undefined) throw new Error('a group has three nodes');
    return [a, b, c];
  };
  const write = (id: number) =>
    asAccount(nodes()[0], stack.accounts.app, (connection) =>
      connection.query('INSERT INTO note (id) VALUES (?)', [id]),
    );
  const arrives = (node: LocalNode, id: number) =>
    eventually(`row ${id} on ${node.name}`, async () => {
      const found = await asAccount(node, stack.accounts.read, (connection) =>
        valuesOf(connection, `SELECT id FROM note WHERE id = ${id}`),
      );
      return found.length === 1 ? true : undefined;
    });

  beforeAll(async () => {
    stack = await start();
    await asAccount(nodes()[0], stack.accounts.migrate, (connection) =>
      connection.query('CREATE TABLE note (id INT PRIMARY KEY)'),
    );
  });
  afterAll(() => stack.stop());

  test('has a primary that waits for an acknowledgement and two replicas that nobody can write to', async () => {
    const settings = (node: LocalNode) =>
      node.administer((connection) =>
        rowOf(
          connection,
          `SELECT @@rpl_semi_sync_source_enabled AS waits, @@rpl_semi_sync_source_wait_point AS waitPoint,
             @@rpl_semi_sync_source_timeout AS timeoutMs, @@rpl_semi_sync_source_wait_no_replica AS waitWithout,
             @@sync_binlog AS syncBinlog, @@innodb_flush_log_at_trx_commit AS flush, @@binlog_format AS format,
             @@gtid_mode AS gtid, @@relay_log_recovery AS relayLogRecovery, @@innodb_lock_wait_timeout AS lockSeconds,
             @@super_read_only AS superReadOnly, @@read_only AS readOnly, @@replica_net_timeout AS netSeconds`,
        ),
      );
    const everywhere = {
      waitPoint: 'AFTER_SYNC',
      timeoutMs: '86400000',
      waitWithout: '1',
      syncBinlog: '1',
      flush: '1',
      format: 'ROW',
      gtid: 'ON',
      relayLogRecovery: '0',
      lockSeconds: '1',
      netSeconds: '4',
    };
    const [primary, ...replicas] = nodes();
    expect(await settings(primary)).toEqual({ ...everywhere, waits: '1', superReadOnly: '0', readOnly: '0' });
    for (const replica of replicas) {
      expect(await settings(replica)).toEqual({ ...everywhere, waits: '0', superReadOnly: '1', readOnly: '1' });
    }
  });

  test('has accounts with exactly the rights they need, on every node', async () => {
    const GRANTS = [
      ['app', ['GRANT REPLICATION CLIENT ON *.*', 'GRANT SELECT, INSERT, UPDATE, DELETE ON `tillmesh`.*']],
      ['migrate', ['GRANT USAGE ON *.*', 'GRANT ALL PRIVILEGES ON `tillmesh`.*']],
      [
        'read',
        ['GRANT REPLICATION CLIENT ON *.*', 'GRANT SELECT ON `tillmesh`.*', 'GRANT SELECT ON `tillmesh_lists`.*'],
      ],
      ['lists', ['GRANT USAGE ON *.*', 'GRANT ALL PRIVILEGES ON `tillmesh_lists`.*']],
      ['replication', ['GRANT REPLICATION SLAVE ON *.*']],
    ] as const;
    for (const node of nodes()) {
      for (const [name, grants] of GRANTS) {
        const shown = await node.administer((connection) =>
          valuesOf(connection, `SHOW GRANTS FOR '${name}'@'127.0.0.1'`),
        );
        expect(shown.map((grant) => String(grant).replace(/ TO .*$/, ''))).toEqual(grants);
      }
    }
  });

  test('survives kill -9 of each of its servers', async () => {
    const [primary, first, second] = nodes();
    await write(1);
    for (const node of [primary, first, second]) {
      await node.kill('SIGKILL');
      await node.start();
    }
    await write(2);
    for (const node of [first, second]) for (const id of [1, 2]) await arrives(node, id);
  });

  test('starts again on its data, with nodes that are the same servers as before', async () => {
    const uuids = () =>
      Promise.all(nodes().map((node) => node.administer((connection) => valuesOf(connection, 'SELECT @@server_uuid'))));
    const before = await uuids();
    expect(new Set(before.flat()).size).toBe(3);
    await stack.stop();
    stack = await start();
    expect(await uuids()).toEqual(before);
    await write(3);
    for (const node of nodes()) for (const id of [1, 2, 3]) await arrives(node, id);
  });
});
