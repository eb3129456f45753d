import { systemClock } from '@tillmesh/clock';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OrderGroups } from '../src/index.ts';
import { administer, see } from './conformance/node-control.ts';
import { type GroupsUnderTest, startGroups } from './groups-under-test.ts';
import { newPayment } from './new-payment.ts';
import { onThisServer } from './server-under-test.ts';

let underTest: GroupsUnderTest;
let groups: OrderGroups;

beforeAll(async () => {
  underTest = await startGroups([1, 2]);
  groups = await underTest.open();
});

afterAll(async () => {
  await underTest.close();
});

const groupOf = (tag: number) => {
  const group = underTest.stack.groups.find((candidate) => candidate.tag === tag);
  if (group === undefined) throw new Error(`no group ${tag}`);
  return group;
};
const primary = () => groupOf(1).primary();
const nameOf = ({ host, port }: { readonly host: string; readonly port: number }) => `${host}:${port}`;
const noteOf = (tag: number) => groups.status().find((group) => group.tag === tag)?.note;
const codesAt = async (node: { readonly host: string; readonly port: number }) =>
  (await groups.findings())
    .filter((finding) => finding.node === nameOf(node))
    .map(({ code, weight }) => [code, weight]);
const eventually = (read: () => unknown, timeout = 5_000) => expect.poll(read, { timeout, interval: 50 });

const semiSync = (mariadb: string, mysql = mariadb) =>
  onThisServer({ mariadb: `rpl_semi_sync_master_${mariadb}`, mysql: `rpl_semi_sync_source_${mysql}` });

/** A setting, a value that loses orders or is worth mending, and what is said of it. */
const SETTINGS: readonly (readonly [setting: string, bad: string, code: string, weight: 'unsafe' | 'warning'])[] = [
  [semiSync('enabled'), 'OFF', 'semi_sync_off', 'unsafe'],
  [semiSync('wait_point'), "'AFTER_COMMIT'", 'wait_point', 'unsafe'],
  [semiSync('timeout'), '10000', 'ack_timeout', 'unsafe'],
  [semiSync('wait_no_slave', 'wait_no_replica'), 'OFF', 'wait_no_replica', 'unsafe'],
  ['sync_binlog', '0', 'sync_binlog', 'unsafe'],
  ['innodb_flush_log_at_trx_commit', '2', 'flush_at_commit', 'unsafe'],
  ['binlog_format', "'MIXED'", 'binlog_format', 'unsafe'],
  ['sql_mode', "''", 'sql_mode', 'unsafe'],
  [
    onThisServer({ mariadb: 'tx_isolation', mysql: 'transaction_isolation' }),
    "'READ-UNCOMMITTED'",
    'isolation',
    'unsafe',
  ],
  [
    onThisServer({ mariadb: 'tx_isolation', mysql: 'transaction_isolation' }),
    "'SERIALIZABLE'",
    'serializable',
    'warning',
  ],
  ['time_zone', "'+08:00'", 'time_zone', 'warning'],
  ['max_allowed_packet', '65536', 'packet', 'warning'],
  ['innodb_lock_wait_timeout', '50', 'lock_wait', 'warning'],
  ...onThisServer<readonly (readonly [string, string, string, 'unsafe' | 'warning'])[]>({
    mariadb: [['gtid_strict_mode', 'OFF', 'gtid', 'unsafe']],
    mysql: [
      ['gtid_mode', 'ON_PERMISSIVE', 'gtid', 'unsafe'],
      ['rpl_semi_sync_source_wait_for_replica_count', '2', 'acknowledgements', 'warning'],
    ],
  }),
];

const quoted = (value: string | undefined): string => (/^\d+$/.test(value ?? '') ? String(value) : `'${value}'`);

test('servers of a local stack have nothing against them, primaries and replicas alike', async () => {
  expect(await groups.findings()).toEqual([]);
});

