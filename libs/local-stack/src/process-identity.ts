import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

let bootId: string | undefined;

const fromProcFolder = (pid: number): string | undefined => {
  // The command's name stands in brackets and may hold blanks and brackets itself: the fields begin after the last one.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // proc(5): field 3 is the state, field 22 the start in clock ticks since the machine was booted.
  const state = fields[0];
  const startedTicks = fields[19];
  // A zombie has ended; only its exit status waits for a parent that may never ask.
  if (state === 'Z' || state === 'X' || startedTicks === undefined) return undefined;
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${bootId} ${startedTicks}`;
};

const fromPs = (pid: number): string | undefined => {
  const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
};

/**
 * What tells a living process from any other that had or will have the same number: when it was started, and on
 * Linux in which boot of the machine.
 *
 * @returns undefined when no process of that number lives.
 */
export const processIdentity = (pid: number): string | undefined => {
  try {
    return process.platform === 'linux' ? fromProcFolder(pid) : fromPs(pid);
  } catch {
    return undefined;
  }
};
