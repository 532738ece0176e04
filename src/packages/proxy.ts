import { chmodSync, closeSync, openSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import { listenUnix } from '../linux/sockets.ts';
import type { Log } from '../telemetry/log.ts';
import { isPublicAddress } from './addresses.ts';
import { FIND_LINKS_HOST, type LinkedFiles } from './find-links.ts';
import { NameCache } from './name-cache.ts';

const BACKLOG = 64;
/** Less than any installer waits, so that we are the first to know. */
const CONNECT_MS = 8000;
/** What a package may come from besides the index's own ports. */
const WEB_PORTS = [80, 443];

export interface ProxyOptions {
  /** Where its socket is made; whoever may open it may use the proxy. */
  readonly path: string;
  /** `host:port` of the indexes: they may be anywhere, also on this machine. */
  readonly indexes: ReadonlySet<string>;
  readonly links: LinkedFiles;
  readonly log: Log;
}

interface Target {
  readonly host: string;
  readonly port: number;
}

/** Why somebody is not connected; the text is for whoever asked. */
class Denied extends Error {
  override readonly name = 'Denied';
}

/**
 * The way to the package index for sandboxes that have no network: an HTTP proxy on a Unix socket. It looks names up itself,
 * and connects to the indexes, wherever they are, and else to web servers at public addresses only.
 */
export class IndexProxy {
  readonly #options: ProxyOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  readonly #names = new NameCache();
  #trouble: { readonly at: number; readonly reason: string } | null = null;

  /** Resolves when it listens. Throws what the kernel refuses. */
  static async start(options: ProxyOptions): Promise<IndexProxy> {
    const proxy = new IndexProxy(options);
    const fd = listenAt(options.path);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen({ fd }, resolve);
    });
    return proxy;
  }

  private constructor(options: ProxyOptions) {
    this.#options = options;
    this.#server = createServer((incoming, response) => void this.#forward(incoming, response));
    this.#server.on('connect', (incoming, socket, head) => void this.#tunnel(incoming, socket, head));
    this.#server.on('connection', (socket) => this.#remember(socket));
  }

  /** Why a host could not be reached, where that has happened since (`performance.now()`); null for never. */
  troubleSince(time: number): string | null {
    return this.#trouble !== null && this.#trouble.at >= time ? this.#trouble.reason : null;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    unlinkSync(this.#options.path);
  }

  #remember(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy()); // the other side went away, and with it who would be told
    socket.on('close', () => this.#sockets.delete(socket));
  }

  async #tunnel({ url = '' }: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    try {
      const server = await this.#connect(targetOf(`http://${url}`, 443));
      client.write('HTTP/1.1 200 Connected\r\n\r\n');
      server.write(head);
      pipeline(client, server, () => server.destroy());
      pipeline(server, client, () => client.destroy());
    } catch (error) {
      const reason = (error as Error).message;
      this.#options.log.debug({ target: url, reason }, 'an installer was not connected');
      client.end(`HTTP/1.1 ${statusOf(error)} ${oneLine(reason)}\r\nContent-Length: 0\r\n\r\n`);
    }
  }

  /** For indexes that are not encrypted, and for directories of this machine. */
  async #forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '', method = 'GET' } = incoming;
    try {
      if (!['GET', 'HEAD'].includes(method)) throw new Denied(`${method} is not for package indexes`);
      const target = targetOf(url, 80);
      if (target.host === FIND_LINKS_HOST)
        return await this.#options.links.serve(new URL(url).pathname, response);
      const server = await this.#connect(target);
      const { pathname, search } = new URL(url);
      const headers = { ...incoming.headers, connection: 'close' };
      const outgoing = request({
        createConnection: () => server,
        method,
        path: `${pathname}${search}`,
        headers,
      });
      outgoing.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        pipeline(answer, response, () => {});
      });
      outgoing.on('error', (error) => refuse(response, 502, error.message));
      outgoing.end();
    } catch (error) {
      refuse(response, statusOf(error), (error as Error).message);
    }
  }

  async #connect(target: Target): Promise<Socket> {
    const isIndex = this.#options.indexes.has(`${target.host}:${target.port}`);
    try {
      const socket = await inTime(this.#open(target, isIndex));
      this.#remember(socket);
      return socket;
    } catch (error) {
      const reason = `${target.host}: ${(error as Error).message}`;
      if (!(error instanceof Denied)) this.#trouble = { at: performance.now(), reason };
      throw error;
    }
  }

  async #open(target: Target, isIndex: boolean): Promise<Socket> {
    return await connected(await this.#addressOf(target, isIndex), target.port);
  }

  /** Looked up once, and connected to as it is: a second look might find another address. */
  async #addressOf({ host, port }: Target, isIndex: boolean): Promise<string> {
    const found = isIP(host) ? [host] : await this.#names.addressesOf(host);
    const allowed = found.filter(
      (address) => isIndex || (WEB_PORTS.includes(port) && isPublicAddress(address)),
    );
    const [first] = allowed;
    if (first === undefined) throw new Denied(`${host}:${port} is neither the index nor public`);
    return first;
  }
}

/** Unix socket paths end at 107 bytes, cluster directories do not: the way leads over a descriptor. */
function listenAt(path: string): number {
  const dir = openSync(dirname(path), 'r');
  try {
    const fd = listenUnix(`/proc/self/fd/${dir}/${path.slice(dirname(path).length + 1)}`, BACKLOG);
    // The directory is for sandboxes alone; in it, they connect as users that nobody knows.
    chmodSync(join(path), 0o666);
    return fd;
  } finally {
    closeSync(dir);
  }
}

function targetOf(url: string, defaultPort: number): Target {
  if (!URL.canParse(url)) throw new Denied('this is no address');
  const { hostname, port } = new URL(url);
  // `http:` hides its own port.
  const explicit =
    port === '' ? (/:(\d+)(\/|$)/.exec(url.slice('http://'.length))?.[1] ?? defaultPort) : port;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(explicit) };
}

function connected(address: string, port: number): Promise<Socket> {
  const socket = connect({ host: address, port });
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  socket.once('connect', () => resolve(socket));
  socket.once('error', reject);
  return promise;
}

/** The look-up included; one that comes later is closed. */
async function inTime(opening: Promise<Socket>): Promise<Socket> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`no connection within ${CONNECT_MS} ms`));
    void opening.then((socket) => socket.destroy()).catch(() => {}); // nobody waits for it any more
  }, CONNECT_MS);
  try {
    return await Promise.race([opening, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function statusOf(error: unknown): number {
  return error instanceof Denied ? 403 : 502;
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(status, { 'Content-Type': 'text/plain' }).end(`${reason}\n`);
}

function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, ' ').slice(0, 200);
}
