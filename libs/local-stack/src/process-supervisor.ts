import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@tillmesh/clock';
import { restartDelayMs } from './back-off.ts';
import { rotateLog, sizeOfLog, tailOfLog } from './child-log.ts';
import { PID_FILE_ENDING } from './leftovers.ts';
import { LocalStackError } from './local-stack-error.ts';
import { type ChildExit, type Command, exitText, type RunningChild, spawnChild } from './running-child.ts';
import { pollUntil, within } from './waiting.ts';

/** A process to keep. */
export type ChildSpec = Command & {
  /**
   * Resolves when the child can be used. Asked again every 50 ms until it does; each asking has 2 seconds, then its
   * signal is aborted.
   */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  /** How long it may take to become ready, 30 seconds unless told. */
  readonly readyWithinMs?: number;
  /** Whether to start it again when it ends by itself. */
  readonly restart: boolean;
  /** From SIGTERM to SIGKILL when it is stopped. */
  readonly stopGraceMs: number;
};

/** What happens to the children, in the order in which it happens. */
export type SupervisorEvent =
  | { readonly kind: 'started'; readonly name: string; readonly pid: number }
  | { readonly kind: 'ready'; readonly name: string; readonly pid: number; readonly tookMs: number }
  | {
      readonly kind: 'exited';
      readonly name: string;
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
    }
  | { readonly kind: 'restarting'; readonly name: string; readonly afterMs: number; readonly restarts: number };

/** Keeps child processes: starts, restarts and ends them, and holds their logs. */
export type Supervisor = {
  /**
   * Starts a child and waits until it is ready. A child that ends or is late before it was ever ready is not
   * restarted: that is a wrong command or a wrong setting.
   *
   * @throws {LocalStackError} `child_not_ready`, with the end of its log.
   * @throws the signal's reason when it is aborted; the child is ended.
   */
  start(spec: ChildSpec, signal?: AbortSignal): Promise<void>;
  /**
   * Sends a signal, at once. Resolves for SIGKILL and SIGTERM when the process has ended, for others immediately.
   * A child that was started with `restart` comes back. Nothing happens when it does not run.
   */
  kill(name: string, signal: NodeJS.Signals): Promise<void>;
  /** Ends a child for good: SIGTERM, SIGKILL after its grace. */
  stop(name: string): Promise<void>;
  /** The process number, undefined while it does not run. */
  pid(name: string): number | undefined;
  /** How often it was started again by itself. */
  restartsOf(name: string): number;
  /** Where its output goes. */
  logPath(name: string): string;
  /** Ends all children, the last one started first. Afterwards nothing can be started. */
  stopAll(): Promise<void>;
};

type Child = {
  readonly spec: ChildSpec;
  /** Aborted when the child is stopped for good: ends a pending restart. */
  readonly ending: AbortController;
  running: RunningChild | undefined;
  startedAtMs: number;
  everReady: boolean;
  failures: number;
  restarts: number;
};

const READY_POLL_MS = 50;
const READY_ATTEMPT_MS = 2_000;
const READY_WITHIN_MS = 30_000;
// Ten megabytes in five seconds is more than any of our processes writes, even at debug level.
const ROTATE_EVERY_MS = 5_000;
// Names become file names.
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** Whether one asking of `ready` succeeds within its time. */
const isReady = async (clock: Clock, spec: ChildSpec, withinMs: number, outer: AbortSignal): Promise<boolean> => {
  const late = new AbortController();
  const cancel = clock.after(withinMs, () => late.abort(new Error('not ready in time')));
  const signal = AbortSignal.any([late.signal, outer]);
  const aborted = new Promise<false>((resolve) =>
    signal.addEventListener('abort', () => resolve(false), { once: true }),
  );
  try {
    return await Promise.race([
      spec.ready(signal).then(
        () => true,
        () => false,
      ),
      aborted,
    ]);
  } finally {
    cancel();
  }
};

/**
 * A small process supervisor for one machine.
 *
 * @param options.logFolder gets `<name>.log` (at most two files of 10 MB each per child) and, while a child runs,
 *   `<name>.pid`, by which `stopLeftovers` finds children whose parent was killed. Made when it is not there.
 */
