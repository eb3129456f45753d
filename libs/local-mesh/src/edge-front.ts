import type { Clock } from '@tillmesh/clock';
import { startTcpProxy } from '@tillmesh/local-stack';
import type { MeshProcess } from './mesh-plan.ts';

/** Where channels and payers reach the edges of a mesh whose processes come and go: what an Ingress is in a cluster. */
export type EdgeFront = {
  /** New connections go to the process that was ready last. */
  setReady(process: MeshProcess): void;
  setLeaving(process: MeshProcess): void;
  close(): Promise<void>;
};

/** @param port where it listens. */
export const openEdgeFront = async (port: number, clock: Clock): Promise<EdgeFront> => {
  const ready: MeshProcess[] = [];
  // Port 1 refuses, as an Ingress without a server behind it does.
  const proxy = await startTcpProxy({ clock, port, targetPort: () => ready.at(-1)?.httpPort ?? 1 });
  return {
    setReady: (process) => {
      if (process.service === 'edge') ready.push(process);
    },
    setLeaving: (process) => {
      const place = ready.indexOf(process);
      if (place >= 0) ready.splice(place, 1);
    },
    close: proxy.close,
  };
};
