import { repeat } from '@tillmesh/clock';
import type { GroupTag } from '@tillmesh/domain';
import { type Follower, followGroup } from './follow-group.ts';

const MAP_EVERY_MS = 1_000;

/** Follows every group on the map, each by itself: one that does not answer holds up none of the others. */
export const followGroups = async (tags: () => readonly GroupTag[], follower: Follower): Promise<void> => {
  const { clock, log, signal } = follower;
  const followed = new Map<GroupTag, AbortController>();
  const begin = (tag: GroupTag): void => {
    const stop = new AbortController();
    followed.set(tag, stop);
    followGroup(tag, { ...follower, signal: AbortSignal.any([signal, stop.signal]) }).catch((error: unknown) =>
      log.error({ err: error, group: tag }, 'the group is followed no more'),
    );
  };
  await repeat({
    clock,
    everyMs: MAP_EVERY_MS,
    signal,
    task: async () => {
      const now = new Set(tags());
      for (const tag of now) if (!followed.has(tag)) begin(tag);
      for (const [tag, stop] of followed) {
        if (now.has(tag)) continue;
        stop.abort(new Error('the group is retired'));
        followed.delete(tag);
      }
    },
    onError: (error) => log.error({ err: error }, 'could not look which groups there are'),
  });
};
