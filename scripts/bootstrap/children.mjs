// Child processes that end when we are told to end, and whose end becomes ours.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const children = new Set();
let stopSignal;

const statusOfSignal = (signal) => 128 + (constants.signals[signal] ?? 0);

const stop = (signal) => {
  stopSignal = signal;
  if (children.size === 0) process.exit(statusOfSignal(signal));
  // Ctrl-C reaches every process of a terminal by itself; passed on it would count twice.
  if (signal === 'SIGINT' && process.stdin.isTTY) return;
  for (const child of children) child.kill(signal);
};

const lookForParentMs = 500;

/** Passes the signals that ask us to end on to whatever runs; with nothing running, ends at once. */
export const exitWithChildren = () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(signal));
  // npm runs a script in a shell and, asked to end, ends the shell only: all we notice is that our parent has gone.
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop('SIGTERM');
  }, lookForParentMs);
  timer.unref();
};

/**
 * Runs a program to its end.
 *
 * @returns {Promise<number>} its exit status, or 128 + n where signal n ended it.
 */
export const runToEnd = (program, words, options = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: 'inherit', ...options });
    children.add(child);
    child.once('error', (error) => {
      children.delete(child);
      reject(error);
    });
    child.once('exit', (status, signal) => {
      children.delete(child);
      resolve(signal === null ? status : statusOfSignal(signal));
    });
  });

/**
 * Runs a program to its end and keeps what it prints, which nobody wants to read unless it fails.
 *
 * @returns {Promise<{ status: number, output: string }>}
 */
export const runQuietly = (program, words, options = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, words, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    children.add(child);
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => {
      children.delete(child);
      reject(error);
    });
    child.once('close', (status, signal) => {
      children.delete(child);
      // Whoever asked us to end asked for that, not for a report of the installation that was cut short.
      if (stopSignal !== undefined) process.exit(statusOfSignal(stopSignal));
      resolve({ status: signal === null ? status : statusOfSignal(signal), output: output.trim() });
    });
  });
