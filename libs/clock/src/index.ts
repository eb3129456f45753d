export { atWallTime } from './at-wall-time.ts';
export { type Cancel, type Clock, systemClock } from './clock.ts';
export { ManualClock } from './manual-clock.ts';
export { type Random, seededRandom, systemRandom } from './random.ts';
export { repeat } from './repeat.ts';
export { NO_TIMER, type TimerHandle, TimerWheel } from './timer-wheel.ts';
export { untilSucceeds } from './until-succeeds.ts';
