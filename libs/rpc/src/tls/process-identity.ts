import type { MeshIdentity } from './mesh-identity.ts';

let identity: MeshIdentity | undefined;

/** One for all clients and servers that this process makes from then on: it has one certificate, whomever it speaks with. */
export const setProcessIdentity = (own: MeshIdentity | undefined): void => {
  identity = own;
};

/** Undefined: this process speaks without TLS. */
export const processIdentity = (): MeshIdentity | undefined => identity;
