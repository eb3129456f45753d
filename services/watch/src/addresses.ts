import { lookup } from 'node:dns/promises';

const DNS = 'dns:///';
const LIST = 'ipv4:';
/** Of one name; more would be another service's. */
const ADDRESSES_MAX = 256;

/** Whether a target's addresses may change while we run. */
export const mayChange = (target: string): boolean => target.startsWith(DNS);

const partsOfName = (target: string): { readonly host: string; readonly port: string } => {
  const colon = target.lastIndexOf(':');
  return { host: target.slice(DNS.length, colon), port: target.slice(colon + 1) };
};

/** The host of a target whose processes are followed by their addresses; undefined where they have no other name. */
export const hostOf = (target: string): string | undefined =>
  mayChange(target) ? partsOfName(target).host : undefined;

/**
 * Every address behind a target, as host:port: each process has lanes of its own, so each is followed by itself.
 *
 * @throws where the name is not known.
 */
export const addressesOf = async (target: string): Promise<readonly string[]> => {
  if (target.startsWith(LIST)) return target.slice(LIST.length).split(',');
  if (!mayChange(target)) return [target];
  const { host: name, port } = partsOfName(target);
  const found = await lookup(name, { all: true });
  const hosts = found.map(({ address, family }) => (family === 6 ? `[${address}]` : address));
  return [...new Set(hosts)].slice(0, ADDRESSES_MAX).map((host) => `${host}:${port}`);
};
