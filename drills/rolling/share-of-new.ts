import type { Clock } from '@tillmesh/clock';
import type { Mesh, MeshProcess, RepeatableService } from '@tillmesh/local-mesh';
import { servedCalls } from './served-calls.ts';

const LOOK_EVERY_MS = 250;
/** Over so many looks shares are counted. */
const LOOKS = 8;
/** Of an equal part. */
const SHARE_MIN = 0.8;
const WITHIN_MS = 15_000;

/**
 * Waits until a new instance serves at least eight tenths of an equal part of its service's calls, counted over two seconds.
 *
 * @returns ms from now to the beginning of those two seconds; NaN where it has not come to that in 15 s.
 */
export const untilItsShare = async (
  mesh: Mesh,
  service: RepeatableService,
  fresh: MeshProcess,
  clock: Clock,
): Promise<number> => {
  const beganMs = clock.monotonicMs();
  const looks: { readonly atMs: number; readonly all: number; readonly own: number }[] = [];
  while (clock.monotonicMs() - beganMs < WITHIN_MS) {
    const processes = mesh.processes().filter((process) => process.service === service);
    const counts = await Promise.all(processes.map(servedCalls));
    const own = counts[processes.indexOf(fresh)] ?? 0;
    const all = counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
    looks.push({ atMs: clock.monotonicMs() - beganMs, all, own });
    const first = looks.at(-LOOKS - 1);
    if (first !== undefined && all > first.all) {
      const share = (own - first.own) / (all - first.all);
      if (share >= SHARE_MIN / processes.length) return first.atMs;
    }
    await clock.sleep(LOOK_EVERY_MS);
  }
  return Number.NaN;
};
