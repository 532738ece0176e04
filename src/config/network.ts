import { type Cidr, contains, parseCidr } from './cidr.ts';
import type { CheckedConfig } from './schema.ts';

/** What no list opens: this machine's loopback, what is nobody's address, groups, and what the routers of workers have. */
export const NEVER: readonly string[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '198.19.255.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** What was asked for and can't be had must not be left out silently: the reason for a refusal, null for none. */
export function networkRefusal(checked: CheckedConfig): string | null {
  const { sandbox, network, network_allow: allow, network_deny: deny } = checked;
  const lists = [
    ...(allow.length > 0 ? ['network_allow'] : []),
    ...(deny.length > 0 ? ['network_deny'] : []),
  ];
  if (lists.length === 0) return null;
  const named = lists.join(' and ');
  if (sandbox === 'docker')
    return `${named} cannot be kept with \`"sandbox": "docker"\`, whose daemon makes the network: take it out, or use sock`;
  if (network === 'none' || network === 'host')
    return `${named} cannot be kept with \`"network": "${network}"\`: take it out, or use nat`;
  return allow.map(refusalOfAllowed).find((reason) => reason !== null) ?? null;
}

function refusalOfAllowed(entry: string): string | null {
  const cidr = parseCidr(entry) as Cidr; // checked by the schema
  if (cidr.version === 6)
    return `network_allow: "${entry}" cannot be opened, as sandboxes have no IPv6: give addresses of IPv4`;
  const never = NEVER.find((range) => contains(parseCidr(range) as Cidr, cidr));
  if (never === undefined) return null;
  return `network_allow: "${entry}" cannot be opened, as ${never} is never reached from a sandbox: take it out`;
}
