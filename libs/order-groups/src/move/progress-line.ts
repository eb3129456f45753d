import type { MoveProgress } from './move-group.ts';

/** A progress, and since when its phase goes on. */
export type PhaseProgress = MoveProgress & {
  /** How long the phase has been going on, ms. */
  readonly elapsedMs: number;
  /** What was done before this process began. */
  readonly doneBefore: number;
};

const BAR_CELLS = 24;

const duration = (ms: number): string => {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

/** The line that tells a person how far a move is: `copy [████    ] 1200 of 5000 orders, 850/s, 5 s left`. */
export const progressLine = ({ phase, done, total, elapsedMs, doneBefore }: PhaseProgress): string => {
  const part = total === 0 ? 1 : Math.min(1, done / total);
  const bar = '█'.repeat(Math.floor(part * BAR_CELLS)).padEnd(BAR_CELLS);
  const perSecond = elapsedMs <= 0 ? 0 : ((done - doneBefore) * 1_000) / elapsedMs;
  const head = `${phase.padEnd(14)} [${bar}] ${done} of ${total}`;
  if (perSecond <= 0 || done >= total) return head;
  return `${head}, ${Math.round(perSecond)}/s, ${duration(((total - done) * 1_000) / perSecond)} left`;
};

/** Makes lines of a move's progress. `nowMs` is of a monotonic clock. */
export const createProgressLines = (nowMs: () => number): ((progress: MoveProgress) => string) => {
  let phase: MoveProgress['phase'] | undefined;
  let beganMs = 0;
  let doneBefore = 0;
  return (progress) => {
    if (progress.phase !== phase) {
      ({ phase } = progress);
      beganMs = nowMs();
      doneBefore = progress.done;
    }
    return progressLine({ ...progress, elapsedMs: nowMs() - beganMs, doneBefore });
  };
};
