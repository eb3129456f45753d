import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { rowsOf } from './administrator.ts';
import type { Supervisor } from './process-supervisor.ts';

// Crash recovery of the little data of a local stack takes a few seconds even on a busy machine.
const READY_WITHIN_MS = 60_000;
// An orderly end takes well under a second, and up to ten when a MySQL primary's replicas are away; crash recovery mends what was cut short.
const STOP_GRACE_MS = 1_400;

/** Starts a node's server on its data, MariaDB or MySQL, and waits until it answers as itself. */
export const startDatabaseProcess = (
  supervisor: Supervisor,
  server: {
    readonly name: string;
    readonly serverId: number;
    readonly program: string;
    /** Where its my.cnf is. */
    readonly home: string;
    readonly administer: <T>(work: (connection: Connection) => Promise<T>) => Promise<T>;
  },
  signal?: AbortSignal,
): Promise<void> =>
  supervisor.start(
    {
      name: server.name,
      command: server.program,
      args: [`--defaults-file=${join(server.home, 'my.cnf')}`],
      cwd: server.home,
      ready: () =>
        server.administer(async (connection) => {
          // Another server on this socket would be a bug of ours that no write may find out.
          const row = (await rowsOf(connection, 'SELECT @@server_id AS id'))[0];
          if (Number(row?.['id']) !== server.serverId) throw new Error('another server answers');
        }),
      readyWithinMs: READY_WITHIN_MS,
      restart: false,
      stopGraceMs: STOP_GRACE_MS,
    },
    signal,
  );
