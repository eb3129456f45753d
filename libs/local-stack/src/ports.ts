import { createServer, type Server } from 'node:net';
import { type Random, systemRandom } from '@tillmesh/clock';

/** The only address the local stack listens on. */
export const LOCAL_HOST = '127.0.0.1';

// Linux gives outgoing connections the ports from 32768 up, other systems from 49152. A port below both cannot be
// taken by somebody's outgoing connection while its server is being restarted on it.
const PORT_FIRST = 20_000;
const PORT_LAST = 31_999;

/** Enough for a machine on which most of the range is taken; more means that something else is wrong. */
const PROBES_MAX = 4_000;

const listenOn = (port: number): Promise<Server | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: LOCAL_HOST, port, exclusive: true }, () => resolve(server));
  });

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/** Whether a server could listen on 127.0.0.1 and this port now. */
export const isPortFree = async (port: number): Promise<boolean> => {
  const server = await listenOn(port);
  if (server !== undefined) await close(server);
  return server !== undefined;
};

/**
 * Different ports of 127.0.0.1 that are free now, between 20000 and 31999. Nothing holds them afterwards, so whoever
 * listens later can still lose a race against another program.
 *
 * @param count how many, 0 to 1000.
 * @param avoid ports that must not be chosen although they may be free.
 */
export const freePorts = async (
  count: number,
  avoid: ReadonlySet<number> = new Set(),
  random: Random = systemRandom,
): Promise<readonly number[]> => {
  const held = new Map<number, Server>();
  // A random start keeps two stacks that start at the same time from choosing the same ports.
  const offset = random.below(PORT_LAST - PORT_FIRST + 1);
  try {
    for (let probe = 0; probe < PROBES_MAX && held.size < count; probe++) {
      const port = PORT_FIRST + ((offset + probe) % (PORT_LAST - PORT_FIRST + 1));
      if (avoid.has(port)) continue;
      const server = await listenOn(port);
      if (server !== undefined) held.set(port, server);
    }
    if (held.size < count) {
      throw new Error(`found only ${held.size} of ${count} free ports between ${PORT_FIRST} and ${PORT_LAST}`);
    }
    return [...held.keys()];
  } finally {
    await Promise.all([...held.values()].map(close));
  }
};
