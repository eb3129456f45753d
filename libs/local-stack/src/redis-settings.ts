import { LOCAL_HOST } from './ports.ts';
import { type Setting, settingsText } from './server-settings.ts';

/** The text of a `redis.conf`, with the reasons in it. Valkey reads the same. */
export const redisConfig = (node: { readonly port: number; readonly dataFolder: string }): string => {
  const settings: readonly Setting[] = [
    ['bind', LOCAL_HOST, 'Nobody outside this machine.'],
    ['port', String(node.port), ''],
    ['dir', `"${node.dataFolder}"`, ''],
    ['daemonize', 'no', 'The supervisor holds the process.'],
    ['appendonly', 'yes', 'Schedules survive a restart.'],
    [
      'appendfsync',
      'everysec',
      'A killed process loses nothing, a machine without power one second; the sweep finds that.',
    ],
    ['aof-load-truncated', 'yes', 'A tail that was cut by a crash is dropped instead of refusing to start.'],
    ['save', '""', 'The append-only file is the one way of keeping data.'],
    ['maxmemory', '256mb', 'Everything has a limit.'],
    ['maxmemory-policy', 'noeviction', 'A full Redis refuses; a schedule that vanished quietly would be worse.'],
    ['tcp-backlog', '128', 'The kernel caps it here anyway, and the default of 511 makes Redis warn.'],
  ];
  return settingsText(settings, { separator: ' ' });
};
