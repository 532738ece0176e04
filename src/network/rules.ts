import { type Cidr, parseCidr } from '../config/cidr.ts';
import { NEVER } from '../config/network.ts';
import { NOT_PUBLIC } from './ranges.ts';

/** What a worker's network is called and where its link is: all that differs between the workers of a machine. */
export interface NetworkPlace {
  /** Of the table, and of the link: at most 15 bytes. */
  readonly name: string;
  readonly machineAddress: string;
  readonly routerAddress: string;
}

const PREFIX = 'openlambda-';

/** Where the network of a slot is: four addresses each of 198.19.255.0/24, a range that is set aside for tests of networks. */
export function placeOf(slot: number): NetworkPlace {
  return {
    name: `${PREFIX}${slot}`,
    machineAddress: `198.19.255.${slot * 4 + 1}`,
    routerAddress: `198.19.255.${slot * 4 + 2}`,
  };
}

/** The address that sandboxes know the router by: `runtime/python/interfaces.py` has it too. */
export const ROUTER_ADDRESS = '240.0.0.1';

/** Connections of one sandbox, and of all of a worker: what remembers them is the machine's. */
const MAX_CONNECTIONS = 1024;
const MAX_CONNECTIONS_OF_ALL = 16_384;

/** Questions for names, of one sandbox. */
const NAMES_PER_SECOND = 100;
const NAMES_AT_ONCE = 200;

/** A verdict over ranges of one length: the shorter a prefix is, the later it is looked at. */
export interface Verdict {
  readonly verdict: 'accept' | 'deny';
  readonly ranges: readonly string[];
}

export interface NetworkLists {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/**
 * What a sandbox may reach, in the order in which it is to be looked up: what is never reached first, then the narrowest range;
 * denied wins over allowed where both name the same one. What is in none is allowed.
 */
export function verdicts({ allow, deny }: NetworkLists): Verdict[] {
  const denied = new Set([...NOT_PUBLIC, ...deny].map(normal).filter((range) => range !== null));
  const allowed = allow.map(normal).filter((range) => range !== null && !denied.has(range));
  const lengths = [...new Set([...denied, ...allowed].map(lengthOf))].sort((one, other) => other - one);
  const ofLength = (ranges: Iterable<string | null>, length: number) =>
    [...new Set(ranges)].filter((range) => range !== null && lengthOf(range) === length) as string[];
  const all: Verdict[] = lengths.flatMap((length) => [
    { verdict: 'deny', ranges: ofLength(denied, length) },
    { verdict: 'accept', ranges: ofLength(allowed, length) },
  ]);
  return [{ verdict: 'deny' as const, ranges: NEVER }, ...all].filter(({ ranges }) => ranges.length > 0);
}

/** Those of IPv6 are none of the rules' business: nothing of IPv6 gets through. */
function normal(range: string): string | null {
  const { version, address, length } = parseCidr(range) as Cidr;
  return version === 4 ? `${address}/${length}` : null;
}

function lengthOf(range: string | null): number {
  return Number(range?.split('/')[1]);
}

/**
 * The rules of the router, for `nft -f`: in a network namespace of its own, where nothing else has any. Datagrams that are larger than
 * a sandbox's link takes (`runtime/python/links.py`) are cut up for it, also those whose sender has asked that nobody does: it would be
 * told, but the first one would be lost.
 */
export function routerRules(lists: NetworkLists): string {
  const lines = verdicts(lists).map(({ verdict, ranges }) => {
    const what = verdict === 'accept' ? 'goto count' : 'reject with icmpx admin-prohibited';
    return `    ip daddr { ${ranges.join(', ')} } ${what}`;
  });
  return `table inet router {
  set asking { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 1m; }
  set connected { type ipv4_addr; size 65535; flags dynamic; }

  chain arrive {
    type filter hook prerouting priority raw; policy accept;
    meta nfproto != ipv4 drop
    iifname "uplink" ip frag-off 0x4000 ip frag-off set 0
    iifname { "uplink", "lo" } accept
    fib saddr . iif oif missing drop
    ip saddr != 240.0.0.0/8 drop
  }

  chain pass {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "uplink" drop
    oifname != "uplink" reject with icmpx admin-prohibited
    ct state != new drop
${lines.join('\n')}
    goto count
  }

  chain count {
    add @connected { ip saddr ct count over ${MAX_CONNECTIONS} } reject with icmpx admin-prohibited
    ct count over ${MAX_CONNECTIONS_OF_ALL} reject with icmpx admin-prohibited
    accept
  }

  chain stay {
    type filter hook input priority filter; policy drop;
    iifname { "uplink", "lo" } drop
    ip daddr != ${ROUTER_ADDRESS} reject with icmpx admin-prohibited
    meta l4proto { tcp, udp } th dport 53 update @asking { ip saddr limit rate over ${NAMES_PER_SECOND}/second burst ${NAMES_AT_ONCE} packets } drop
    meta l4proto { tcp, udp } th dport 53 accept
    reject with icmpx admin-prohibited
  }

  chain leave {
    type filter hook output priority filter; policy drop;
    ct state established,related accept
    meta l4proto icmp accept
  }

  chain translate {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "uplink" masquerade
  }
}
`;
}

/** The one table on the machine, for `nft -f`: takes the place of one of the same name. */
export function machineRules({ name, routerAddress }: NetworkPlace): string {
  return `${noMachineRules(name)}table inet ${name} {
  chain arrive {
    type filter hook prerouting priority raw; policy accept;
    iifname != "${name}" accept
    meta nfproto != ipv4 drop
    ip saddr != ${routerAddress} drop
    fib daddr type != unicast meta l4proto tcp reject with tcp reset
    fib daddr type != unicast reject with icmpx admin-prohibited
  }

  chain stay {
    type filter hook input priority filter; policy accept;
    iifname "${name}" drop
  }

  chain pass {
    type filter hook forward priority filter; policy accept;
    oifname "${name}" ct state established,related accept
    oifname "${name}" drop
    iifname != "${name}" accept
    oifname "${PREFIX}*" drop
    tcp flags syn tcp option maxseg size set rt mtu
  }

  chain translate {
    type nat hook postrouting priority srcnat; policy accept;
    oifname != "${name}" ip saddr ${routerAddress} masquerade
  }
}
`;
}

/** Takes the table away, whether it is there or not. */
export function noMachineRules(name: string): string {
  return `table inet ${name}\ndelete table inet ${name}\n`;
}

/**
 * The first chain of a list (`nft list chains`) that drops what it does not know of what is to be forwarded, as
 * `ip filter FORWARD`; null for none.
 */
export function closedForwardChain(chains: string): string | null {
  let [table, chain] = ['', ''];
  for (const line of chains.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    chain = /^\s+chain (\S+) \{/.exec(line)?.[1] ?? chain;
    if (/ hook forward .*policy drop;/.test(line)) return `${table} ${chain}`;
  }
  return null;
}

/** The names of workers' networks in a list of tables (`nft list tables`). Nothing else is ever removed. */
export function networksIn(tables: string): string[] {
  return [...tables.matchAll(/^table inet (openlambda-\d{1,2})$/gm)].map(([, name = '']) => name);
}
