import type { Clock } from '@tillmesh/clock';
import { DatabaseError, OWN_CODES } from './database-error.ts';
import type { GroupMaps } from './group-maps.ts';

/** The order's group gives its orders away in this moment, or has just done so: its successor answers as soon as the map says so. */
const isSwitching = (error: unknown): boolean =>
  error instanceof DatabaseError && (error.code === 'ER_READ_ONLY_MODE' || error.code === OWN_CODES.closed);

/**
 * Carries work on an order over the moment in which its group's orders go to another one: what was refused there, certainly not written,
 * is done again by the next map.
 *
 * @param waitMsMax how long to wait for that map.
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
        if (!isSwitching(error) || !(await maps.newerThan(version, deadline))) throw error;
      }
    }
  };
