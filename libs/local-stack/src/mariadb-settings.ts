import { LOCAL_HOST } from './ports.ts';

/** One line of a server's configuration and why it is there. */
export type Setting = readonly [name: string, value: string, reason: string];

/** What differs from node to node. */
export type NodeSettings = {
  readonly groupTag: number;
  readonly serverId: number;
  readonly port: number;
  readonly dataFolder: string;
  readonly temporaryFolder: string;
  readonly socket: string;
  readonly initFile: string;
  /** Whether the server runs as root, which it refuses unless it is told so. */
  readonly asRoot: boolean;
};

/** The same at the making of the template and in every node: the files depend on it. */
export const STORAGE_SETTINGS: readonly Setting[] = [
  ['innodb_log_file_size', '32M', 'Small, as the template is copied for every node; enough for a bench of minutes.'],
  ['innodb_use_native_aio', 'OFF', 'Nine servers together run into the limits of io_uring and aio in containers.'],
  ['character_set_server', 'utf8mb4', 'Names and descriptions come from people.'],
  ['collation_server', 'utf8mb4_bin', 'Order numbers and merchant ids are compared exactly.'],
];

const DURABILITY: readonly Setting[] = [
  ['log_bin', 'binlog', 'Replication.'],
  ['max_binlog_size', '64M', 'Old files are removed at a start, file by file.'],
  ['binlog_format', 'ROW', 'A replica executes what the primary did, not what it might have meant.'],
  [
    'innodb_autoinc_lock_mode',
    '2',
    'The default makes triggers that draw an id hold a lock on their table until the commit; rows are logged, so no replica needs it.',
  ],
  ['sync_binlog', '1', 'A commit that was answered survives a crash of the machine.'],
  ['innodb_flush_log_at_trx_commit', '1', 'The same for the engine; anything else would make benches lie.'],
  ['gtid_strict_mode', 'ON', 'A write of another origin stops replication instead of mixing in.'],
  ['log_slave_updates', 'ON', 'Any replica can become the primary.'],
  ['log_bin_trust_function_creators', 'ON', 'Lets the migration account make triggers without SUPER; rows are logged.'],
];

const REPLICATION: readonly Setting[] = [
  ['read_only', 'ON', 'A node that comes back writes nothing before somebody has decided that it is the primary.'],
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
  ['relay_log', 'relay', 'A name that does not contain the host name, which may change.'],
];

const CLIENTS: readonly Setting[] = [
  ['skip_name_resolve', 'ON', 'No DNS between a client and its connection.'],
  ['max_connections', '200', 'A connection costs memory; the services share far fewer.'],
  [
    'innodb_lock_wait_timeout',
    '1',
    'Seconds. An order has one second in all; the default of 50 would hold its connection.',
  ],
  [
    'sql_mode',
    'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO',
    'Wrong data is refused, not cut.',
  ],
  ['default_time_zone', '+00:00', 'All times are UTC.'],
  ['local_infile', 'OFF', 'Nobody loads files.'],
];

/** Small, so that nine servers fit into less than a gigabyte. */
const MEMORY: readonly Setting[] = [
  ['innodb_buffer_pool_size', '32M', 'The data of a local stack is small.'],
  ['innodb_log_buffer_size', '4M', 'Our transactions are a few rows.'],
  ['performance_schema', 'OFF', 'Costs 100 MB or more for each server.'],
  ['key_buffer_size', '64K', 'MyISAM is not used.'],
  ['aria_pagecache_buffer_size', '1M', 'Only system and temporary tables are Aria.'],
  ['table_open_cache', '200', 'A dozen tables per session in use.'],
  ['innodb_temp_data_file_path', 'ibtmp1:8M:autoextend:max:256M', 'Written in full at each start, and has a limit.'],
  ['innodb_buffer_pool_dump_at_shutdown', 'OFF', 'Stopping is quick, and there is little to warm up.'],
  ['innodb_buffer_pool_load_at_startup', 'OFF', 'As above.'],
];

/** The text of a `my.cnf`, with the reasons in it. */
export const mariadbConfig = (node: NodeSettings): string => {
  const identity: readonly Setting[] = [
    ['server_id', String(node.serverId), 'Different for every node of the stack.'],
    [
      'gtid_domain_id',
      String(node.groupTag),
      "The group's tag, so that positions of different groups cannot be confused.",
    ],
    ['bind_address', LOCAL_HOST, 'Nobody outside this machine.'],
    ['port', String(node.port), ''],
    ['socket', node.socket, "The administrator's way in."],
    ['datadir', node.dataFolder, ''],
    ['tmpdir', node.temporaryFolder, 'A server that starts deletes temporary tables it finds there, also of others.'],
    ['init_file', node.initFile, 'The accounts.'],
    ['pid_file', 'mariadbd.pid', ''],
    ...(node.asRoot ? [['user', 'root', 'The server refuses to run as root unless it is told so.'] as const] : []),
  ];
  const lines = [...identity, ...STORAGE_SETTINGS, ...DURABILITY, ...REPLICATION, ...CLIENTS, ...MEMORY].flatMap(
    ([name, value, reason]) => [...(reason === '' ? [] : [`# ${reason}`]), `${name} = ${value}`],
  );
  return `# Written at every start of the local stack; changes here are lost.\n[mariadbd]\n${lines.join('\n')}\n`;
};
