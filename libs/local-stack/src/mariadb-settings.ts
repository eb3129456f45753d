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
export const STORAGE_SETTINGS: readonly Setting[] = [['innodb_log_file_size', '32M', LOG_SIZE_REASON], ...STORAGE];

const MARIADB_DURABILITY: readonly Setting[] = [
  ['binlog_format', 'ROW', 'A replica executes what the primary did, not what it might have meant.'],
  [
    'innodb_autoinc_lock_mode',
    '2',
    'The default makes triggers that draw an id hold a lock on their table until the commit; rows are logged, so no replica needs it.',
  ],
  ['gtid_strict_mode', 'ON', 'A write of another origin stops replication instead of mixing in.'],
  ['log_slave_updates', 'ON', 'Any replica can become the primary.'],
];

const MARIADB_REPLICATION: readonly Setting[] = [
  ['read_only', 'ON', READ_ONLY_REASON],
  ['skip_slave_start', 'ON', 'The local stack starts replication when it knows who the primary is.'],
  ['rpl_semi_sync_master_enabled', 'OFF', 'Turned on once a replica is attached: before that every write would wait.'],
  [
    'rpl_semi_sync_master_wait_point',
    'AFTER_SYNC',
    'Nobody sees a row that no replica has. The default is AFTER_COMMIT.',
  ],
  ['rpl_semi_sync_master_timeout', '86400000', '24 h: never go on without a replica, for that would be silent.'],
  ['rpl_semi_sync_master_wait_no_slave', 'ON', 'Wait even when no replica is attached.'],
  ['rpl_semi_sync_slave_enabled', 'ON', 'Replicas acknowledge; a primary ignores it.'],
  ['slave_net_timeout', '4', 'Seconds until a replica notices a silent primary; the default of 60 hides a failure.'],
  [
    'rpl_semi_sync_slave_kill_conn_timeout',
    '1',
    'Seconds that a replica which stops receiving tries to tell its primary; the default of 5 holds up a promotion.',
  ],
  [
    'slave_parallel_threads',
    '4',
    'Serially, replicas execute a third of what the primary commits, and a promotion waits for what they have not executed.',
  ],
  [
    'slave_parallel_mode',
    'optimistic',
    'Side by side, committed in the order of the primary. The default since 10.5.1.',
  ],
  ['master_retry_count', '0', 'Go on trying for ever; the default gives up after a day.'],
];

const MARIADB_MEMORY: readonly Setting[] = [
  ['aria_pagecache_buffer_size', '1M', 'Only system and temporary tables are Aria.'],
  ['innodb_temp_data_file_path', 'ibtmp1:8M:autoextend:max:256M', 'Written in full at each start, and has a limit.'],
];

/** What every server of every group has; where it is and which it is comes besides. */
const SHARED: readonly Setting[] = [
  ...STORAGE_SETTINGS,
  ...DURABILITY,
  ...MARIADB_DURABILITY,
  ...REPLICATION,
  ...MARIADB_REPLICATION,
  ...CLIENTS,
  ...MEMORY,
  ...MARIADB_MEMORY,
];

/** The same as the text of a `my.cnf`, for servers that somebody else starts. */
export const sharedMariadbConfig = (): string =>
  settingsText(SHARED, { separator: ' = ', section: ['[mariadbd]'], head: 'Made from libs/local-stack.' });

/** The text of a `my.cnf`, with the reasons in it. */
export const mariadbConfig = (node: NodeSettings): string =>
  configText('mariadbd', node, [
    [
      'gtid_domain_id',
      String(node.groupTag),
      "The group's tag, so that positions of different groups cannot be confused.",
    ],
    ...SHARED,
  ]);
