import { BlockList, isIP, isIPv6 } from 'node:net';

// IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates), and what carries an IPv4 address inside an IPv6
// one: whoever may not be reached by one name may not be reached by the other.
const FORBIDDEN: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  // Link-local; 169.254.169.254 is where clouds tell their secrets.
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  // Alibaba Cloud's metadata lies in 100.64.0.0/10, Azure's wire server here.
  ['168.63.129.16', 32, 'ipv4'],
  // Unspecified, loopback, and IPv4-compatible addresses.
  ['::', 96, 'ipv6'],
  ['64:ff9b::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['100::', 64, 'ipv6'],
  ['2001::', 23, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['3fff::', 20, 'ipv6'],
  ['5f00::', 16, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['fec0::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
];

const MAPPED = '::ffff:';

/** Says which addresses may be connected to. */
export type AddressGuard = {
  /** @param address an IP address; what is none is not allowed. */
  allows(address: string): boolean;
};

/** A network as `10.1.0.0/16` or `fd00::/8`; undefined where it is none. */
export const parseNetwork = (
  text: string,
): { readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6' } | undefined => {
  const [, address = '', length = ''] = /^([0-9A-Fa-f.:]+)\/([0-9]{1,3})$/.exec(text) ?? [];
  const bits = Number(length);
  const version = isIP(address);
  if (version === 0 || bits > (version === 4 ? 32 : 128)) return undefined;
  return { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' };
};

const listOf = (networks: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[]): BlockList => {
  const list = new BlockList();
  for (const [address, bits, family] of networks) list.addSubnet(address, bits, family);
  return list;
};

/** The IPv4 address that an IPv4-mapped one stands for, whatever way it is written; otherwise the address itself. */
const unmapped = (address: string): string => {
  if (!isIPv6(address)) return address;
  // The URL parser writes every address in its one short form.
  const short = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
  if (!short.startsWith(MAPPED)) return short;
  const [high = '0', low = '0'] = short.slice(MAPPED.length).split(':');
  const value = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
};

/**
 * Nothing private, of this machine, of its link, of a cloud's metadata or otherwise special may be connected to, unless a network is
 * allowed by name.
 *
 * @param allowed networks such as `127.0.0.0/8`; wrong ones are a mistake of the program: configuration is checked before.
 */
export const createAddressGuard = (allowed: readonly string[]): AddressGuard => {
  const forbidden = listOf(FORBIDDEN);
  const excepted = listOf(
    allowed.map((text) => {
      const network = parseNetwork(text);
      if (network === undefined) throw new RangeError(`${text} is no network`);
      return [network.address, network.bits, network.family] as const;
    }),
  );
  return {
    allows: (address) => {
      if (isIP(address.replace(/%.*$/, '')) === 0) return false;
      const plain = unmapped(address);
      const family = isIPv6(plain) ? 'ipv6' : 'ipv4';
      return excepted.check(plain, family) || !forbidden.check(plain, family);
    },
  };
};
