import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OlError } from '../errors.ts';
import { answerBroken } from './broken-request.ts';

export interface HttpHandlers {
  request(request: IncomingMessage, response: ServerResponse): void;
  /** Answers a client that waits for `100 Continue`; true when the request itself is to be handled. */
  checkContinue(request: IncomingMessage, response: ServerResponse): boolean;
  /** What was not HTTP, or not in time, was answered with this error. */
  broken(error: OlError): void;
  /** A connection beyond the most that there may be was closed. */
  dropped(): void;
}

/** What connections may take; none of it depends on the functions, so it is not in the config. */
export interface HttpLimits {
  readonly headerMaxBytes: number;
  readonly headersTimeoutMs: number;
  /** For the whole request. */
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
  /** Of each address that the worker listens on. */
  readonly connectionsMax: number;
}

const LOOPBACK = ['127.0.0.1', '::1'];
export const HTTP_LIMITS: HttpLimits = {
  headerMaxBytes: 16 * 1024,
  headersTimeoutMs: 10_000,
  // 6 MB in this time is 1.6 Mbit/s.
  requestTimeoutMs: 30_000,
  // Longer than the proxies in front of it keep a connection, so that they never meet one that is closing.
  keepAliveMs: 75_000,
  connectionsMax: 10_000,
};
/** How often Node looks for requests that are over their time: a tenth of the time, so that it is a tenth late at most. */
const CHECKS_IN_TIMEOUT = 10;
const BACKLOG = 1024;
const LAST_BYTES_MS = 1000;

/** What it means that there is no listening at an address; the last two are a name that cannot be resolved. */
const NOT_OURS = ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EACCES', 'ENOTFOUND', 'EAI_AGAIN'];

/** The worker's HTTP server: one, or one for each family of loopback. */
export class HttpServer {
  readonly port: number;
  readonly urls: readonly string[];
  readonly #servers: readonly Server[];

  /** Listens on `host` (`localhost` is both loopback addresses); port 0 takes a free one. Throws ERR_PORT_TAKEN. */
  static async listen(
    host: string,
    port: number,
    handlers: HttpHandlers,
    limits: HttpLimits = HTTP_LIMITS,
  ): Promise<HttpServer> {
    const [first, second] = host === 'localhost' ? LOOPBACK : [host];
    const create = () => createHttpServer(handlers, limits);
    const main = await listenOn(first ?? host, port, create());
    const taken = (main.address() as AddressInfo).port;
    const servers = [main];
    try {
      if (second !== undefined) servers.push(await listenOn(second, taken, create()));
    } catch (error) {
      if (!isWithoutIpv6(error)) {
        main.close();
        throw error;
      }
    }
    return new HttpServer(servers, host, taken);
  }

  private constructor(servers: readonly Server[], host: string, port: number) {
    this.#servers = servers;
    this.port = port;
    this.urls = [`http://${host.includes(':') ? `[${host}]` : host}:${port}`];
  }

  /** Takes no new connections and closes the idle ones; what is being sent has a moment to arrive. */
  async close(): Promise<void> {
    const cut = setTimeout(() => {
      for (const server of this.#servers) server.closeAllConnections();
    }, LAST_BYTES_MS);
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
    clearTimeout(cut);
  }
}

function createHttpServer(handlers: HttpHandlers, limits: HttpLimits): Server {
  const options = {
    maxHeaderSize: limits.headerMaxBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.headersTimeoutMs / CHECKS_IN_TIMEOUT,
    keepAliveTimeout: limits.keepAliveMs,
    noDelay: true,
  };
  const server = createServer(options, (request, response) => handlers.request(request, response));
  server.maxConnections = limits.connectionsMax;
  server.on('drop', () => handlers.dropped());
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (handlers.checkContinue(request, response)) handlers.request(request, response);
  });
  server.on('clientError', (error, socket) => answerBroken(error, socket, (known) => handlers.broken(known)));
  return server;
}

async function listenOn(host: string, port: number, server: Server): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ host, port, backlog: BACKLOG, exclusive: true }, resolve);
  try {
    await promise;
    return server;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new OlError('ERR_PORT_TAKEN', { host, port }, { cause });
    if (NOT_OURS.includes(code ?? '')) {
      throw new OlError('ERR_BAD_ADDRESS', { host, port, reason: (cause as Error).message }, { cause });
    }
    throw cause;
  }
}

function isWithoutIpv6(error: unknown): boolean {
  const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
  return cause?.code === 'EADDRNOTAVAIL' || cause?.code === 'EAFNOSUPPORT';
}
