import { join } from 'node:path';
import type { MeshProcess } from './mesh-plan.ts';

/** A process's own configuration: its service's, with its own ports and files. */
export const configOf = (
  { name, service, port, metricsPort, httpPort }: MeshProcess,
  configs: Readonly<Record<string, object>>,
  folder: string,
): object => {
  const config: Readonly<Record<string, unknown>> = { ...configs[service] };
  if (service === 'sandbox') return config;
  const served = { ...config, server: { ...objectOf(config['server']), port, metricsPort } };
  const http = { ...objectOf(config['http']), port: httpPort ?? 0 };
  const hasHttpSide = service === 'edge' || service === 'watch';
  const own = hasHttpSide && (httpPort !== undefined || name !== service) ? { ...served, http } : served;
  // What two processes would write at the same time.
  if (service === 'cashier' && name !== service) {
    return { ...own, routing: { ...objectOf(config['routing']), snapshotFile: join(folder, `${name}-routing.bin`) } };
  }
  return own;
};

const objectOf = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});
