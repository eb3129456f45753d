/** The settings of a server by which an acknowledged order could be lost, in the same words for MariaDB and MySQL. */
export type NodeSettings = {
  /** When others see a row: AFTER_SYNC once a replica has it. */
  readonly waitPoint: string;
  /** How long a commit waits for its acknowledgement before it goes on without, ms. */
  readonly ackTimeoutMs: number;
  /** Replicas whose acknowledgement a commit waits for; MariaDB always waits for one. */
  readonly acknowledgements: number;
  readonly waitsWithoutReplica: boolean;
  readonly syncBinlog: number;
  readonly flushAtCommit: number;
  readonly binlogFormat: string;
  /** A write of another origin stops replication instead of mixing in. */
  readonly gtidStrict: boolean;
  readonly logsReplicated: boolean;
  readonly sqlModes: readonly string[];
  readonly isolation: string;
  /** Of the server, as an offset or a name. */
  readonly timeZone: string;
  readonly packetBytesMax: number;
  readonly lockWaitSeconds: number;
};

export type Side = 'master' | 'source';

const COMMON = [
  'sync_binlog',
  'innodb_flush_log_at_trx_commit',
  'binlog_format',
  'sql_mode',
  'time_zone',
  'system_time_zone',
  'max_allowed_packet',
  'innodb_lock_wait_timeout',
];

/** The names of the variables that are read, in lower case. */
export const SETTINGS: Readonly<Record<Side, readonly string[]>> = {
  master: [
    ...COMMON,
    'rpl_semi_sync_master_wait_point',
    'rpl_semi_sync_master_timeout',
    'rpl_semi_sync_master_wait_no_slave',
    'gtid_strict_mode',
    'log_slave_updates',
    'tx_isolation',
  ],
  source: [
    ...COMMON,
    'rpl_semi_sync_source_wait_point',
    'rpl_semi_sync_source_timeout',
    'rpl_semi_sync_source_wait_no_replica',
    'rpl_semi_sync_source_wait_for_replica_count',
    'gtid_mode',
    'enforce_gtid_consistency',
    'log_replica_updates',
    'transaction_isolation',
  ],
};

/** What a server's variables say; one that it does not have counts as set wrongly. */
export const settingsOf = (side: Side, values: ReadonlyMap<string, string>): NodeSettings => {
  const value = (name: string): string => values.get(name) ?? '';
  const isOn = (name: string): boolean => value(name) === 'ON';
  const isMysql = side === 'source';
  const zone = value('time_zone');
  return {
    waitPoint: value(`rpl_semi_sync_${side}_wait_point`),
    ackTimeoutMs: Number(value(`rpl_semi_sync_${side}_timeout`)),
    acknowledgements: isMysql ? Number(value('rpl_semi_sync_source_wait_for_replica_count')) : 1,
    waitsWithoutReplica: isOn(`rpl_semi_sync_${side}_wait_no_${isMysql ? 'replica' : 'slave'}`),
    syncBinlog: Number(value('sync_binlog')),
    flushAtCommit: Number(value('innodb_flush_log_at_trx_commit')),
    // MySQL is about to drop the setting, and with it every other format.
    binlogFormat: isMysql && !values.has('binlog_format') ? 'ROW' : value('binlog_format'),
    gtidStrict: isMysql ? isOn('gtid_mode') && isOn('enforce_gtid_consistency') : isOn('gtid_strict_mode'),
    logsReplicated: isOn(isMysql ? 'log_replica_updates' : 'log_slave_updates'),
    sqlModes: value('sql_mode').split(','),
    isolation: value(isMysql ? 'transaction_isolation' : 'tx_isolation'),
    timeZone: zone === 'SYSTEM' ? value('system_time_zone') : zone,
    packetBytesMax: Number(value('max_allowed_packet')),
    lockWaitSeconds: Number(value('innodb_lock_wait_timeout')),
  };
};
