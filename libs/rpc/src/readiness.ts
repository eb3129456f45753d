import type { Clock } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';

/** Why a service cannot do its work now, as an operator reads it; undefined where it can. */
export type WhyNotReady = () => string | undefined;

/** Between looks. */
export const LOOK_EVERY_MS = 1_000;
/** A reason that has gone before that is not worth a line: every start waits a moment for its neighbours. */
const TELL_AFTER_MS = 2_000;
/** The same reason is told again so often. */
const TELL_AGAIN_MS = 30_000;

/** Looks whether a service is ready, tells whoever routes calls to it, and says in the log why it is not. */
export type Readiness = {
  /** Looks now; to be called every LOOK_EVERY_MS. */
  look(): void;
};

/**
 * @param options.why asked at every look.
 * @param options.tell told at every look.
 */
export const createReadiness = (options: {
  readonly why: WhyNotReady;
  readonly tell: (ready: boolean) => void;
  readonly clock: Clock;
  readonly log: Log;
}): Readiness => {
  const { why, tell, clock, log } = options;
  let waiting:
    | { readonly sinceMs: number; readonly told?: { readonly why: string; readonly atMs: number } }
    | undefined;
  return {
    look: () => {
      const reason = why();
      tell(reason === undefined);
      const nowMs = clock.monotonicMs();
      if (reason === undefined) {
        if (waiting?.told !== undefined) log.info({ notReadyMs: Math.round(nowMs - waiting.sinceMs) }, 'ready again');
        waiting = undefined;
        return;
      }
      waiting ??= { sinceMs: nowMs };
      const { sinceMs, told } = waiting;
      if (nowMs - sinceMs < TELL_AFTER_MS) return;
      if (told?.why === reason && nowMs - told.atMs < TELL_AGAIN_MS) return;
      waiting = { sinceMs, told: { why: reason, atMs: nowMs } };
      log.warn({ why: reason, sinceMs: Math.round(nowMs - sinceMs) }, 'not ready');
    },
  };
};
