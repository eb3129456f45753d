import type { Clock } from '@tillmesh/clock';
import { type MeshIdentity, openIdentity } from './mesh-identity.ts';

let identity: MeshIdentity | undefined;

/** One for all clients and servers that this process makes from then on: it has one certificate, whomever it speaks with. */
export const setProcessIdentity = (own: MeshIdentity | undefined): void => {
  identity = own;
};

/** Undefined: this process speaks without TLS. */
export const processIdentity = (): MeshIdentity | undefined => identity;

/**
 * For commands of people: with TILLMESH_TLS_FOLDER this process has the certificate there, and TILLMESH_TLS_SERVER_NAME is the name in
 * that of the mesh, unless it is the host's.
 *
 * @throws {Error} naming the file and what to do, where one lacks or they do not fit together.
 */
export const useIdentityOf = async (env: NodeJS.ProcessEnv, clock: Clock): Promise<void> => {
  const { TILLMESH_TLS_FOLDER: folder, TILLMESH_TLS_SERVER_NAME: serverName } = env;
  if (folder !== undefined && folder !== '') setProcessIdentity(await openIdentity({ folder, serverName }, clock));
};
