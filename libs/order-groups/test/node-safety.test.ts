import { describe, expect, test } from 'vitest';
import type { NodeFacts } from '../src/dialect.ts';
import { parseGrants } from '../src/node-grants.ts';
import { FINDING_CODES, findingsOf, lackingGrants, partitionFindings, unsafeReason } from '../src/node-safety.ts';
import { settingsOf } from '../src/node-settings.ts';
import { findingsAt } from '../src/safety-watch.ts';

const GRANTS = [
  "GRANT SLAVE MONITOR ON *.* TO `app`@`127.0.0.1` IDENTIFIED BY PASSWORD '*0'",
  'GRANT SELECT, INSERT, UPDATE, DELETE ON `tillmesh`.* TO `app`@`127.0.0.1`',
];

const GOOD: NodeFacts = {
  readOnly: false,
  semiSyncOn: true,
  semiSyncClients: 2,
  unacknowledgedCommits: 3,
  settings: {
    waitPoint: 'AFTER_SYNC',
    ackTimeoutMs: 86_400_000,
    acknowledgements: 1,
    waitsWithoutReplica: true,
    syncBinlog: 1,
    flushAtCommit: 1,
    binlogFormat: 'ROW',
    gtidStrict: true,
    logsReplicated: true,
    sqlModes: ['STRICT_ALL_TABLES', 'NO_ENGINE_SUBSTITUTION'],
    isolation: 'REPEATABLE-READ',
    timeZone: '+00:00',
    packetBytesMax: 16_777_216,
    lockWaitSeconds: 1,
  },
  grants: parseGrants(GRANTS),
};

const withSettings = (changes: Partial<NodeFacts['settings']>): NodeFacts => ({
  ...GOOD,
  settings: { ...GOOD.settings, ...changes },
});
const withGrants = (...more: readonly string[]): NodeFacts => ({ ...GOOD, grants: parseGrants([...GRANTS, ...more]) });

const BAD: readonly (readonly [code: string, weight: 'unsafe' | 'warning', facts: NodeFacts])[] = [
  ['semi_sync_off', 'unsafe', { ...GOOD, semiSyncOn: false }],
  ['no_replica', 'unsafe', { ...GOOD, semiSyncClients: 0 }],
  ['unacknowledged', 'unsafe', { ...GOOD, unacknowledgedCommits: 4 }],
  ['wait_point', 'unsafe', withSettings({ waitPoint: 'AFTER_COMMIT' })],
  ['wait_point', 'unsafe', withSettings({ waitPoint: '' })],
  ['ack_timeout', 'unsafe', withSettings({ ackTimeoutMs: 10_000 })],
  ['ack_timeout', 'unsafe', withSettings({ ackTimeoutMs: Number.NaN })],
  ['wait_no_replica', 'unsafe', withSettings({ waitsWithoutReplica: false })],
  ['sync_binlog', 'unsafe', withSettings({ syncBinlog: 1_000 })],
  ['sync_binlog', 'unsafe', withSettings({ syncBinlog: 0 })],
  ['flush_at_commit', 'unsafe', withSettings({ flushAtCommit: 2 })],
  ['binlog_format', 'unsafe', withSettings({ binlogFormat: 'MIXED' })],
  ['gtid', 'unsafe', withSettings({ gtidStrict: false })],
  ['sql_mode', 'unsafe', withSettings({ sqlModes: ['NO_ENGINE_SUBSTITUTION'] })],
  ['isolation', 'unsafe', withSettings({ isolation: 'READ-UNCOMMITTED' })],
  ['too_many_grants', 'unsafe', withGrants('GRANT SUPER ON *.* TO `app`@`%`')],
  ['too_many_grants', 'unsafe', withGrants('GRANT READ ONLY ADMIN, SLAVE MONITOR ON *.* TO `app`@`%`')],
  ['too_many_grants', 'unsafe', withGrants("GRANT ALL PRIVILEGES ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*0'")],
  ['too_many_grants', 'unsafe', withGrants('GRANT CONNECTION_ADMIN ON *.* TO `app`@`%`')],
  ['too_many_grants', 'unsafe', withGrants('GRANT SELECT ON *.* TO `app`@`%` WITH GRANT OPTION')],
  ['acknowledgements', 'warning', withSettings({ acknowledgements: 2 })],
  ['schema_grants', 'warning', withGrants('GRANT ALL PRIVILEGES ON `tillmesh`.* TO `app`@`%`')],
  ['schema_grants', 'warning', withGrants('GRANT SELECT, DROP, TRIGGER ON `tillmesh`.* TO `app`@`%`')],
  ['serializable', 'warning', withSettings({ isolation: 'SERIALIZABLE' })],
  ['replicated_not_logged', 'warning', withSettings({ logsReplicated: false })],
  ['time_zone', 'warning', withSettings({ timeZone: 'CET' })],
  ['packet', 'warning', withSettings({ packetBytesMax: 65_536 })],
  ['lock_wait', 'warning', withSettings({ lockWaitSeconds: 50 })],
];

