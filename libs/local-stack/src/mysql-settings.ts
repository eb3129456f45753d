import {
  CLIENTS,
  configText,
  DURABILITY,
  LOG_SIZE_REASON,
  MEMORY,
  type NodeSettings,
  READ_ONLY_REASON,
  REPLICATION,
  type Setting,
  STORAGE,
  settingsText,
} from './server-settings.ts';

/** The same at the making of the template and in every node: the files depend on it. */
export const MYSQL_STORAGE_SETTINGS: readonly Setting[] = [
  ['innodb_redo_log_capacity', '32M', LOG_SIZE_REASON],
  ...STORAGE,
];

const MYSQL_DURABILITY: readonly Setting[] = [
  ['gtid_mode', 'ON', 'Every transaction has a number by which nodes compare what they have.'],
  ['enforce_gtid_consistency', 'ON', 'What cannot have one number is refused.'],
  ['log_replica_updates', 'ON', 'Any replica can become the primary.'],
];

const MYSQL_REPLICATION: readonly Setting[] = [
  ['super_read_only', 'ON', READ_ONLY_REASON],
  ['skip_replica_start', 'ON', 'The local stack starts replication when it knows who the primary is.'],
  ['plugin_load_add', 'semisync_source.so', 'The side that waits for an acknowledgement.'],
  ['plugin_load_add', 'semisync_replica.so', 'The side that acknowledges.'],
  ['rpl_semi_sync_source_enabled', 'OFF', 'Turned on once a replica is attached: before that every write would wait.'],
  ['rpl_semi_sync_source_wait_point', 'AFTER_SYNC', 'Nobody sees a row that no replica has.'],
  ['rpl_semi_sync_source_timeout', '86400000', '24 h: never go on without a replica, for that would be silent.'],
  ['rpl_semi_sync_source_wait_no_replica', 'ON', 'Wait even when no replica is attached.'],
  ['rpl_semi_sync_source_wait_for_replica_count', '1', 'One acknowledgement is enough: a row is then on two of three.'],
  ['rpl_semi_sync_replica_enabled', 'ON', 'Replicas acknowledge; a primary ignores it.'],
  ['replica_net_timeout', '4', 'Seconds until a replica notices a silent primary; the default of 60 hides a failure.'],
  ['relay_log_recovery', 'OFF', 'ON throws away at a start what was received and acknowledged, but not executed.'],
];

const MYSQL_CLIENTS: readonly Setting[] = [
  ['mysqlx', 'OFF', 'Its port would be the same for all nodes, and nobody speaks its protocol.'],
  ['secure_file_priv', 'NULL', 'Nor writes them; the default is a folder that only an installed server has.'],
];

const MYSQL_MEMORY: readonly Setting[] = [
  ['innodb_temp_data_file_path', 'ibtmp1:12M:autoextend:max:256M', 'Written in full at each start, and has a limit.'],
];

/** What every server of every group has; where it is and which it is comes besides. */
const SHARED: readonly Setting[] = [
  ...MYSQL_STORAGE_SETTINGS,
  ...DURABILITY,
  ...MYSQL_DURABILITY,
  ...REPLICATION,
  ...MYSQL_REPLICATION,
  ...CLIENTS,
  ...MYSQL_CLIENTS,
  ...MEMORY,
  ...MYSQL_MEMORY,
];

/** The same as the text of a `my.cnf`, for servers that somebody else starts. */
export const sharedMysqlConfig = (): string =>
  settingsText(SHARED, { separator: ' = ', section: ['[mysqld]'], head: 'Made from libs/local-stack.' });

/** The text of a `my.cnf`, with the reasons in it. */
export const mysqlConfig = (node: NodeSettings): string => configText('mysqld', node, SHARED);
