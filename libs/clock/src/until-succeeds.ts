import type { Clock } from './clock.ts';
import { repeat } from './repeat.ts';

/**
 * Runs `task` until it does not throw, `everyMs` between a failure and the next try. Ends also when the signal is aborted.
 *
 * @param options.onError told of every failure.
 * @returns whether it succeeded.
 */
export const untilSucceeds = async (options: {
  readonly clock: Clock;
  readonly everyMs: number;
  readonly signal: AbortSignal;
  readonly task: () => Promise<void>;
  readonly onError: (error: unknown) => void;
}): Promise<boolean> => {
  const { signal, task } = options;
  const succeeded = new AbortController();
  await repeat({
    ...options,
    signal: AbortSignal.any([signal, succeeded.signal]),
    task: async () => {
      await task();
      succeeded.abort(new Error('it has succeeded'));
    },
  });
  return succeeded.signal.aborted;
};
