import type { Clock } from '@tillmesh/clock';
import { createProgressLines, type MoveProgress } from '@tillmesh/order-groups';

/** Where the progress of a command is shown. */
export type ProgressScreen = {
  show(progress: MoveProgress): void;
  /** A line of its own, which stays. */
  say(line: string): void;
  /** What is being done; undefined before anything is. */
  phase(): MoveProgress['phase'] | undefined;
  end(): void;
};

const DRAW_EVERY_MS = 100;
const LINE_EVERY_MS = 2_000;

/** In a terminal one line that is drawn anew; elsewhere a line when the phase changes, and every 2 s. */
export const createProgressScreen = (options: {
  readonly stream: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
  readonly clock: Clock;
}): ProgressScreen => {
  const { stream, clock } = options;
  const lineOf = createProgressLines(() => clock.monotonicMs());
  const isTerminal = stream.isTTY === true;
  let phase: MoveProgress['phase'] | undefined;
  let shownAtMs = Number.NEGATIVE_INFINITY;
  let isDrawn = false;

  const endLine = (): void => {
    if (isDrawn) stream.write('\n');
    isDrawn = false;
  };

  return {
    show: (progress) => {
      const line = lineOf(progress);
      const isNew = progress.phase !== phase;
      const nowMs = clock.monotonicMs();
      const isDue = nowMs - shownAtMs >= (isTerminal ? DRAW_EVERY_MS : LINE_EVERY_MS);
      if (isNew) endLine();
      ({ phase } = progress);
      if (!isNew && !isDue && progress.done < progress.total) return;
      shownAtMs = nowMs;
      if (isTerminal) {
        stream.write(`\r${line.slice(0, (stream.columns ?? 80) - 1)}\u001B[K`);
        isDrawn = true;
      } else stream.write(`${line}\n`);
    },
    say: (line) => {
      endLine();
      stream.write(`${line}\n`);
    },
    phase: () => phase,
    end: endLine,
  };
};
