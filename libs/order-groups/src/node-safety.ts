import type { NodeFacts } from './dialect.ts';
import { excessOf, lackOf } from './node-grants.ts';

/** Something about a server that is not as it has to be. */
export type Finding = {
  /** Stable; the label in metrics. */
  readonly code: string;
  /** `unsafe`: an acknowledged order could be lost or become another; new orders avoid its group. `warning`: worth mending. */
  readonly weight: 'unsafe' | 'warning';
  readonly what: string;
  /** What to do. MySQL says source for master and replica for slave. */
  readonly advice: string;
};

/** An hour: shorter, and a pause of the replicas goes over into silent loss while people sleep. */
const ACK_TIMEOUT_MS_MIN = 3_600_000;
/** A batch of new orders is under 100 KB, a group map under 1 MB. */
const PACKET_BYTES_MIN = 1_048_576;
/** An order has one second in all. */
const LOCK_WAIT_SECONDS_MAX = 1;

type Rule = {
  readonly code: string;
  readonly weight: Finding['weight'];
  /** What is wrong; undefined where it is as it has to be. */
  readonly judge: (now: NodeFacts, before: NodeFacts | undefined) => string | undefined;
  readonly advice: string;
};

const when = (isWrong: boolean, what: string): string | undefined => (isWrong ? what : undefined);

const NO_ROWS = /STRICT_(?:ALL|TRANS)_TABLES/;
const UTC: ReadonlySet<string> = new Set(['+00:00', 'UTC', 'Etc/UTC', 'GMT']);

/** What every primary has to be like. The first of them that is broken tells most. */
const RULES: readonly Rule[] = [
  {
    code: 'semi_sync_off',
    weight: 'unsafe',
    judge: ({ semiSyncOn }) => when(!semiSyncOn, 'semi-sync is off: an acknowledged order could be lost'),
    advice:
      'bring a replica back, then SET GLOBAL rpl_semi_sync_master_enabled=ON; verify the orders of the time without it',
  },
  {
    code: 'no_replica',
    weight: 'unsafe',
    judge: ({ semiSyncClients }) => when(semiSyncClients === 0, 'no replica acknowledges'),
    advice: 'start a replica (START SLAVE); every write waits until one is attached',
  },
  {
    code: 'unacknowledged',
    weight: 'unsafe',
    judge: (now, before) =>
      when(
        before !== undefined && now.unacknowledgedCommits > before.unacknowledgedCommits,
        'commits were acknowledged without a replica',
      ),
    advice: 'find who killed waiting sessions or turned semi-sync off; verify the orders of that second on a replica',
  },
  {
    code: 'wait_point',
    weight: 'unsafe',
    judge: ({ settings: { waitPoint } }) =>
      when(
        waitPoint !== 'AFTER_SYNC',
        `the wait point is ${waitPoint || 'unknown'}: rows are seen that no replica has`,
      ),
    advice: 'SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_SYNC, and in the configuration',
  },
  {
    code: 'ack_timeout',
    weight: 'unsafe',
    judge: ({ settings: { ackTimeoutMs } }) =>
      when(
        !(ackTimeoutMs >= ACK_TIMEOUT_MS_MIN),
        `after ${ackTimeoutMs} ms without a replica commits are acknowledged all the same, silently`,
      ),
    advice: 'SET GLOBAL rpl_semi_sync_master_timeout=86400000 (24 h), and in the configuration',
  },
  {
    code: 'wait_no_replica',
    weight: 'unsafe',
    judge: ({ settings }) => when(!settings.waitsWithoutReplica, 'commits do not wait while no replica is attached'),
    advice: 'SET GLOBAL rpl_semi_sync_master_wait_no_slave=ON, and in the configuration',
  },
  {
    code: 'sync_binlog',
    weight: 'unsafe',
    judge: ({ settings: { syncBinlog } }) =>
      when(syncBinlog !== 1, `sync_binlog is ${syncBinlog}: a machine without power loses acknowledged orders`),
    advice: 'SET GLOBAL sync_binlog=1, and in the configuration',
  },
  {
    code: 'flush_at_commit',
    weight: 'unsafe',
    judge: ({ settings: { flushAtCommit } }) =>
      when(
        flushAtCommit !== 1,
        `innodb_flush_log_at_trx_commit is ${flushAtCommit}: a crash loses acknowledged orders`,
      ),
    advice: 'SET GLOBAL innodb_flush_log_at_trx_commit=1, and in the configuration',
  },
  {
    code: 'binlog_format',
    weight: 'unsafe',
    judge: ({ settings: { binlogFormat } }) =>
      when(
        binlogFormat !== 'ROW',
        `binlog_format is ${binlogFormat || 'unknown'}: a replica may execute something else`,
      ),
    advice: 'SET GLOBAL binlog_format=ROW, and in the configuration; then compare the replicas with the primary',
  },
  {
    code: 'gtid',
    weight: 'unsafe',
    judge: ({ settings: { gtidStrict } }) =>
      when(!gtidStrict, 'GTIDs are not strict: a foreign write mixes in instead of stopping replication'),
    advice: 'MariaDB: SET GLOBAL gtid_strict_mode=ON. MySQL: gtid_mode=ON and enforce_gtid_consistency=ON',
  },
  {
    code: 'sql_mode',
    weight: 'unsafe',
    judge: ({ settings: { sqlModes } }) =>
      when(
        !NO_ROWS.test(sqlModes.join(',')),
        'sql_mode is not strict: values that do not fit are cut instead of refused',
      ),
    advice: 'add STRICT_ALL_TABLES to sql_mode, SET GLOBAL and in the configuration; then recycle the connections',
  },
  {
    code: 'isolation',
    weight: 'unsafe',
    judge: ({ settings: { isolation } }) =>
      when(isolation === 'READ-UNCOMMITTED', 'READ-UNCOMMITTED shows rows that no replica has'),
    advice: 'set transaction_isolation to REPEATABLE-READ',
  },
  {
    code: 'too_many_grants',
    weight: 'unsafe',
    judge: ({ grants }) => {
      const { admin } = excessOf(grants);
      return when(admin.length > 0, `the account has ${admin.join(', ')} on *.*: it could write to a replaced primary`);
    },
    advice: 'REVOKE it; the account needs SELECT, INSERT, UPDATE, DELETE on its schema and SLAVE MONITOR',
  },
  {
    code: 'acknowledgements',
    weight: 'warning',
    judge: ({ settings: { acknowledgements } }) =>
      when(
        acknowledgements !== 1,
        `every write waits for ${acknowledgements} replicas: one that is away stops the group`,
      ),
    advice: 'SET GLOBAL rpl_semi_sync_source_wait_for_replica_count=1: a row is on two of three nodes then',
  },
  {
    code: 'schema_grants',
    weight: 'warning',
    judge: ({ grants }) => {
      const { schema } = excessOf(grants);
      return when(schema.length > 0, `the account has ${schema.join(', ')}, which no service needs`);
    },
    advice: 'REVOKE it: tables and triggers belong to the account that migrates',
  },
  {
    code: 'serializable',
    weight: 'warning',
    judge: ({ settings: { isolation } }) =>
      when(isolation === 'SERIALIZABLE', 'SERIALIZABLE makes reads wait for writes under way'),
    advice: 'set transaction_isolation to REPEATABLE-READ',
  },
  {
    code: 'replicated_not_logged',
    weight: 'warning',
    judge: ({ settings: { logsReplicated } }) =>
      when(!logsReplicated, 'log_slave_updates is off: as the primary, it could not give its replicas what it has'),
    advice: 'set log_slave_updates=ON in the configuration and restart the server',
  },
  {
    code: 'time_zone',
    weight: 'warning',
    judge: ({ settings: { timeZone } }) =>
      when(!UTC.has(timeZone), `the time zone is ${timeZone || 'unknown'}: people will misread times`),
    advice: "SET GLOBAL time_zone='+00:00', and default_time_zone in the configuration",
  },
  {
    code: 'packet',
    weight: 'warning',
    judge: ({ settings: { packetBytesMax } }) =>
      when(
        !(packetBytesMax >= PACKET_BYTES_MIN),
        `max_allowed_packet is ${packetBytesMax}: a large statement is refused`,
      ),
    advice: 'SET GLOBAL max_allowed_packet=16777216, and in the configuration',
  },
  {
    code: 'lock_wait',
    weight: 'warning',
    judge: ({ settings: { lockWaitSeconds } }) =>
      when(
        !(lockWaitSeconds <= LOCK_WAIT_SECONDS_MAX),
        `innodb_lock_wait_timeout is ${lockWaitSeconds} s: a session waits on after its caller has gone`,
      ),
    advice: 'SET GLOBAL innodb_lock_wait_timeout=1, and in the configuration',
  },
];

