import type { Cancel, Clock } from './clock.ts';

/**
 * Calls back once the wall clock shows `atMs` or later, never before. A timer counts monotonic time and may also come up to a
 * millisecond early, so whoever compares a wall-clock moment when it comes would now and then find it not due yet and nobody
 * would look again.
 */
export const atWallTime = (clock: Clock, atMs: number, callback: () => void): Cancel => {
  const wait = (): Cancel => clock.after(Math.max(1, atMs - clock.nowMs()), look);
  const look = () => {
    if (clock.nowMs() >= atMs) callback();
    else cancel = wait();
  };
  let cancel = wait();
  return () => cancel();
};