describe('while it runs, a primary', () => {
  test.each(SETTINGS)(
    'whose %s becomes %s is found as %s (%s), and found well again',
    async (setting, bad, code, weight) => {
      const before = await see(primary(), `SELECT @@GLOBAL.${setting}`);
      await administer(primary(), `SET GLOBAL ${setting} = ${bad}`);
      try {
        await eventually(() => codesAt(primary())).toContainEqual([code, weight]);
        if (weight === 'unsafe') {
          await eventually(() => noteOf(1), 2_000).not.toBe('');
          expect(noteOf(1)).toContain(';');
          expect(noteOf(2)).toBe('');
          // New orders go on in the other group, those whose home this is included.
          for (let count = 0; count < 4; count += 1) {
            const created = await groups.create(newPayment());
            expect(created.kind).toBe('payable');
            if (created.kind === 'payable') expect(created.orderNo.slice(15, 18)).toBe('002');
          }
        } else expect(noteOf(1)).toBe('');
      } finally {
        await administer(primary(), `SET GLOBAL ${setting} = ${quoted(before)}`);
      }
      await eventually(() => codesAt(primary())).toEqual([]);
      await eventually(() => noteOf(1)).toBe('');
      await eventually(() => groups.status()[0]?.circuit).toBe('closed');
    },
  );

  test('to which no replica is attached any more is avoided until one is', async () => {
    const replicas = groupOf(1).replicas();
    await Promise.all(replicas.map((replica) => administer(replica, 'STOP REPLICA IO_THREAD')));
    try {
      await eventually(() => noteOf(1), 4_000).toContain('no replica acknowledges');
    } finally {
      await Promise.all(replicas.map((replica) => administer(replica, 'START REPLICA IO_THREAD')));
    }
    await eventually(() => noteOf(1), 10_000).toBe('');
  });

  test('whose replicas are away longer than it waits acknowledges without them, and both is found', async () => {
    const replicas = groupOf(1).replicas();
    await groups.findings();
    const found = new Set<string | undefined>();
    await Promise.all(replicas.map((replica) => administer(replica, 'STOP REPLICA IO_THREAD')));
    try {
      await administer(
        primary(),
        `SET GLOBAL ${semiSync('timeout')} = 200`,
        'UPDATE heartbeat SET beats = beats + 1000',
      );
      for (const [code] of await codesAt(primary())) found.add(code);
      expect([...found]).toEqual(expect.arrayContaining(['semi_sync_off', 'unacknowledged', 'ack_timeout']));
    } finally {
      await administer(primary(), `SET GLOBAL ${semiSync('timeout')} = 86400000`);
      await Promise.all(replicas.map((replica) => administer(replica, 'START REPLICA IO_THREAD')));
    }
    await eventually(() => codesAt(primary()), 10_000).toEqual([]);
    await eventually(() => noteOf(1), 10_000).toBe('');
  });
});

describe('the account', () => {
  const grant = (statement: string) => administer(primary(), 'SET SESSION sql_log_bin = 0', statement);
  const monitor = onThisServer({ mariadb: 'SLAVE MONITOR', mysql: 'REPLICATION CLIENT' });
  const admin = onThisServer({ mariadb: 'READ ONLY ADMIN', mysql: 'CONNECTION_ADMIN' });

  const GRANTS: readonly (readonly [what: string, wrong: string, right: string, code: string, weight: string])[] = [
    [
      'an administrator’s right',
      `GRANT ${admin} ON *.* TO`,
      `REVOKE ${admin} ON *.* FROM`,
      'too_many_grants',
      'unsafe',
    ],
    [
      'a right over tables',
      'GRANT DROP ON tillmesh.* TO',
      'REVOKE DROP ON tillmesh.* FROM',
      'schema_grants',
      'warning',
    ],
    [
      'no right to write',
      'REVOKE DELETE ON tillmesh.* FROM',
      'GRANT DELETE ON tillmesh.* TO',
      'too_few_grants',
      'warning',
    ],
    [
      'no sight of replication',
      `REVOKE ${monitor} ON *.* FROM`,
      `GRANT ${monitor} ON *.* TO`,
      'too_few_grants',
      'warning',
    ],
  ];

  test.each(GRANTS)('with %s is found, and found well again', async (_what, wrong, right, code, weight) => {
    const account = `'${underTest.stack.accounts.app.user}'@'127.0.0.1'`;
    await grant(`${wrong} ${account}`);
    try {
      await eventually(() => codesAt(primary())).toContainEqual([code, weight]);
      if (weight === 'unsafe') await eventually(() => noteOf(1)).toContain('it could write to a replaced primary');
    } finally {
      await grant(`${right} ${account}`);
    }
    await eventually(() => codesAt(primary())).toEqual([]);
    await eventually(() => noteOf(1)).toBe('');
  });
});

test('at start, a group whose primary would lose orders takes none, and says why', async () => {
  await administer(primary(), 'SET GLOBAL sync_binlog = 0');
  try {
    const beganMs = systemClock.monotonicMs();
    const started = await underTest.open();
    expect(started.status().find(({ tag }) => tag === 1)?.note).toContain('SET GLOBAL sync_binlog=1');
    expect(systemClock.monotonicMs() - beganMs).toBeLessThan(5_000);
  } finally {
    await administer(primary(), 'SET GLOBAL sync_binlog = 1');
  }
  await eventually(() => noteOf(1)).toBe('');
});

test('a replica is judged as the primary that it may become, and closes nothing', async () => {
  const [replica] = groupOf(1).replicas();
  if (replica === undefined) throw new Error('the group has no replica');
  await administer(replica, 'SET GLOBAL sync_binlog = 0');
  try {
    await eventually(() => codesAt(replica)).toEqual([['sync_binlog', 'warning']]);
    expect(noteOf(1)).toBe('');
  } finally {
    await administer(replica, 'SET GLOBAL sync_binlog = 1');
  }
  await eventually(() => codesAt(replica)).toEqual([]);
});
