import type { Clock, Random } from '@tillmesh/clock';
import type { Mesh, ServiceName } from '@tillmesh/local-mesh';
import type { LocalGroup } from '@tillmesh/local-stack';
import { pick } from '../channels/ambiguous-payments.ts';
import { emptyRedis } from '../empty-redis.ts';
import { CHAOS_FAULTS, type ChaosFault, makeWhole } from '../orders/chaos-faults.ts';

/** What a fault befalls. */
export type FaultKind = 'process' | 'Redis' | 'group';

/** Faults that were made, by what they befell. */
export type FaultsMade = {
  readonly counts: Readonly<Record<FaultKind, number>>;
  /** How often each came. */
  readonly names: ReadonlyMap<string, number>;
};

/** Between two faults of one kind, ms. */
const REST_MS: Readonly<Record<FaultKind, { readonly min: number; readonly max: number }>> = {
  process: { min: 3_000, max: 7_000 },
  Redis: { min: 15_000, max: 30_000 },
  group: { min: 4_000, max: 9_000 },
};
const STILL_MS_MAX = 4_000;
const KILLED_SHARE = 0.7;
/** What may happen to a group without switches in its network. */
const GROUP_FAULT_NAMES: ReadonlySet<string> = new Set([
  'primary killed, started again',
  'primary killed, replica promoted',
  'primary frozen for a while',
  'one replica killed, then the primary; replica promoted',
  'every server of the group killed',
]);

/**
 * Kills processes and holds them, kills and empties Redis, kills primaries and has replicas promoted, one of each kind at a time, for so long. Everything runs and is whole when it resolves.
 *
 * @param victims the services whose processes may be hit.
 */
export const makeFaults = async (options: {
  readonly mesh: Mesh;
  readonly victims: readonly ServiceName[];
  readonly forMs: number;
  readonly random: Random;
  readonly clock: Clock;
  readonly onProgress: (line: string) => void;
}): Promise<FaultsMade> => {
  const { mesh, victims, forMs, random, clock, onProgress } = options;
  const counts = { process: 0, Redis: 0, group: 0 };
  const names = new Map<string, number>();
  const endMs = clock.monotonicMs() + forMs;
  const note = (kind: FaultKind, name: string, where: string): void => {
    counts[kind] += 1;
    names.set(name, (names.get(name) ?? 0) + 1);
    onProgress(`${where}: ${name}`);
  };

  const hitProcess = async (): Promise<void> => {
    const victim = pick(victims, random);
    if (mesh.services.pid(victim) === undefined) return;
    if (random.fraction() < KILLED_SHARE) {
      note('process', 'process killed', victim);
      await mesh.services.kill(victim, 'SIGKILL');
      return;
    }
    note('process', 'process held for a while', victim);
    await mesh.services.kill(victim, 'SIGSTOP');
    await clock.sleep(500 + random.below(STILL_MS_MAX));
    await mesh.services.kill(victim, 'SIGCONT');
  };

  const hitRedis = async (): Promise<void> => {
    const { redis } = mesh.stack;
    if (redis === undefined) throw new Error('the mesh has no Redis');
    if (random.fraction() < 0.5) {
      note('Redis', 'Redis emptied', 'Redis');
      await emptyRedis(mesh, clock);
      return;
    }
    note('Redis', 'Redis killed, started again', 'Redis');
    await redis.kill('SIGKILL');
    await clock.sleep(500 + random.below(STILL_MS_MAX));
    await redis.start();
  };

  const groupFaults = CHAOS_FAULTS.filter(({ name }) => GROUP_FAULT_NAMES.has(name));
  const hitGroup = async (): Promise<void> => {
    const group: LocalGroup = pick(mesh.stack.groups, random);
    const fault: ChaosFault = pick(groupFaults, random);
    note('group', fault.name, `group ${group.tag}`);
    await fault.run({ group, random, clock, hasDisks: false });
    await makeWhole(group);
  };

  const repeatedly = async (kind: FaultKind, hit: () => Promise<void>): Promise<void> => {
    const { min, max } = REST_MS[kind];
    const leftMs = () => endMs - clock.monotonicMs();
    // The first one of each kind comes soon, so that a short run has all of them.
    for (let restMs = random.below(min); ; restMs = min + random.below(max - min)) {
      if (restMs > leftMs()) return;
      await clock.sleep(restMs);
      await hit();
    }
  };
  await Promise.all([repeatedly('process', hitProcess), repeatedly('Redis', hitRedis), repeatedly('group', hitGroup)]);
  return { counts, names };
};
