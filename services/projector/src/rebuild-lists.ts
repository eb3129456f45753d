import type { Clock } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import type { RebuildSession } from '@tillmesh/merchant-lists';
import { type ChangeFeed, DatabaseError } from '@tillmesh/order-groups';
import { listEntryOf } from './list-entry.ts';

/** Tries of one piece: a group or the store may be without a primary for some seconds. */
const TRIES_MAX = 30;
const RETRY_AFTER_MS = 1_000;

export type RebuildReport = { readonly rows: number; readonly resumed: boolean };

/**
 * Makes the lists anew from the groups. Safe while projectors run: they go on writing what is new, and whatever comes from two sides the
 * newer version stays. It copies from primaries: all that was applied before the lists were cleared is committed there, so it is copied; all
 * that is committed later is a change that the projectors follow.
 *
 * Every piece is committed with the place that it leads to, so a rebuild that was cut off goes on there. Readers ask the groups until the end.
 */
export const rebuildLists = async (options: {
  readonly session: RebuildSession;
  readonly changes: Pick<ChangeFeed, 'tags' | 'paymentsAfter' | 'lastKey'>;
  readonly rowsInPiece: number;
  readonly clock: Clock;
  readonly onProgress: (line: string) => void;
}): Promise<RebuildReport> => {
  const { session, changes, rowsInPiece, clock, onProgress } = options;
  const patiently = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof DatabaseError) || tries === TRIES_MAX) throw error;
        onProgress(`${what} waits: ${error.message}`);
        await clock.sleep(RETRY_AFTER_MS);
      }
    }
  };

  const resumed = await session.clear();
  let rows = 0;

  const copyGroup = async (tag: GroupTag): Promise<void> => {
    const name = `group ${tag}`;
    const lastKey = await patiently(name, () => changes.lastKey(tag));
    let progress = await session.progressOf(tag);
    let firstKey: bigint | undefined;
    let saidAt = clock.monotonicMs();
    while (!progress.isDone) {
      const { copiedTo } = progress;
      const piece = await patiently(name, () => changes.paymentsAfter(tag, copiedTo, rowsInPiece));
      const entries = piece.payments.map((stored) => listEntryOf(stored, clock.nowMs()));
      firstKey ??= piece.lastKey;
      progress = {
        copiedTo: piece.lastKey ?? copiedTo,
        rows: progress.rows + entries.length,
        isDone: piece.isEnd,
      };
      await session.copy(tag, entries, progress);
      if (clock.monotonicMs() - saidAt > 1_000) {
        saidAt = clock.monotonicMs();
        onProgress(`${name}: ${progress.rows} payments, ${shareOf(progress.copiedTo, firstKey ?? 0n, lastKey)}`);
      }
    }
    rows += progress.rows;
    onProgress(`${name}: done, ${progress.rows} payments`);
  };

  for (const tag of changes.tags()) await copyGroup(tag);
  await session.finish();
  return { rows, resumed };
};

/** How far a key lies between two others, in time. */
const shareOf = (key: bigint, first: bigint, last: bigint): string =>
  last <= first ? '' : `${(Number(((key - first) * 1_000n) / (last - first)) / 10).toFixed(1)} %`;
