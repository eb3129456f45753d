import type { Clock, Random } from '@tillmesh/clock';
import type { LocalGroup, LocalNode } from '@tillmesh/local-stack';

/** What a fault may use. */
export type Chaos = {
  readonly group: LocalGroup;
  readonly random: Random;
  readonly clock: Clock;
  /** Whether the nodes of the group have a small disk. */
  readonly hasDisks: boolean;
};

/** One kind of fault of a group. It ends with everything reachable and running again, as far as the fault itself allows. */
export type ChaosFault = {
  readonly name: string;
  readonly needsDisks?: true;
  readonly run: (chaos: Chaos) => Promise<void>;
};

const pause = ({ clock, random }: Chaos, fromMs: number, toMs: number): Promise<void> =>
  clock.sleep(fromMs + random.below(toMs - fromMs));

const someReplica = ({ group, random }: Chaos): LocalNode => {
  const replicas = group.replicas();
  return replicas[random.below(replicas.length)] ?? group.primary();
};

/** Everything that may happen to a group; two of them at once where two groups are chosen. */
export const CHAOS_FAULTS: readonly ChaosFault[] = [
  {
    name: 'primary killed, started again',
    run: async (chaos) => {
      const primary = chaos.group.primary();
      await primary.kill('SIGKILL');
      await pause(chaos, 0, 2_000);
      await primary.start();
    },
  },
  {
    name: 'primary ended in order, started again',
    run: async (chaos) => {
      const primary = chaos.group.primary();
      await primary.kill('SIGTERM');
      await pause(chaos, 0, 500);
      await primary.start();
    },
  },
  {
    name: 'primary killed, replica promoted',
    run: async (chaos) => {
      await chaos.group.primary().kill('SIGKILL');
      await pause(chaos, 0, 1_500);
      await chaos.group.promote();
    },
  },
  {
    name: 'primary frozen for a while',
    run: async (chaos) => {
      const primary = chaos.group.primary();
      await primary.kill('SIGSTOP');
      await pause(chaos, 100, 4_000);
      await primary.kill('SIGCONT');
    },
  },
  {
    name: 'primary frozen, replica promoted, old primary wakes unfenced',
    run: async (chaos) => {
      const former = chaos.group.primary();
      await former.kill('SIGSTOP');
      await pause(chaos, 0, 1_500);
      await chaos.group.promote();
      await pause(chaos, 0, 500);
      await former.kill('SIGCONT');
      await pause(chaos, 200, 1_500);
      await former.kill('SIGKILL');
    },
  },
  {
    name: 'primary cut off from its clients',
    run: async (chaos) => {
      const { clients } = chaos.group.primary().network();
      await clients.cut();
      await pause(chaos, 100, 3_000);
      await clients.heal();
    },
  },
  {
    name: 'primary cut off from everybody, replica promoted, old primary comes back unfenced',
    run: async (chaos) => {
      const former = chaos.group.primary();
      await former.network().everything.cut();
      await pause(chaos, 0, 1_500);
      await chaos.group.promote();
      await pause(chaos, 0, 500);
      await former.network().everything.heal();
      await pause(chaos, 200, 1_500);
      await former.kill('SIGKILL');
    },
  },
  {
    name: 'replication cut: writes wait',
    run: async (chaos) => {
      const { replication } = chaos.group.primary().network();
      await replication.cut();
      await pause(chaos, 100, 3_000);
      await replication.heal();
    },
  },
  {
    name: 'connections of clients reset',
    run: async (chaos) => {
      const { clients } = chaos.group.primary().network();
      await clients.reset();
      await pause(chaos, 0, 500);
      await clients.heal();
    },
  },
  {
    name: 'a slow network to the primary',
    run: async (chaos) => {
      const { clients } = chaos.group.primary().network();
      await clients.delay(20 + chaos.random.below(500));
      await pause(chaos, 500, 3_000);
      await clients.heal();
    },
  },
  {
    name: 'one replica killed',
    run: async (chaos) => {
      const replica = someReplica(chaos);
      await replica.kill('SIGKILL');
      await pause(chaos, 0, 2_000);
      await replica.start();
    },
  },
  {
    name: 'one replica frozen',
    run: async (chaos) => {
      const replica = someReplica(chaos);
      await replica.kill('SIGSTOP');
      await pause(chaos, 100, 3_000);
      await replica.kill('SIGCONT');
    },
  },
  {
    name: 'both replicas frozen: writes wait',
    run: async (chaos) => {
      const replicas = chaos.group.replicas();
      await Promise.all(replicas.map((replica) => replica.kill('SIGSTOP')));
      await pause(chaos, 100, 2_500);
      await Promise.all(replicas.map((replica) => replica.kill('SIGCONT')));
    },
  },
  {
    name: 'both replicas killed',
    run: async (chaos) => {
      const replicas = chaos.group.replicas();
      await Promise.all(replicas.map((replica) => replica.kill('SIGKILL')));
      await pause(chaos, 0, 1_000);
      await Promise.all(replicas.map((replica) => replica.start()));
    },
  },
  {
    name: 'one replica killed, then the primary; replica promoted',
    run: async (chaos) => {
      const replica = someReplica(chaos);
      await replica.kill('SIGKILL');
      await pause(chaos, 0, 500);
      await chaos.group.primary().kill('SIGKILL');
      await replica.start();
      await chaos.group.promote();
    },
  },
  {
    name: 'every server of the group killed',
    run: async (chaos) => {
      const { nodes } = chaos.group;
      await Promise.all(nodes.map((node) => node.kill('SIGKILL')));
      await pause(chaos, 0, 1_000);
      await Promise.all(nodes.map((node) => node.start()));
    },
  },
  {
    name: 'planned switch of the primary',
    run: async ({ group }) => {
      await group.promote();
    },
  },
  {
    name: 'one replica made anew',
    run: async (chaos) => {
      await someReplica(chaos).rebuild();
    },
  },
  {
    name: 'the primary’s disk is full',
    needsDisks: true,
    run: async (chaos) => {
      const disk = chaos.group.primary().disk();
      await disk.fill();
      await pause(chaos, 300, 3_000);
      await disk.free();
    },
  },
  {
    name: 'the primary’s disk is full, replica promoted',
    needsDisks: true,
    run: async (chaos) => {
      const former = chaos.group.primary();
      await former.disk().fill();
      await pause(chaos, 300, 1_500);
      await chaos.group.promote();
      await former.kill('SIGKILL');
      await former.disk().free();
    },
  },
];

/**
 * Brings every node of a group back into it: started where it is, made anew where it has gone its own way, all of them ended first where
 * nothing else helps.
 *
 * @returns how many were made anew.
 */
export const makeWhole = async (group: LocalGroup): Promise<number> => {
  let rebuilt = 0;
  const settle = async (node: LocalNode): Promise<void> => {
    try {
      await node.start();
      if (group.primary() === node || group.replicas().includes(node)) return;
    } catch {
      // It is broken or has diverged; what made anew needs is a primary.
    }
    await node.rebuild();
    rebuilt += 1;
  };
  await group.primary().start();
  for (const node of group.nodes) {
    if (node !== group.primary()) await settle(node);
  }
  return rebuilt;
};
