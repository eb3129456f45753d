import './kubernetes-resolver.ts';
import { POLLED_DNS } from './polled-dns.ts';

const BY_GRPC_JS_OR_US = /^(?:ipv4|ipv6|unix|kubernetes):/;

/**
 * A target as grpc-js is told it: names are asked for again and again, see PolledDns.
 *
 * @param target host:port, `dns:///host:port`, `dns://server/host:port`, `ipv4:a:1,b:2`, `kubernetes:///service.namespace:port`, or
 *   `kubernetes://host:port/service.namespace:port` for an API that needs no token.
 */
export const channelTargetOf = (target: string): string => {
  if (BY_GRPC_JS_OR_US.test(target)) return target;
  return target.startsWith('dns:') ? `${POLLED_DNS}:${target.slice('dns:'.length)}` : `${POLLED_DNS}:///${target}`;
};
