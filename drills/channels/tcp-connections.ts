import { readFileSync } from 'node:fs';

const ESTABLISHED = '01';

const portOf = (address: string | undefined): number => Number.parseInt(address?.split(':')[1] ?? '', 16);

/** Local ports of this machine's established connections to a port, by proc_net_tcp(5); empty where the machine does not say. */
export const connectionsTo = (port: number): ReadonlySet<number> => {
  try {
    const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
    const cells = rows.map((row) => row.trim().split(/\s+/));
    return new Set(
      cells
        .filter(([, , remote, state]) => state === ESTABLISHED && portOf(remote) === port)
        .map(([, local]) => portOf(local)),
    );
  } catch {
    return new Set();
  }
};
