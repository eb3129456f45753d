import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import type { MeshIdentity } from './mesh-identity.ts';

/**
 * What a channel of grpc-js is made with, so that it speaks with this identity.
 *
 * @param identity undefined: without TLS.
 * @param serverName the name that the neighbour's certificate has to have, where the mesh has not one for all; the target's host unless told.
 */
export const channelSecurity = (
  identity: MeshIdentity | undefined,
  serverName?: string,
): { readonly credentials: ChannelCredentials; readonly options: ChannelOptions } => {
  const wanted = identity?.serverName ?? serverName;
  return {
    credentials: identity?.channelCredentials ?? credentials.createInsecure(),
    options: wanted === undefined ? {} : { 'grpc.ssl_target_name_override': wanted },
  };
};
