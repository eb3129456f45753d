import type { Clock } from '@tillmesh/clock';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import type { GroupMaps } from './group-maps.ts';

/** The order's group gives its orders away in this moment, or has just done so: its successor answers as soon as the map says so. */
const isSwitching = (error: unknown): boolean =>
  error instanceof DatabaseError && (error.code === 'ER_READ_ONLY_MODE' || error.code === OWN_CODES.closed);

/** Between two tries while the map is the same. */
const LOOK_AGAIN_MS = 100;

/**
 * Carries work on an order over the moment in which its group's orders go to another one: what was refused there, certainly not written,
 * is done again, as soon as there is a next map.
 *
 * @param waitMsMax for how long it is tried.
 */
export const createAcrossSwitch =
  (options: { readonly maps: GroupMaps; readonly waitMsMax: number; readonly clock: Clock }) =>
  async <T>(work: () => Promise<T>): Promise<T> => {
    const { maps, waitMsMax, clock } = options;
    const deadline = { atMs: clock.monotonicMs() + waitMsMax };
    for (;;) {
      const { version } = maps.current().map;
      try {
        return await work();
      } catch (error) {
        const nowMs = clock.monotonicMs();
        if (!isSwitching(error) || nowMs + LOOK_AGAIN_MS > deadline.atMs) throw error;
        // The switch may also have been given up: then the group takes changes again, by the same map.
        await maps.newerThan(version, { atMs: nowMs + LOOK_AGAIN_MS });
      }
    }
  };
