import { isIP, type Socket } from 'node:net';
import { inTime } from '../in-time.ts';
import { isPublicAddress } from './addresses.ts';
import { Denied } from './denied.ts';
import { dial, dialProxy, dialThrough } from './dial.ts';
import { NameCache } from './name-cache.ts';
import type { Server, Upstream } from './upstream.ts';

/** Less than any installer waits, so that we are the first to know. */
const CONNECT_MS = 8000;
/** A machine that reaches the world by a proxy alone may have nobody to ask for names: it takes the resolver 5 s to say so. */
const LOOK_UP_MS = 1000;
/** What a package may come from besides the index's own ports. */
const WEB_PORTS = [80, 443];

export interface OutletOptions {
  /** `host:port` of the indexes: they may be anywhere, also on this machine. */
  readonly indexes: ReadonlySet<string>;
  /** The proxy that a server is reached through; null for none. Throws where what is set can't be used. */
  readonly upstreamFor: (server: Server, scheme: Scheme) => Upstream | null;
  /** Who vouches for a proxy that speaks TLS, as PEM; null for those that Node knows. */
  readonly authorities: string | null;
  /** For tests: how long it may take to connect. */
  readonly connectMs?: number;
}

export type Scheme = 'http' | 'https';

/** A connection to a server, or through a proxy to one; or, for a server of plain HTTP, to a proxy that takes whole URLs. */
export interface Way {
  readonly socket: Socket;
  readonly upstream: Upstream | null;
}

/**
 * Connects to the indexes, wherever they are, and else to web servers at public addresses only. It looks names up itself.
 *
 * Where this machine has a proxy of its own to go through, that one connects, and looks names up. What we can look up as well has to
 * be public, as ever; what only it knows is for it to decide.
 */
export class Outlet {
  readonly #options: OutletOptions;
  readonly #names = new NameCache();
  #trouble: { readonly at: number; readonly reason: string } | null = null;

  constructor(options: OutletOptions) {
    this.#options = options;
  }

  /** Why a host could not be reached, where that has happened since (`performance.now()`); null for never. */
  troubleSince(time: number): string | null {
    return this.#trouble !== null && this.#trouble.at >= time ? this.#trouble.reason : null;
  }

  /** Rejects with Denied where it must not, and else with why it can't. */
  async connect(server: Server, scheme: Scheme): Promise<Way> {
    try {
      const upstream = this.#options.upstreamFor(server, scheme);
      const { connectMs = CONNECT_MS } = this.#options;
      const socket = await connected(connectMs, (late) =>
        upstream === null ? this.#open(server, late) : this.#openThrough(upstream, server, scheme, late),
      );
      return { socket, upstream };
    } catch (error) {
      if (!(error instanceof Denied)) this.note(server, (error as Error).message);
      throw error;
    }
  }

  /** Takes down why it can't be reached. */
  note({ host }: Server, reason: string): void {
    this.#trouble = { at: performance.now(), reason: `${host}: ${reason}` };
  }

  async #open(server: Server, late: AbortSignal): Promise<Socket> {
    return await dial(await this.#addressOf(server), server.port, late);
  }

  async #openThrough(upstream: Upstream, server: Server, scheme: Scheme, late: AbortSignal): Promise<Socket> {
    if (!this.#isIndex(server)) {
      const lookUp = this.#addressesOf(server.host).catch(() => null);
      const known = await inTime(lookUp, LOOK_UP_MS, () => null);
      if (!WEB_PORTS.includes(server.port) || known?.some((address) => !isPublicAddress(address)))
        throw denial(server);
    }
    const { authorities } = this.#options;
    if (scheme === 'http') return await dialProxy(upstream, authorities, late);
    return await dialThrough(upstream, server, authorities, late);
  }

  /** Looked up once, and connected to as it is: a second look might find another address. */
  async #addressOf(server: Server): Promise<string> {
    const isAllowed = (address: string) =>
      this.#isIndex(server) || (WEB_PORTS.includes(server.port) && isPublicAddress(address));
    const [first] = (await this.#addressesOf(server.host)).filter(isAllowed);
    if (first === undefined) throw denial(server);
    return first;
  }

  async #addressesOf(host: string): Promise<readonly string[]> {
    return isIP(host) ? [host] : await this.#names.addressesOf(host);
  }

  #isIndex({ host, port }: Server): boolean {
    return this.#options.indexes.has(`${host}:${port}`);
  }
}

/** What has not come by then is ended: who is silent now may be so for ever. */
async function connected(ms: number, open: (late: AbortSignal) => Promise<Socket>): Promise<Socket> {
  const late = new AbortController();
  return await inTime(open(late.signal), ms, () => {
    late.abort();
    throw new Error(`no connection within ${ms} ms`);
  });
}

function denial({ host, port }: Server): Denied {
  return new Denied(`${host}:${port} is neither the index nor public`);
}
