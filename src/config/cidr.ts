import { isIP } from 'node:net';

/** A range of addresses, `10.0.0.0/8`, or a single one. */
export interface Cidr {
  readonly version: 4 | 6;
  /** As it was written, without the length. */
  readonly address: string;
  readonly length: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Reads `10.0.0.0/8`, `2001:db8::/32`, or an address alone. Null where it is none, or has bits set beyond its length. */
export function parseCidr(text: string): Cidr | null {
  const match = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(text);
  const address = match?.[1] ?? '';
  const version = isIP(address);
  if (version !== 4 && version !== 6) return null;
  const bits = BITS[version];
  const length = Number(match?.[2] ?? bits);
  if (length > bits) return null;
  const beyond = BigInt.asUintN(bits - length, numberOf(address, version));
  return beyond === 0n ? { version, address, length } : null;
}

/** Is all of `inner` in `outer`? */
export function contains(outer: Cidr, inner: Cidr): boolean {
  if (outer.version !== inner.version || outer.length > inner.length) return false;
  const shift = BigInt(BITS[outer.version] - outer.length);
  const start = ({ address, version }: Cidr) => numberOf(address, version) >> shift;
  return start(outer) === start(inner);
}

function numberOf(address: string, version: 4 | 6): bigint {
  const [parts, width] = version === 4 ? [address.split('.').map(Number), 8n] : [groupsOf(address), 16n];
  return parts.reduce((value, part) => (value << width) + BigInt(part), 0n);
}

/** The eight groups of an address of IPv6. */
function groupsOf(address: string): number[] {
  const whole = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = '', tail] = whole.split('::');
  const groups = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  if (tail === undefined) return groups(head);
  const missing = 8 - groups(head).length - groups(tail).length;
  return [...groups(head), ...Array.from({ length: missing }, () => 0), ...groups(tail)];
}