export const createSupervisor = (options: {
  readonly clock: Clock;
  readonly logFolder: string;
  readonly onEvent?: (event: SupervisorEvent) => void;
}): Supervisor => {
  const { clock, logFolder, onEvent = () => undefined } = options;
  mkdirSync(logFolder, { recursive: true, mode: 0o700 });
  const children = new Map<string, Child>();
  let stopping = false;
  let cancelRotation = () => {};

  const logPath = (name: string) => join(logFolder, `${name}.log`);

  const rotateLogs = async () => {
    // A log that cannot be rotated now is looked at again in the next round.
    await Promise.allSettled([...children.keys()].map((name) => rotateLog(logPath(name))));
    if (!stopping) cancelRotation = clock.after(ROTATE_EVERY_MS, () => void rotateLogs());
  };
  cancelRotation = clock.after(ROTATE_EVERY_MS, () => void rotateLogs());

  const onExit = (child: Child, running: RunningChild, exit: ChildExit) => {
    const { name, restart } = child.spec;
    if (child.running === running) child.running = undefined;
    onEvent({ kind: 'exited', name, code: exit.code, signal: exit.signal });
    if (!restart || !child.everReady || child.ending.signal.aborted) return;
    const delay = restartDelayMs({ failures: child.failures, livedMs: clock.monotonicMs() - child.startedAtMs });
    child.failures = delay.failures;
    child.restarts += 1;
    onEvent({ kind: 'restarting', name, afterMs: delay.afterMs, restarts: child.restarts });
    clock.sleep(delay.afterMs, child.ending.signal).then(
      () => relaunch(child),
      () => undefined,
    );
  };

  const launch = (child: Child): RunningChild => {
    const { name } = child.spec;
    const running = spawnChild(child.spec, { log: logPath(name), pid: join(logFolder, `${name}${PID_FILE_ENDING}`) });
    child.running = running;
    child.startedAtMs = clock.monotonicMs();
    if (running.pid !== undefined) onEvent({ kind: 'started', name, pid: running.pid });
    void running.exited.then((exit) => onExit(child, running, exit));
    return running;
  };

  /** Undefined when the child is ready, otherwise what went wrong in words. */
  const problemOf = async (child: Child, running: RunningChild, signal: AbortSignal): Promise<string | undefined> => {
    const { spec } = child;
    const readyWithinMs = spec.readyWithinMs ?? READY_WITHIN_MS;
    const ended = new AbortController();
    void running.exited.then(() => ended.abort());
    const answer = await pollUntil({
      clock,
      everyMs: READY_POLL_MS,
      withinMs: readyWithinMs,
      signal,
      probe: async () => {
        if (running.hasExited()) return 'ended';
        const remainingMs = child.startedAtMs + readyWithinMs - clock.monotonicMs();
        const attemptMs = Math.min(READY_ATTEMPT_MS, Math.max(0, remainingMs));
        const isNow = await isReady(clock, spec, attemptMs, AbortSignal.any([ended.signal, signal]));
        return isNow ? 'ready' : undefined;
      },
    });
    // Somebody else's server may have answered the question of a child that has ended.
    if (running.hasExited()) return exitText(await running.exited);
    if (answer === 'late') return `was not ready within ${readyWithinMs} ms`;
    child.everReady = true;
    const tookMs = Math.round(clock.monotonicMs() - child.startedAtMs);
    if (running.pid !== undefined) onEvent({ kind: 'ready', name: spec.name, pid: running.pid, tookMs });
    return undefined;
  };

  const relaunch = async (child: Child): Promise<void> => {
    if (child.ending.signal.aborted) return;
    const running = launch(child);
    const problem = await problemOf(child, running, child.ending.signal).catch(() => undefined);
    // The exit of the child that hangs leads to the next restart, after a longer wait.
    if (problem !== undefined) running.signal('SIGKILL');
  };

  const end = async (child: Child): Promise<void> => {
    child.ending.abort(new Error(`${child.spec.name} is stopped`));
    const running = child.running;
    if (running === undefined) return;
    running.signal('SIGTERM');
    // A process that was stopped by SIGSTOP does not hear SIGTERM before it is let go on.
    running.signal('SIGCONT');
    if ((await within(clock, child.spec.stopGraceMs, running.exited)) !== 'late') return;
    running.signal('SIGKILL');
    await running.exited;
  };

  return {
    start: async (spec, signal = new AbortController().signal) => {
      const { name } = spec;
      if (!NAME.test(name)) throw new Error(`${name} cannot be the name of a child: small letters, digits and hyphens`);
      if (stopping) throw new Error(`${name} cannot be started: the supervisor has been stopped`);
      const before = children.get(name);
      if (before?.running !== undefined) throw new Error(`${name} runs already`);
      before?.ending.abort();
      // Deleted first, so that the order of the map stays the order of the starts.
      children.delete(name);
      const child: Child = {
        spec,
        ending: new AbortController(),
        running: undefined,
        startedAtMs: 0,
        everReady: false,
        failures: 0,
        restarts: 0,
      };
      children.set(name, child);
      const logFrom = sizeOfLog(logPath(name));
      const running = launch(child);
      let problem: string | undefined;
      try {
        problem = await problemOf(child, running, AbortSignal.any([signal, child.ending.signal]));
      } catch (error) {
        await end(child);
        throw error;
      }
      if (problem === undefined) return;
      await end(child);
      const tail = tailOfLog(logPath(name), logFrom);
      throw new LocalStackError(
        'child_not_ready',
        `${name} ${problem}\n  command: ${[spec.command, ...spec.args].join(' ')}\n  the end of ${logPath(name)}:\n${
          tail === '' ? '    (it wrote nothing)' : tail.replace(/^/gm, '    ')
        }\n  Mend what the log names and start again.`,
      );
    },
    kill: async (name, signal) => {
      const running = children.get(name)?.running;
      if (running === undefined) return;
      running.signal(signal);
      if (signal === 'SIGKILL' || signal === 'SIGTERM') await running.exited;
    },
    stop: async (name) => {
      const child = children.get(name);
      if (child !== undefined) await end(child);
    },
    pid: (name) => children.get(name)?.running?.pid,
    restartsOf: (name) => children.get(name)?.restarts ?? 0,
    logPath,
    stopAll: async () => {
      stopping = true;
      cancelRotation();
      for (const child of [...children.values()].reverse()) await end(child);
    },
  };
};
