import { status as Code } from '@grpc/grpc-js';
import type { Clock } from '@tillmesh/clock';
import { currentCall, remainingMs } from './call-context.ts';
import { toRpcError } from './rpc-error.ts';

const TRIES_MAX = 6;
const FIRST_PAUSE_MS = 50;
const PAUSE_MS_MAX = 500;
/** A try with less left would only fail later. */
const TRY_MS_MIN = 300;

const PASSING: ReadonlySet<Code> = new Set([
  Code.UNAVAILABLE,
  Code.ABORTED,
  Code.DEADLINE_EXCEEDED,
  Code.CANCELLED,
  Code.UNKNOWN,
]);

/**
 * Repeats a call whose repetition is safe, while the neighbour or what stands behind it is away and the present call's budget
 * lasts. The one layer that repeats calls inside the mesh; for calls to the order store.
 */
export const persistently = async <T>(work: () => Promise<T>, clock: Clock): Promise<T> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      const { code, retryAfterMs } = toRpcError(error);
      const signal = currentCall()?.signal;
      const pauseMs = Math.max(Math.min(FIRST_PAUSE_MS * 2 ** (tries - 1), PAUSE_MS_MAX), retryAfterMs ?? 0);
      const isWorthWhile = tries < TRIES_MAX && PASSING.has(code) && remainingMs(clock) >= pauseMs + TRY_MS_MIN;
      if (!isWorthWhile || signal?.aborted === true) throw error;
      await clock.sleep(pauseMs, signal);
    }
  }
};