/** Every code that a finding may have. */
export const FINDING_CODES: readonly string[] = [
  ...RULES.map(({ code }) => code),
  'too_few_grants',
  'no_partition',
  'few_partitions',
];

/**
 * What is wrong with a node, the gravest first.
 *
 * @param before what it said when it was looked at before; undefined at the first look.
 */
export const findingsOf = (before: NodeFacts | undefined, now: NodeFacts): readonly Finding[] =>
  RULES.flatMap(({ code, weight, judge, advice }): Finding[] => {
    const what = judge(now, before);
    return what === undefined ? [] : [{ code, weight, what, advice }];
  });

/** What the account lacks for its work; it shows in refused statements too, but only when they are needed. */
export const lackingGrants = (now: NodeFacts, database: string, isWriter: boolean): readonly Finding[] => {
  const lacking = lackOf(now.grants, database, isWriter);
  if (lacking.length === 0) return [];
  return [
    {
      code: 'too_few_grants',
      weight: 'warning',
      what: `the account lacks ${lacking.join(', ')}`,
      advice: `GRANT it: SELECT, INSERT, UPDATE, DELETE on ${database}.* (a reader: SELECT) and SLAVE MONITOR (MySQL: REPLICATION CLIENT) on *.*`,
    },
  ];
};

/** A week in which somebody can still run the command without hurry. */
const PARTITION_DAYS_MIN = 7;

/**
 * Whether days have their partitions in advance. Orders of a day that has none are written all the same, to the last partition, from where
 * they are moved once theirs is made: that takes the longer the more they are.
 *
 * @param ahead days from now on that have theirs.
 */
export const partitionFindings = (ahead: number): readonly Finding[] => {
  if (ahead >= PARTITION_DAYS_MIN) return [];
  return [
    {
      code: ahead < 1 ? 'no_partition' : 'few_partitions',
      weight: 'warning',
      what: ahead < 1 ? 'tomorrow has no partition' : 'less than a week has its partitions in advance',
      advice: 'run the order store’s migrate command, and have it run every day',
    },
  ];
};

/** Why a write that a primary acknowledges could be lost, with what to do; empty when it is safe. */
export const unsafeReason = (before: NodeFacts | undefined, now: NodeFacts): string => {
  const first = findingsOf(before, now).find(({ weight }) => weight === 'unsafe');
  return first === undefined ? '' : `${first.what}; ${first.advice}`;
};
