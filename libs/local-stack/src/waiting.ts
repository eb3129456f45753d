import type { Clock } from '@tillmesh/clock';

/** Resolves with the promise's value, or with `late` after `withinMs`. The promise itself goes on. */
export const within = async <T>(clock: Clock, withinMs: number, promise: Promise<T>): Promise<T | 'late'> => {
  let cancel = () => {};
  const late = new Promise<'late'>((resolve) => {
    cancel = clock.after(withinMs, () => resolve('late'));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
};

/**
 * Asks `probe` again and again until it answers something other than undefined.
 *
 * @returns the answer, or `late` after `withinMs`; one probe that has begun is always awaited.
 * @throws the signal's reason when it is aborted, and whatever the probe throws.
 */
export const pollUntil = async <T>(options: {
  readonly clock: Clock;
  readonly everyMs: number;
  readonly withinMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly probe: () => Promise<T | undefined> | T | undefined;
}): Promise<T | 'late'> => {
  const { clock, everyMs, withinMs, signal, probe } = options;
  const lateAtMs = clock.monotonicMs() + withinMs;
  for (;;) {
    signal?.throwIfAborted();
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (clock.monotonicMs() >= lateAtMs) return 'late';
    await clock.sleep(everyMs, signal);
  }
};

/**
 * Asks `probe` again and again until it has an answer. Gives up only when what it tells meanwhile has stood still: work
 * that gets on may take as long as it needs.
 *
 * @returns the answer, or `stalled` after `stalledMs` without a change of `at`.
 * @throws the signal's reason when it is aborted, and whatever the probe throws.
 */
export const pollWhileAdvancing = async <T>(options: {
  readonly clock: Clock;
  readonly everyMs: number;
  readonly stalledMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly probe: () => Promise<{ readonly answer: T } | { readonly at: string }>;
}): Promise<T | 'stalled'> => {
  const { clock, everyMs, stalledMs, signal, probe } = options;
  let last: { readonly at: string; readonly sinceMs: number } | undefined;
  for (;;) {
    signal?.throwIfAborted();
    const now = await probe();
    if ('answer' in now) return now.answer;
    const nowMs = clock.monotonicMs();
    if (last?.at !== now.at) last = { at: now.at, sinceMs: nowMs };
    if (nowMs - last.sinceMs >= stalledMs) return 'stalled';
    await clock.sleep(everyMs, signal);
  }
};

/** Lets at most `concurrentMax` pieces of work run at a time; the others wait in the order they came. */
export const createGate = (concurrentMax: number) => {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= concurrentMax) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      // The place is handed on rather than freed, so that nobody can slip in between.
      if (next === undefined) running -= 1;
      else next();
    }
  };
};

/**
 * Does all of it at the same time. When one piece fails the others are told by their signal, and the failure is
 * thrown when all of them have ended: nothing goes on behind the caller's back.
 */
export const allOrNone = async (
  works: readonly ((signal: AbortSignal) => Promise<void>)[],
  outer?: AbortSignal,
): Promise<void> => {
  const failed = new AbortController();
  const signal = outer === undefined ? failed.signal : AbortSignal.any([failed.signal, outer]);
  const failures: unknown[] = [];
  await Promise.all(
    works.map((work) =>
      work(signal).catch((error: unknown) => {
        failures.push(error);
        failed.abort(error);
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
};
