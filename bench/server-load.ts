import { readFileSync } from 'node:fs';
import type { LocalNode, LocalStack } from '@tillmesh/local-stack';

/** One tick of the kernel's accounting of processes, ms. */
const TICK_MS = 10;
const CAUGHT_UP_SECONDS = 60;

/** CPU time that a server has used, ms; 0 where the machine does not say (it is not Linux). */
const cpuOfNode = ({ pid }: LocalNode): number => {
  try {
    // Behind the name in brackets, which may hold spaces: fields 14 and 15 of proc(5).
    const fields =
      readFileSync(`/proc/${pid ?? 0}/stat`, 'utf8')
        .split(') ')
        .at(-1)
        ?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return 0;
  }
};

/** CPU time of all database servers, ms. */
export const cpuOf = (stack: LocalStack): number =>
  stack.groups.flatMap(({ nodes }) => nodes.map(cpuOfNode)).reduce((sum, each) => sum + each, 0);

type PositionRow = { readonly position: string };

/** Resolves when every replica has executed what its primary has written. */
export const replicasCaughtUp = async (stack: LocalStack): Promise<void> => {
  await Promise.all(
    stack.groups.map(async (group) => {
      const position = await group.primary().administer(async (connection) => {
        const [rows] = await connection.query('SELECT @@GLOBAL.gtid_binlog_pos AS position');
        return (rows as PositionRow[])[0]?.position ?? '';
      });
      await Promise.all(
        group
          .replicas()
          .map((replica) =>
            replica.administer((connection) =>
              connection.query('SELECT MASTER_GTID_WAIT(?, ?)', [position, CAUGHT_UP_SECONDS]),
            ),
          ),
      );
    }),
  );
};
