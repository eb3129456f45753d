/** Signals that a drill may send to a server. */
export type ServerSignal = 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT';

/** The part of a server's handle that databases and Redis share. */
export type ServerLife = {
  /** The process number, undefined while it does not run. */
  readonly pid: number | undefined;
  /** True also for a process that SIGSTOP holds. */
  isRunning(): boolean;
  /** Sends the signal at once; resolves for SIGKILL and SIGTERM when the process has ended. */
  kill(signal: ServerSignal): Promise<void>;
  /** Starts it again in place, on its own data. Nothing happens when it runs as it should; two callers share one start. */
  start(): Promise<void>;
};

/** Keeps starts and ends of one server from overlapping. */
export const createServerLife = (server: {
  readonly pid: () => number | undefined;
  readonly kill: (signal: ServerSignal) => Promise<void>;
  readonly start: () => Promise<void>;
  /** Whether there is nothing to start; that it runs, unless told. */
  readonly isStarted?: () => boolean;
}): ServerLife => {
  const { isStarted = () => server.pid() !== undefined } = server;
  let dying: Promise<void> | undefined;
  let starting: Promise<void> | undefined;
  const start = async () => {
    // Whoever kills and starts at once means the next process, not the one that is just going away.
    await dying;
    if (!isStarted()) await server.start();
  };
  return {
    get pid() {
      return server.pid();
    },
    isRunning: () => server.pid() !== undefined,
    kill: (signal) => {
      const sent = server.kill(signal);
      if (signal === 'SIGKILL' || signal === 'SIGTERM') {
        const end = sent.finally(() => {
          if (dying === end) dying = undefined;
        });
        dying = end;
      }
      return sent;
    },
    start: () => {
      starting ??= start().finally(() => {
        starting = undefined;
      });
      return starting;
    },
  };
};
