import { chmodSync, closeSync, openSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import { listenUnix } from '../linux/sockets.ts';
import type { Log } from '../telemetry/log.ts';
import { Denied } from './denied.ts';
import { authorizationOf, refusal } from './dial.ts';
import { FIND_LINKS_HOST, type LinkedFiles } from './find-links.ts';
import { Outlet, type OutletOptions, type Scheme, type Way } from './outlet.ts';
import type { Server as Target } from './upstream.ts';

const BACKLOG = 64;
/** What a proxy answers that asks for a name and a password. */
const PROXY_WANTS_A_NAME = 407;

export interface ProxyOptions extends OutletOptions {
  /** Where its socket is made; whoever may open it may use the proxy. */
  readonly path: string;
  readonly links: LinkedFiles;
  readonly log: Log;
}

/**
 * The way to the package index for sandboxes that have no network: an HTTP proxy on a Unix socket. Where it may connect to, and
 * how, is in `Outlet`.
 */
export class IndexProxy {
  readonly #options: ProxyOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  readonly #outlet: Outlet;

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
    this.#outlet = new Outlet(options);
    this.#server = createServer((incoming, response) => void this.#forward(incoming, response));
    this.#server.on('connect', (incoming, socket, head) => void this.#tunnel(incoming, socket, head));
    this.#server.on('connection', (socket) => this.#remember(socket));
  }

  /** Why a host could not be reached, where that has happened since (`performance.now()`); null for never. */
  troubleSince(time: number): string | null {
    return this.#outlet.troubleSince(time);
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
      const { socket: server } = await this.#connect(targetOf(`http://${url}`, 443), 'https');
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
      const { pathname, search, protocol, href } = new URL(url);
      if (protocol !== 'http:') throw new Denied('this is no address of plain HTTP');
      const { socket, upstream } = await this.#connect(target, 'http');
      const own = upstream === null ? {} : authorizationOf(upstream);
      const outgoing = request({
        createConnection: () => socket,
        method,
        path: upstream === null ? `${pathname}${search}` : href,
        headers: { ...incoming.headers, ...own, connection: 'close' },
      });
      outgoing.on('response', (answer) => {
        if (upstream !== null && answer.statusCode === PROXY_WANTS_A_NAME)
          this.#outlet.note(target, refusal(upstream, PROXY_WANTS_A_NAME, answer.statusMessage ?? ''));
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        pipeline(answer, response, () => {});
      });
      outgoing.on('error', (error) => refuse(response, 502, error.message));
      outgoing.end();
    } catch (error) {
      refuse(response, statusOf(error), (error as Error).message);
    }
  }

  async #connect(target: Target, scheme: Scheme): Promise<Way> {
    const way = await this.#outlet.connect(target, scheme);
    this.#remember(way.socket);
    return way;
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
