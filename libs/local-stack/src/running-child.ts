import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { removePidFile, writePidFile } from './pid-file.ts';

/** How a process ended. `problem` is set when it never began. */
export type ChildExit = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly problem?: string;
};

/** What to run. Without `env` the child has the parent's environment, without `cwd` its folder. */
export type Command = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** A file that the child reads as its input; without it the input is empty. */
  readonly inputFile?: string | undefined;
};

/** A process from its start to its end. */
export type RunningChild = {
  /** Undefined when the process could not be started at all. */
  readonly pid: number | undefined;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<ChildExit>;
  hasExited(): boolean;
  /** Sends the signal to the process and to those it has started; nothing when it has ended. */
  signal(signal: NodeJS.Signals): void;
};

/** Says in words how a child ended. */
export const exitText = ({ code, signal, problem }: ChildExit): string => {
  if (problem !== undefined) return `could not be started: ${problem}`;
  return signal === null ? `ended with status ${code}` : `was ended by ${signal}`;
};

/** Starts the process; its output goes to the log file, which the child keeps open itself. */
const spawnLogging = (command: Command, logPath: string) => {
  const log = openSync(logPath, 'a', 0o600);
  try {
    const input = command.inputFile === undefined ? undefined : openSync(command.inputFile, 'r');
    try {
      return spawn(command.command, [...command.args], {
        detached: true,
        stdio: [input ?? 'ignore', log, log],
        ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
        ...(command.env === undefined ? {} : { env: { ...command.env } }),
      });
    } finally {
      if (input !== undefined) closeSync(input);
    }
  } finally {
    closeSync(log);
  }
};

const neverBegan = (problem: string): RunningChild => ({
  pid: undefined,
  exited: Promise.resolve({ code: null, signal: null, problem }),
  hasExited: () => true,
  signal: () => undefined,
});

/**
 * Starts a process in its own group: a Ctrl-C in the terminal reaches only the parent, which then ends its children in
 * order. The child writes its output to the log file itself, so neither its output nor its life depends on the parent.
 * Never throws: a process that could not be started is one that has ended already.
 */
export const spawnChild = (command: Command, files: { readonly log: string; readonly pid: string }): RunningChild => {
  let child: ReturnType<typeof spawnLogging>;
  try {
    child = spawnLogging(command, files.log);
  } catch (error) {
    // No file handle or no disk left for the log: as bad as a missing program, and may pass as well.
    return neverBegan(error instanceof Error ? error.message : String(error));
  }
  const pid = child.pid;
  let ended = false;
  const exited = new Promise<ChildExit>((resolve) => {
    child.once('error', (error) => {
      if (pid !== undefined) return;
      ended = true;
      resolve({ code: null, signal: null, problem: error.message });
    });
    child.once('exit', (code, signal) => {
      ended = true;
      removePidFile(files.pid);
      resolve({ code, signal });
    });
  });
  if (pid !== undefined) writePidFile(files.pid, { pid, name: command.name });
  return {
    pid,
    exited,
    hasExited: () => ended,
    signal: (signal) => {
      if (pid !== undefined && !ended) signalGroup(pid, signal);
    },
  };
};

/** Sends a signal to a process and to everything in its group; a process that is gone is left in peace. */
export const signalGroup = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // macOS says EPERM for a group of which only zombies are left.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
};
