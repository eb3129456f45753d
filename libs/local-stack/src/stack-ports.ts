import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from '@tillmesh/config';
import { LocalStackError } from './local-stack-error.ts';
import { freePorts, isPortFree, LOCAL_HOST } from './ports.ts';

const PORT_MAX = 65_535;

const PortsFile = z.record(z.string(), z.int().min(1).max(PORT_MAX));

const remembered = (portsFile: string): ReadonlyMap<string, number> => {
  try {
    return new Map(Object.entries(PortsFile.parse(JSON.parse(readFileSync(portsFile, 'utf8')))));
  } catch {
    // No file, or one that was cut or edited: new ports are as good.
    return new Map();
  }
};

/** As documented at `basePort` of the options: the name says the group's tag and the node's letter. */
const fixedPort = (name: string, basePort: number): number => {
  const [, tag, letter = 'a', proxy = ''] = /^g(\d+)-([abc])(-clients|-replication)?$/.exec(name) ?? [];
  if (tag === undefined) return basePort;
  const offset = ['', '-clients', '-replication'].indexOf(proxy) * 3 + 'abc'.indexOf(letter);
  return basePort + 10 * (Number(tag) + 1) + offset;
};

/** @throws {LocalStackError} `port_taken`, naming every port that something else listens on. */
const demandFree = async (ports: ReadonlyMap<string, number>): Promise<void> => {
  const taken: string[] = [];
  for (const [name, port] of ports) if (!(await isPortFree(port))) taken.push(`${LOCAL_HOST}:${port} (${name})`);
  if (taken.length === 0) return;
  const what = `something else listens on ${taken.join(', ')}`;
  throw new LocalStackError('port_taken', `${what}; end it, or choose another basePort or none`);
};

/** The port a server had before if it is still free, otherwise a free one; remembered in the file. */
const freeOrRemembered = async (names: readonly string[], portsFile: string): Promise<ReadonlyMap<string, number>> => {
  const before = remembered(portsFile);
  const ports = new Map<string, number>();
  for (const name of names) {
    const port = before.get(name);
    if (port !== undefined && ![...ports.values()].includes(port) && (await isPortFree(port))) ports.set(name, port);
  }
  const without = names.filter((name) => !ports.has(name));
  // Ports of servers that are not started this time stay theirs.
  const chosen = await freePorts(without.length, new Set(before.values()));
  for (const [index, port] of chosen.entries()) ports.set(without[index] ?? '', port);
  writeFileSync(`${portsFile}.new`, `${JSON.stringify(Object.fromEntries([...before, ...ports]), undefined, 2)}\n`);
  renameSync(`${portsFile}.new`, portsFile);
  return ports;
};

/**
 * The port of each server, by its name.
 *
 * @param place.basePort fixes all ports; without it the file remembers which free ones were chosen.
 * @throws {LocalStackError} `port_taken` when a fixed port is not free, `options_wrong` when there is no such port.
 */
export const choosePorts = async (
  names: readonly string[],
  place: { readonly basePort?: number | undefined; readonly portsFile: string },
): Promise<ReadonlyMap<string, number>> => {
  const { basePort, portsFile } = place;
  if (basePort === undefined) return freeOrRemembered(names, portsFile);
  const ports = new Map(names.map((name) => [name, fixedPort(name, basePort)]));
  const wrong = [...ports.values()].find((port) => !Number.isInteger(port) || port < 1 || port > PORT_MAX);
  if (wrong !== undefined) {
    throw new LocalStackError('options_wrong', `basePort ${basePort} leads to the port ${wrong}, which does not exist`);
  }
  await demandFree(ports);
  return ports;
};
