import { ManualClock } from '@tillmesh/clock';
import {
  createLane,
  type Lane,
  type LaneConfig,
  LaneRejected,
  LaneTimeout,
  type RejectionCause,
} from '../src/index.ts';

/** A lane of one place on a clock that stands still, or what is said otherwise. */
export const aLane = (parts: Partial<LaneConfig> = {}): { readonly lane: Lane; readonly clock: ManualClock } => {
  const clock = new ManualClock();
  const lane = createLane(
    {
      name: 'test',
      concurrentMax: 1,
      queuedMax: 10,
      queueWaitMsMax: 1_000,
      timeoutMs: 10_000,
      halfOpenAfterMs: 5_000,
      ...parts,
    },
    clock,
  );
  return { lane, clock };
};

/** Numbers with which no breaker opens. */
export const NEVER_OPEN = { callsMin: 1_000_000, failureShareMax: 0.999, stallMsMin: 3_600_000 } as const;

export type End = 'completed' | RejectionCause | 'timeout' | 'threw';

/** How a call through a lane ended; never rejects. */
export const endOf = (running: Promise<unknown>): Promise<End> =>
  running.then(
    () => 'completed',
    (error: unknown) => {
      if (error instanceof LaneRejected) return error.rejection;
      return error instanceof LaneTimeout ? 'timeout' : 'threw';
    },
  );

/** Lets every promise that can go on do so. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Work that ends when it is told to. */
export const heldWork = () => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let signal: AbortSignal | undefined;
  return {
    work: (given: AbortSignal): Promise<string> => {
      signal = given;
      return promise;
    },
    begun: () => signal !== undefined,
    signal: () => signal,
    succeed: () => resolve('answer'),
    fail: (error: Error = new Error('sick')) => reject(error),
  };
};
