import { scraped } from '@tillmesh/telemetry';

type ReadStates = () => readonly string[];

const sources = new Set<{ readonly target: string; readonly read: ReadStates }>();

/** Who tells how many instances of a target are in which state, for the metric. */
export const endpointCounts = {
  /** @returns to be called when the source is gone. */
  add: (target: string, read: ReadStates): (() => void) => {
    const source = { target, read };
    sources.add(source);
    return () => {
      sources.delete(source);
    };
  },
};

scraped({
  name: 'tillmesh_rpc_endpoints',
  help: 'Instances that clients of this process know of: serving, not_serving, silent, unknown or not_connected.',
  type: 'gauge',
  read: () => {
    const counts = new Map<string, { readonly labels: { target: string; state: string }; value: number }>();
    for (const { target, read } of sources) {
      for (const state of read()) {
        const key = `${target} ${state}`;
        const count = counts.get(key) ?? { labels: { target, state }, value: 0 };
        counts.set(key, count);
        count.value += 1;
      }
    }
    return [...counts.values()];
  },
});
