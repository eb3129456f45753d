/** Cancels what it stands for; a second call does nothing. */
export type Cancel = () => void;

/** The only way to know the time or to wait. Tests and simulations pass a ManualClock. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. May jump when the machine's clock is set. For people and for channels. */
  nowMs(): number;
  /** Milliseconds since some moment before; never goes back. For deadlines and durations. */
  monotonicMs(): number;
  /** Calls back once after at least `delayMs` (0 to 2^31 - 1). Does not keep the process alive. */
  after(delayMs: number, callback: () => void): Cancel;
  /** Resolves after `delayMs`; rejects with the signal's reason as soon as the signal is aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

const TIMER_MS_MAX = 2 ** 31 - 1;

/** Waits with any source of timers; both clocks share it. */
export const sleepWith = (after: Clock['after'], delayMs: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });

const after: Clock['after'] = (delayMs, callback) => {
  const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), TIMER_MS_MAX));
  timer.unref();
  return () => clearTimeout(timer);
};

// A sleeping worker with nothing else to do must not let the process end before it wakes.
const afterAlive: Clock['after'] = (delayMs, callback) => {
  const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), TIMER_MS_MAX));
  return () => clearTimeout(timer);
};

/** The machine's clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after,
  sleep: (delayMs, signal) => sleepWith(afterAlive, delayMs, signal),
};
