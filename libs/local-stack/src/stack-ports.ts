import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from '@tillmesh/config';
import { LocalStackError } from './local-stack-error.ts';
import { freePorts, isPortFree, LOCAL_HOST } from './ports.ts';

const PortsFile = z.record(z.string(), z.int().min(1).max(65_535));

const remembered = (portsFile: string): ReadonlyMap<string, number> => {
  try {
    return new Map(Object.entries(PortsFile.parse(JSON.parse(readFileSync(portsFile, 'utf8')))));
  } catch {
    // No file, or one that was cut or edited: new ports are as good.
    return new Map();
  }
};

/**
 * The port of each server: the one it had before if it is still free, otherwise a free one. Chosen ports are
 * remembered in the file.
 */
export const choosePorts = async (
  names: readonly string[],
  portsFile: string,
): Promise<ReadonlyMap<string, number>> => {
  const before = remembered(portsFile);
  const ports = new Map<string, number>();
  for (const name of names) {
    const port = before.get(name);
    if (port !== undefined && ![...ports.values()].includes(port) && (await isPortFree(port))) ports.set(name, port);
  }
  const without = names.filter((name) => !ports.has(name));
  // Ports of servers that are not started this time stay theirs.
  const chosen = await freePorts(without.length, new Set(before.values()));
  chosen.forEach((port, index) => ports.set(without[index] as string, port));
  writeFileSync(`${portsFile}.new`, `${JSON.stringify(Object.fromEntries([...before, ...ports]), undefined, 2)}\n`);
  renameSync(`${portsFile}.new`, portsFile);
  return ports;
};

/** @throws {LocalStackError} `port_taken`, naming every port that something else listens on. */
export const demandPorts = async (ports: ReadonlyMap<string, number>): Promise<void> => {
  const taken: string[] = [];
  for (const [name, port] of ports) if (!(await isPortFree(port))) taken.push(`${LOCAL_HOST}:${port} (${name})`);
  if (taken.length === 0) return;
  throw new LocalStackError(
    'port_taken',
    `something else listens on ${taken.join(', ')}; end it, or choose another basePort or none`,
  );
};
