import { isIP } from 'node:net';

/**
 * Whether a request's Host header calls the service by an address, as localhost, or by one of its names. A page elsewhere can make a
 * browser ask us under a name of its own that it lets point here; under such a name it could read what we answer.
 */
export const isCalledRightly = (host: string | undefined, names: readonly string[]): boolean => {
  const called = (host ?? '').toLowerCase().replace(/:\d{1,5}$/, '');
  const isAddress = isIP(called.replace(/^\[(.*)\]$/, '$1')) !== 0;
  return isAddress || called === 'localhost' || names.some((name) => name.toLowerCase() === called);
};
