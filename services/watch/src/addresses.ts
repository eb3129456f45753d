import { lookup } from 'node:dns/promises';

const DNS = 'dns:///';
const LIST = 'ipv4:';
/** Of one name; more would be another service's. */
const ADDRESSES_MAX = 256;

/** Whether a target's addresses may change while we run. */
export const mayChange = (target: string): boolean => target.startsWith(DNS);

/** The host of a target whose processes are followed by their addresses; undefined where they have no other name. */
export const hostOf = (target: string): string | undefined => {
  const hostAndPort = target.slice(DNS.length);
  return mayChange(target) ? hostAndPort.slice(0, hostAndPort.lastIndexOf(':')) : undefined;
};

/**
 * Every address behind a target, as host:port: each process has lanes of its own, so each is followed by itself.
 *
 * @throws where the name is not known.
 */
export const addressesOf = async (target: string): Promise<readonly string[]> => {
  if (target.startsWith(LIST)) return target.slice(LIST.length).split(',');
  if (!mayChange(target)) return [target];
  const hostAndPort = target.slice(DNS.length);
  const port = hostAndPort.slice(hostAndPort.lastIndexOf(':') + 1);
  const found = await lookup(hostOf(target) ?? '', { all: true });
  const hosts = found.map(({ address, family }) => (family === 6 ? `[${address}]` : address));
  return [...new Set(hosts)].slice(0, ADDRESSES_MAX).map((host) => `${host}:${port}`);
};
