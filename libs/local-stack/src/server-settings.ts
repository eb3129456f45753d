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

// What MariaDB and MySQL call by the same name: a rule for one holds for the other.

/** The same at the making of the template and in every node: the files depend on it. */
export const STORAGE: readonly Setting[] = [
  ['innodb_use_native_aio', 'OFF', 'Nine servers together run into the limits of io_uring and aio in containers.'],
  ['character_set_server', 'utf8mb4', 'Names and descriptions come from people.'],
  ['collation_server', 'utf8mb4_bin', 'Order numbers and merchant ids are compared exactly.'],
];

/** Why the log of the storage engine is as small as it is. */
export const LOG_SIZE_REASON = 'Small, as the template is copied for every node; enough for a bench of minutes.';

/** Why a node may write nothing at its start. */
export const READ_ONLY_REASON =
  'A node that comes back writes nothing before somebody has decided that it is the primary.';

export const DURABILITY: readonly Setting[] = [
  ['log_bin', 'binlog', 'Replication.'],
  ['max_binlog_size', '64M', 'Old files are removed at a start, file by file.'],
  ['sync_binlog', '1', 'A commit that was answered survives a crash of the machine.'],
  ['innodb_flush_log_at_trx_commit', '1', 'The same for the engine; anything else would make benches lie.'],
  ['log_bin_trust_function_creators', 'ON', 'Lets the migration account make triggers without SUPER; rows are logged.'],
];

export const REPLICATION: readonly Setting[] = [
  ['relay_log', 'relay', 'A name that does not contain the host name, which may change.'],
];

export const CLIENTS: readonly Setting[] = [
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

/** Small, so that nine servers fit beside everything else. */
export const MEMORY: readonly Setting[] = [
  ['innodb_buffer_pool_size', '32M', 'The data of a local stack is small.'],
  ['innodb_log_buffer_size', '4M', 'Our transactions are a few rows.'],
  ['performance_schema', 'OFF', 'Costs 100 MB or more for each server.'],
  ['key_buffer_size', '64K', 'MyISAM is not used.'],
  ['table_open_cache', '200', 'A dozen tables per session in use.'],
  ['innodb_buffer_pool_dump_at_shutdown', 'OFF', 'Stopping is quick, and there is little to warm up.'],
  ['innodb_buffer_pool_load_at_startup', 'OFF', 'As above.'],
];

/** The text of a configuration file, with the reasons in it. */
export const settingsText = (
  settings: readonly Setting[],
  {
    separator,
    section = [],
    head = 'Written at every start of the local stack; changes here are lost.',
  }: { readonly separator: ' = ' | ' '; readonly section?: readonly string[]; readonly head?: string },
): string =>
  [
    `# ${head}`,
    ...section,
    ...settings.flatMap(([name, value, reason]) => [
      ...(reason === '' ? [] : [`# ${reason}`]),
      `${name}${separator}${value}`,
    ]),
    '',
  ].join('\n');

/**
 * The text of a `my.cnf`.
 *
 * @param program the name of the server's program and of its section.
 * @param settings besides those that say which node it is.
 */
export const configText = (
  program: 'mariadbd' | 'mysqld',
  node: NodeSettings,
  settings: readonly Setting[],
): string => {
  const identity: readonly Setting[] = [
    ['server_id', String(node.serverId), 'Different for every node of the stack.'],
    ['bind_address', LOCAL_HOST, 'Nobody outside this machine.'],
    ['port', String(node.port), ''],
    ['socket', node.socket, "The administrator's way in."],
    ['datadir', node.dataFolder, ''],
    ['tmpdir', node.temporaryFolder, 'A server that starts deletes temporary tables it finds there, also of others.'],
    ['init_file', node.initFile, 'The accounts.'],
    ['pid_file', `${program}.pid`, ''],
    ...(node.asRoot ? [['user', 'root', 'The server refuses to run as root unless it is told so.'] as const] : []),
  ];
  return settingsText([...identity, ...settings], { separator: ' = ', section: [`[${program}]`] });
};
