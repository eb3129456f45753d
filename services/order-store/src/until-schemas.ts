import type { Clock } from '@tillmesh/clock';
import { assertSchemas, type GroupSchema, SchemaBehind } from '@tillmesh/order-groups';

/** Between looks while a schema is behind. */
const AGAIN_MS = 1_000;

/**
 * Waits until the schema of every group that answers is what this program needs: in a cluster the migration runs beside the first
 * instances, and a process that ended instead would be started again and again.
 *
 * @param options.waitsFor told which group is behind, and what to run.
 * @param options.signal ends the wait.
 */
export const untilSchemas = async (options: {
  readonly schemas: () => Promise<readonly GroupSchema[]>;
  readonly waitsFor: (what: string) => void;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { schemas, waitsFor, clock, signal } = options;
  while (!signal.aborted) {
    try {
      assertSchemas(await schemas());
      return;
    } catch (error) {
      if (!(error instanceof SchemaBehind)) throw error;
      waitsFor(error.message);
    }
    // An abort ends the wait by a rejection; the loop's condition sees it.
    await clock.sleep(AGAIN_MS, signal).catch(() => undefined);
  }
};
