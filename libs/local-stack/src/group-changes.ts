import { z } from '@tillmesh/config';
import { readIfThere, writeWholeFile } from './whole-file.ts';

const ChangesFile = z.strictObject({ added: z.array(z.int()), removed: z.array(z.int()) });

/** Which groups were added to and removed from a stack while it ran. */
export type GroupChanges = {
  /** The tags to start: those that are asked for, with what was added, without what was removed. */
  applyTo(tags: readonly number[]): readonly number[];
  noteAdded(tag: number): void;
  noteRemoved(tag: number): void;
};

const read = (file: string): z.infer<typeof ChangesFile> => {
  const text = readIfThere(file);
  return text === undefined ? { added: [], removed: [] } : ChangesFile.parse(JSON.parse(text));
};

/** Remembers the changes in a file, for the next start of the same folder, whatever tags that is asked for. */
export const openGroupChanges = (file: string): GroupChanges => {
  let changes = read(file);
  const change = (next: z.infer<typeof ChangesFile>) => {
    writeWholeFile(file, `${JSON.stringify(next, undefined, 2)}\n`);
    changes = next;
  };
  const without = (tags: readonly number[], tag: number) => tags.filter((other) => other !== tag);
  return {
    applyTo: (tags) => [...new Set([...tags, ...changes.added])].filter((tag) => !changes.removed.includes(tag)),
    noteAdded: (tag) =>
      change({ added: [...without(changes.added, tag), tag], removed: without(changes.removed, tag) }),
    noteRemoved: (tag) =>
      change({ added: without(changes.added, tag), removed: [...without(changes.removed, tag), tag] }),
  };
};
