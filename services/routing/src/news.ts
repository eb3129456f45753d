import type { Clock } from '@tillmesh/clock';

/** Wakes whoever waits for something new. */
export type News = {
  /** Grows with each piece of news. */
  count(): number;
  tell(): void;
  /** Resolves as soon as there is more news than `known`, after `withinMs`, or when the signal is aborted. */
  next(known: number, withinMs: number, signal: AbortSignal): Promise<void>;
};

/**
 * Creates the source of news. A promise that is raced again and again keeps every race until it settles, so each wait here is one of its
 * own that leaves nothing behind.
 */
export const createNews = (clock: Clock): News => {
  const waiting = new Set<() => void>();
  let count = 0;
  return {
    count: () => count,
    tell: () => {
      count += 1;
      for (const wake of waiting) wake();
    },
    next: (known, withinMs, signal) =>
      new Promise((resolve) => {
        if (count !== known || signal.aborted) {
          resolve();
          return;
        }
        const wake = () => {
          waiting.delete(wake);
          cancel();
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const cancel = clock.after(withinMs, wake);
        signal.addEventListener('abort', wake, { once: true });
        waiting.add(wake);
      }),
  };
};
