import type { Clock } from '@tillmesh/clock';
import { LOCAL_HOST } from './ports.ts';
import { type LineFault, startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** Disturbs one kind of a node's traffic; each call replaces what the one before did, and holds when it resolves. */
export type NetworkSwitch = {
  /** Nothing passes and nobody is told: a black hole. Connections go on when it is healed, as after a pulled cable. */
  cut(): Promise<void>;
  /** Connections are reset, new ones refused. */
  reset(): Promise<void>;
  /** Everything comes so many milliseconds late, in each direction. */
  delay(ms: number): Promise<void>;
  heal(): Promise<void>;
};

/** The switches of one node. */
export type NodeNetwork = {
  /** Between the node and its clients: services, tests, people. */
  readonly clients: NetworkSwitch;
  /** Between the node and the other nodes of its group, whether it is their primary or one of them is its. */
  readonly replication: NetworkSwitch;
  /** Both of them: the node is away from everybody, whoever promotes another included. */
  readonly everything: NetworkSwitch;
};

/** The proxies of one group. */
export type GroupNetwork = {
  of(node: string): NodeNetwork;
  /** Whether a node is cut off from everybody: then whoever promotes cannot reach it either. */
  isAway(node: string): boolean;
  /** Where clients find a node. */
  clientPortOf(node: string): number;
  /** Where a node finds the present primary, with what is wrong on the way there now. */
  wayToPrimary(from: string): Promise<{ readonly host: string; readonly port: number }>;
  start(): Promise<void>;
  /** A server listens or does no more: its proxy does the same, so that clients are refused as without one. */
  serverIs(node: string, state: 'up' | 'down'): Promise<void>;
  close(): Promise<void>;
};

const NONE: LineFault = { kind: 'none' };

/** What somebody notices of several faults on one way: nothing comes through a cut, not even a reset. */
export const combined = (faults: readonly LineFault[]): LineFault => {
  const heaviest = faults.find(({ kind }) => kind === 'cut') ?? faults.find(({ kind }) => kind === 'reset');
  if (heaviest !== undefined) return heaviest;
  const ms = faults.reduce((sum, fault) => sum + (fault.kind === 'slow' ? fault.ms : 0), 0);
  return ms === 0 ? NONE : { kind: 'slow', ms };
};

/** A switch over whatever carries out the fault. */
export const createSwitch = (set: (fault: LineFault) => Promise<void>): NetworkSwitch => ({
  cut: () => set({ kind: 'cut' }),
  reset: () => set({ kind: 'reset' }),
  delay: (ms) => set({ kind: 'slow', ms }),
  heal: () => set(NONE),
});

/** The names under which ports for a node's proxies are chosen. */
export const proxyNamesOf = (node: string) => ({ clients: `${node}-clients`, replication: `${node}-replication` });

type Line = { clients: LineFault; replication: LineFault; isUp: boolean };

/**
 * Two proxies for each node of a group: one before it for its clients, and one through which it, as a replica, reaches
 * whoever is the primary. The second passes only what the switches of both nodes let pass.
 */
export const createGroupNetwork = (options: {
  readonly clock: Clock;
  readonly nodes: readonly { readonly name: string; readonly port: number }[];
  readonly portOf: (proxyName: string) => number;
  readonly primary: () => string;
}): GroupNetwork => {
  const { clock, nodes, portOf, primary } = options;
  const lines = new Map<string, Line>(
    nodes.map(({ name }) => [name, { clients: NONE, replication: NONE, isUp: false }]),
  );
  const clientProxies = new Map<string, TcpProxy>();
  const replicationProxies = new Map<string, TcpProxy>();
  const lineOf = (name: string): Line => {
    const line = lines.get(name);
    if (line === undefined) throw new Error(`${name} is no node of this group`);
    return line;
  };
  const serverPort = (name: string): number => nodes.find((node) => node.name === name)?.port ?? 0;

  const apply = async (): Promise<void> => {
    const before = [...clientProxies].map(([name, proxy]) => {
      const { clients, isUp } = lineOf(name);
      return proxy.set(combined([clients, isUp ? NONE : { kind: 'reset' }]));
    });
    const between = [...replicationProxies].map(([name, proxy]) =>
      proxy.set(combined([lineOf(name).replication, lineOf(primary()).replication])),
    );
    await Promise.all([...before, ...between]);
  };
  const change = (name: string, next: Partial<Line>): Promise<void> => {
    lines.set(name, { ...lineOf(name), ...next });
    return apply();
  };

  return {
    of: (name) => ({
      clients: createSwitch((fault) => change(name, { clients: fault })),
      replication: createSwitch((fault) => change(name, { replication: fault })),
      everything: createSwitch((fault) => change(name, { clients: fault, replication: fault })),
    }),
    isAway: (name) => lineOf(name).clients.kind === 'cut' && lineOf(name).replication.kind === 'cut',
    clientPortOf: (name) => portOf(proxyNamesOf(name).clients),
    wayToPrimary: async (from) => {
      await apply();
      return { host: LOCAL_HOST, port: portOf(proxyNamesOf(from).replication) };
    },
    start: async () => {
      for (const { name, port } of nodes) {
        const names = proxyNamesOf(name);
        clientProxies.set(name, await startTcpProxy({ clock, port: portOf(names.clients), targetPort: () => port }));
        replicationProxies.set(
          name,
          await startTcpProxy({ clock, port: portOf(names.replication), targetPort: () => serverPort(primary()) }),
        );
      }
      await apply();
    },
    serverIs: (name, state) => change(name, { isUp: state === 'up' }),
    close: async () => {
      await Promise.all([...clientProxies.values(), ...replicationProxies.values()].map((proxy) => proxy.close()));
      clientProxies.clear();
      replicationProxies.clear();
    },
  };
};
