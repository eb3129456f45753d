import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Mesh } from '@tillmesh/local-mesh';

/** Linux counts a process' time in hundredths of a second. */
const TICKS_PER_SECOND = 100;

/** Processor time of a process so far, ms. @throws {Error} where it does not run. */
export const processorMsOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Behind the name in brackets, which may hold anything, come the state and the other fields.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
};

/** Processor time in a while, ms. */
export type ProcessorTime = {
  /** Of this machine's processors, 0 to 1. */
  readonly busyShare: number;
  /** By the names of the mesh's processes, `load` for this one, and `rest` for databases, Redis and whatever else runs here. */
  readonly ms: ReadonlyMap<string, number>;
};

const machine = (): { readonly busyMs: number; readonly allMs: number } => {
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({ busy: user + nice + sys + irq, idle }));
  const busyMs = times.reduce((sum, { busy }) => sum + busy, 0);
  return { busyMs, allMs: busyMs + times.reduce((sum, { idle }) => sum + idle, 0) };
};

const processes = (mesh: Mesh): ReadonlyMap<string, number> => {
  const { user, system } = process.cpuUsage();
  const found = new Map<string, number>([['load', (user + system) / 1_000]]);
  for (const { name } of mesh.processes()) {
    const pid = mesh.services.pid(name);
    if (pid !== undefined) found.set(name, processorMsOf(pid));
  }
  return found;
};

/** Begins to count. @returns what was used from then until asked, of processes that were there at both times. */
export const countProcessorTime = (mesh: Mesh): (() => ProcessorTime) => {
  const before = { machine: machine(), processes: processes(mesh) };
  return () => {
    const { busyMs, allMs } = machine();
    const busy = busyMs - before.machine.busyMs;
    const ms = new Map<string, number>();
    let known = 0;
    for (const [name, now] of processes(mesh)) {
      const used = now - (before.processes.get(name) ?? now);
      ms.set(name, used);
      known += used;
    }
    ms.set('rest', Math.max(0, busy - known));
    return { busyShare: busy / Math.max(1, allMs - before.machine.allMs), ms };
  };
};