describe('a primary', () => {
  test('that is as it has to be has nothing against it', () => {
    expect(findingsOf(GOOD, GOOD)).toEqual([]);
    expect(unsafeReason(GOOD, GOOD)).toBe('');
    expect(unsafeReason(undefined, GOOD)).toBe('');
    expect(lackingGrants(GOOD, 'tillmesh', true)).toEqual([]);
  });

  test.each(BAD)('with %s is found, as %s and nothing else, with what to do', (code, weight, facts) => {
    const findings = findingsOf(GOOD, facts);
    expect(findings.map((finding) => [finding.code, finding.weight])).toEqual([[code, weight]]);
    expect(findings[0]?.advice).not.toBe('');
    expect(unsafeReason(GOOD, facts)).toBe(weight === 'unsafe' ? `${findings[0]?.what}; ${findings[0]?.advice}` : '');
  });

  test('has a sample here for each thing that can be found', () => {
    expect(new Set([...BAD.map(([code]) => code), 'too_few_grants', 'no_partition', 'few_partitions'])).toEqual(
      new Set(FINDING_CODES),
    );
  });
});

describe('a replica', () => {
  test('is judged as the primary that it may become, but closes nothing and needs no replica of its own', () => {
    const replica = { ...withSettings({ syncBinlog: 0 }), readOnly: true, semiSyncOn: false, semiSyncClients: 0 };
    expect(findingsAt(undefined, replica).map(({ code, weight }) => [code, weight])).toEqual([
      ['sync_binlog', 'warning'],
    ]);
  });
});

describe('grants', () => {
  const lacking = (isWriter: boolean, ...lines: readonly string[]) =>
    lackingGrants({ ...GOOD, grants: parseGrants(lines) }, 'tillmesh', isWriter)[0]?.what;

  test('that are missing are named, for a writer and for a reader', () => {
    expect(lacking(true, 'GRANT USAGE ON *.* TO `app`@`%`')).toBe(
      'the account lacks SELECT, INSERT, UPDATE, DELETE, SLAVE MONITOR',
    );
    expect(lacking(false, 'GRANT SELECT ON `tillmesh`.* TO `read`@`%`')).toBe('the account lacks SLAVE MONITOR');
    expect(lacking(false, 'GRANT SELECT, REPLICATION CLIENT ON *.* TO `read`@`%`')).toBeUndefined();
    expect(lacking(true, 'GRANT SELECT, INSERT, UPDATE, DELETE ON `other`.* TO `app`@`%`', GRANTS[0] ?? '')).toBe(
      'the account lacks SELECT, INSERT, UPDATE, DELETE',
    );
  });

  test('are read without the password that stands beside them', () => {
    expect(JSON.stringify(parseGrants(GRANTS))).not.toContain('*0');
  });
});

test('a server that lacks a setting counts as set wrongly, on either dialect', () => {
  for (const side of ['master', 'source'] as const) {
    const facts = { ...GOOD, settings: settingsOf(side, new Map()) };
    const codes = findingsOf(GOOD, facts).map(({ code }) => code);
    expect(codes).toEqual(
      expect.arrayContaining([
        'wait_point',
        'ack_timeout',
        'wait_no_replica',
        'sync_binlog',
        'flush_at_commit',
        ...(side === 'master' ? ['binlog_format'] : []),
        'gtid',
        'sql_mode',
      ]),
    );
  }
});

test('the system’s time zone counts where the server follows it', () => {
  const zoneOf = (zone: string, system: string) =>
    settingsOf(
      'master',
      new Map([
        ['time_zone', zone],
        ['system_time_zone', system],
      ]),
    ).timeZone;
  expect(zoneOf('SYSTEM', 'UTC')).toBe('UTC');
  expect(zoneOf('+08:00', 'UTC')).toBe('+08:00');
});

test.each([
  [35, undefined],
  [7, undefined],
  [6, 'few_partitions'],
  [1, 'few_partitions'],
  [0, 'no_partition'],
  [-3, 'no_partition'],
])('%i days with partitions in advance are found as %s', (ahead, code) => {
  expect(partitionFindings(ahead)[0]?.code).toBe(code);
});
