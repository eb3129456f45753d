import type { Clock } from './clock.ts';

/**
 * Runs `task`, waits `everyMs` after its end, runs it again: runs never overlap. Ends when the signal is aborted.
 * A run that throws is told to `onError` and does not end the loop.
 */
export const repeat = async (options: {
  readonly clock: Clock;
  readonly everyMs: number;
  readonly signal: AbortSignal;
  readonly task: () => Promise<void>;
  readonly onError: (error: unknown) => void;
}): Promise<void> => {
  const { clock, everyMs, signal, task, onError } = options;
  while (!signal.aborted) {
    try {
      await task();
    } catch (error) {
      if (!signal.aborted) onError(error);
    }
    // An abort ends the wait by a rejection; the loop's condition sees it.
    await clock.sleep(everyMs, signal).catch(() => undefined);
  }
};
