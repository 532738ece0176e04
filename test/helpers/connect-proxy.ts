import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** What was asked of the proxy. */
export interface Asked {
  readonly method: string;
  /** `host:port`, or a whole URL. */
  readonly target: string;
  readonly authorization: string | null;
}

export interface ConnectProxyOptions {
  /** What it wants to hear as `Proxy-Authorization`. */
  readonly wants?: string;
  /** Names that it alone knows, and the ports of this machine that they are. */
  readonly names?: Readonly<Record<string, number>>;
  /** What it speaks TLS with; where it is not given, it does not. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** An HTTP proxy, as companies have them in front of the internet. */
export class ConnectProxy implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly port: number;
  readonly #options: ConnectProxyOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  static async start(options: ConnectProxyOptions = {}): Promise<ConnectProxy> {
    const server = options.tls === undefined ? createServer() : createTlsServer(options.tls);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ConnectProxy(server, options);
  }

  private constructor(server: Server, options: ConnectProxyOptions) {
    this.#server = server;
    this.#options = options;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.#remember(socket));
    server.on('connect', (incoming, socket) => this.#tunnel(incoming, socket));
    server.on('request', (incoming, response) => this.#forward(incoming, response));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #tunnel(incoming: IncomingMessage, client: Duplex): void {
    if (!this.#admit(incoming))
      return void client.end('HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n');
    const { host, port } = this.#route(`http://${incoming.url}`, 443);
    const server = connect({ host, port });
    this.#remember(server);
    server.once('connect', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      client.pipe(server).pipe(client);
    });
    server.once('error', () => client.end('HTTP/1.1 502 Not there\r\nContent-Length: 0\r\n\r\n'));
  }

  #forward(incoming: IncomingMessage, response: ServerResponse): void {
    const { url = '', method = 'GET' } = incoming;
    if (!this.#admit(incoming)) return void response.writeHead(407, 'Who are you').end();
    const { host, port } = this.#route(url, 80);
    const { pathname, search } = new URL(url);
    const outgoing = request({ host, port, method, path: `${pathname}${search}`, agent: false });
    outgoing.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.writeHead(502).end());
    outgoing.end();
  }

  #admit({ method = '', url = '', headers }: IncomingMessage): boolean {
    const authorization = headers['proxy-authorization'] ?? null;
    this.asked.push({ method, target: url, authorization });
    return this.#options.wants === undefined || authorization === this.#options.wants;
  }

  #route(url: string, defaultPort: number): { host: string; port: number } {
    const { hostname, port } = new URL(url);
    const own = this.#options.names?.[hostname];
    return own === undefined
      ? { host: hostname, port: Number(port) || defaultPort }
      : { host: '127.0.0.1', port: own };
  }

  #remember(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy()); // who is on the other side sees it
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
