import type { GroupChanges } from './group-changes.ts';
import type { ControlledGroup, LocalGroup } from './local-group.ts';
import { LocalStackError } from './local-stack-error.ts';
import { allOrNone, createGate } from './waiting.ts';

/** The groups of a stack, which may become more and fewer while it runs. */
export type RunningGroups = {
  /** The groups that run now, in the order in which they came. */
  list(): readonly LocalGroup[];
  startAll(signal?: AbortSignal): Promise<void>;
  add(tag: number): Promise<LocalGroup>;
  remove(tag: number): Promise<void>;
  /** Ends all of them side by side; a server that is dead already costs no time. */
  stopAll(): Promise<void>;
};

// More servers at once than this only makes all of them slower: a start is bound by the disk and two cores.
const STARTS_CONCURRENT_MAX = 4;

/** Groups as they will be; nothing is started. `plan` makes one more. */
export const createRunningGroups = (options: {
  readonly groups: readonly ControlledGroup[];
  readonly plan: (tag: number) => Promise<ControlledGroup>;
  readonly changes: GroupChanges;
  readonly onProgress: (line: string) => void;
}): RunningGroups => {
  const { plan, changes, onProgress } = options;
  const groups = [...options.groups];
  const gate = createGate(STARTS_CONCURRENT_MAX);
  const closing = new AbortController();
  // One change after the other: two that choose ports at the same time could choose the same.
  let lastChange: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(change: () => Promise<T>): Promise<T> => {
    const turn = lastChange
      .catch(() => undefined)
      .then(() => {
        closing.signal.throwIfAborted();
        return change();
      });
    lastChange = turn;
    return turn;
  };

  const start = async (group: ControlledGroup, signal?: AbortSignal) => {
    const count = await group.startAll(gate, signal);
    if (count === 0) return;
    const { host, port } = group.primary();
    const replicas = `${count} semi-sync ${count === 1 ? 'replica' : 'replicas'}`;
    onProgress(`group ${group.tag} takes writes: primary ${host}:${port}, ${replicas}`);
  };

  return {
    list: () => [...groups],
    startAll: (signal) =>
      allOrNone(
        groups.map((group) => (inner: AbortSignal) => start(group, inner)),
        signal,
      ),
    add: (tag) =>
      inTurn(async () => {
        if (groups.some((group) => group.tag === tag)) {
          throw new LocalStackError('options_wrong', `group ${tag} runs already`);
        }
        const group = await plan(tag);
        try {
          await start(group, closing.signal);
        } catch (error) {
          await group.stopAll();
          throw error;
        }
        groups.push(group);
        changes.noteAdded(tag);
        return group;
      }),
    remove: (tag) =>
      inTurn(async () => {
        const group = groups.find((candidate) => candidate.tag === tag);
        if (group === undefined) throw new LocalStackError('options_wrong', `there is no group ${tag} to remove`);
        changes.noteRemoved(tag);
        groups.splice(groups.indexOf(group), 1);
        await group.stopAll();
        onProgress(`group ${tag} is removed; its data stays in the folder`);
      }),
    stopAll: async () => {
      closing.abort(new LocalStackError('options_wrong', 'the stack has been stopped'));
      await lastChange.catch(() => undefined);
      await Promise.all(groups.map((group) => group.stopAll()));
    },
  };
};
