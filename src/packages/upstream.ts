import { BlockList, isIP } from 'node:net';

/** A proxy that this machine reaches the index through. */
export interface Upstream {
  readonly host: string;
  readonly port: number;
  /** True where the proxy itself is spoken to by TLS. */
  readonly isTls: boolean;
  /** The value of `Proxy-Authorization`; null where it asks for none. */
  readonly authorization: string | null;
}

/** Which way leads to a server. */
export interface UpstreamSettings {
  /** What pip's own `proxy` says, which goes before the environment: for all servers; null for nothing. */
  readonly pipProxy: string | null;
  readonly env: NodeJS.ProcessEnv;
}

export interface Server {
  readonly host: string;
  readonly port: number;
}

/**
 * The proxy for a server, as pip and curl choose it: pip's `proxy`, else `https_proxy` or `http_proxy`, else `all_proxy`, also in
 * capitals, but for the servers in `no_proxy`. Never one for this machine itself. Null for none. Throws where what is set can't be used.
 */
export function upstreamFor(
  server: Server,
  scheme: 'http' | 'https',
  { pipProxy, env }: UpstreamSettings,
): Upstream | null {
  if (isOwn(server.host)) return null;
  if (pipProxy !== null && pipProxy !== '') return parseUpstream(pipProxy, "pip's proxy");
  const named = [`${scheme}_proxy`, `${scheme}_proxy`.toUpperCase(), 'all_proxy', 'ALL_PROXY'];
  const name = named.find((one) => env[one] !== undefined);
  const value = name === undefined ? undefined : env[name];
  if (name === undefined || value === undefined || value === '') return null;
  return isExempt(server, env.no_proxy ?? env.NO_PROXY ?? '') ? null : parseUpstream(value, name);
}

/** The value may have a password in it: it is not shown. */
function parseUpstream(value: string, source: string): Upstream {
  const url = URL.parse(/^[a-z0-9+.-]+:\/\//i.test(value) ? value : `http://${value}`);
  if (url === null || url.hostname === '' || !['http:', 'https:'].includes(url.protocol))
    throw new Error(`what ${source} says is no address of a proxy that is understood (http://host:port)`);
  const isTls = url.protocol === 'https:';
  const name = [url.username, url.password].map((part) => decoded(part, source)).join(':');
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
    isTls,
    authorization: url.username === '' ? null : `Basic ${Buffer.from(name).toString('base64')}`,
  };
}

function decoded(part: string, source: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new Error(
      `the user or password in what ${source} says has a % that stands for nothing: write %25`,
      {
        cause,
      },
    );
  }
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isOwn(host: string): boolean {
  return host === 'localhost' || isIn(loopback, host);
}

/** `no_proxy`: names, which stand for what is below them as well, addresses, networks (10.0.0.0/8), each perhaps with a port; `*`. */
function isExempt({ host, port }: Server, list: string): boolean {
  const entries = list.toLowerCase().split(/[\s,]+/);
  return entries.filter(Boolean).some((entry) => {
    if (entry === '*') return true;
    const [, name = entry, only] = /^(.*[^:]):(\d+)$/.exec(isIP(entry) === 6 ? '' : entry) ?? [];
    if (only !== undefined && Number(only) !== port) return false;
    const [, net, bits] = /^(.+)\/(\d+)$/.exec(name) ?? [];
    if (net !== undefined) return isInSubnet(host, net, Number(bits));
    const plain = name.replace(/^\*?\./, '').replace(/^\[|\]$/g, '');
    return host.toLowerCase() === plain || host.toLowerCase().endsWith(`.${plain}`);
  });
}

function isInSubnet(host: string, net: string, bits: number): boolean {
  const version = isIP(net);
  if (version === 0 || bits > (version === 4 ? 32 : 128)) return false;
  const subnet = new BlockList();
  subnet.addSubnet(net, bits, version === 4 ? 'ipv4' : 'ipv6');
  return isIn(subnet, host);
}

function isIn(list: BlockList, host: string): boolean {
  const version = isIP(host);
  return version !== 0 && list.check(host, version === 4 ? 'ipv4' : 'ipv6');
}
