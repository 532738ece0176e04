import { BlockList, isIP } from 'node:net';

/** What is no public address: this machine, its networks, and what routers keep for themselves. */
const NOT_PUBLIC: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
];
/** Of the addresses of IPv6, only these are public, less what stands for one of IPv4. */
const GLOBAL_IPV6 = ['2000::', 3, 'ipv6'] as const;
const TRANSLATED_IPV6 = [
  ['2001::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
] as const;

const closed = new BlockList();
for (const subnet of [...NOT_PUBLIC, ...TRANSLATED_IPV6]) closed.addSubnet(...subnet);
const global = new BlockList();
global.addSubnet(...GLOBAL_IPV6);

/** May hostile code be connected to it? Loopback, private, link-local, shared and multicast addresses are none of its business. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !closed.check(address, 'ipv4');
  return version === 6 && global.check(address, 'ipv6') && !closed.check(address, 'ipv6');
}
