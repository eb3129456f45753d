import type { MeshProcess } from '@tillmesh/local-mesh';

const ANSWER_MS_MAX = 500;
const SERVED = /^rpc_server_call_duration_seconds_count\{rpc_method="([^"]*)"[^}]*\} (\d+)$/gm;
/** Methods that services ask each other for all the time: they say nothing of payments. */
const OWN_AFFAIRS = /WatchTable|ReportHealth|WatchLanes|GetGroupMap/;

/** Calls that a process has served since its start; undefined where it does not answer. */
export const servedCalls = async ({ metricsPort }: MeshProcess): Promise<number | undefined> => {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`, { signal })).text();
    let sum = 0;
    for (const [, method = '', count] of text.matchAll(SERVED)) if (!OWN_AFFAIRS.test(method)) sum += Number(count);
    return sum;
  } catch {
    return undefined;
  }
};
