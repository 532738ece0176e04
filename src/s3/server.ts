import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OlError } from '../errors.ts';
import { lockDir } from '../linux/dir-lock.ts';
import type { Log } from '../telemetry/log.ts';
import { answerBroken, answerWithoutRequest } from './broken.ts';
import { S3Error } from './errors.ts';
import { HTTP_LIMITS } from './limits.ts';
import { RequestServer } from './serve.ts';
import { Buckets } from './store/buckets.ts';
import { prepareLayout } from './store/disk.ts';
import { Uploads } from './store/uploads.ts';

export interface S3ServerOptions {
  readonly dir: string;
  readonly host: string;
  readonly port: number;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly log: Log;
  /** Made at start where they are missing. */
  readonly buckets?: readonly string[];
  /** For tests: milliseconds since 1970. */
  readonly now?: () => number;
  /** For tests: how long a client may be silent. */
  readonly idleMs?: number;
}

export interface S3Server {
  readonly port: number;
  /** Takes no more requests; those that are being answered have `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

const GRACE_MS = 5000;
const LOCK_MS = 5000;

/**
 * Serves the S3 protocol from a directory, which no other server may use meanwhile; port 0 takes a free one. Throws
 * ERR_PORT_TAKEN, ERR_BAD_ADDRESS and ERR_LOCKED.
 */
export async function startS3Server(options: S3ServerOptions): Promise<S3Server> {
  const ready = Promise.withResolvers<RequestServer>();
  ready.promise.catch(() => {}); // the caller is told below; requests meanwhile see their connection end
  const active = new Set<Promise<void>>();
  const take = (request: IncomingMessage, response: ServerResponse, waits: boolean) => {
    const served = ready.promise
      .then((server) => server.serve(request, response, waits))
      .catch(() => {
        request.socket.destroy();
      });
    active.add(served);
    void served.finally(() => active.delete(served));
  };
  // The port first, since it tells soonest that this is a second start.
  const server = await listenOn(options.host, options.port, createHttpServer(take, options));
  let lock: AsyncDisposable | null = null;
  const close = async (graceMs = GRACE_MS) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    await new Promise((resolve) => server.close(resolve));
    clearTimeout(cut);
    await Promise.all(active);
    await lock?.[Symbol.asyncDispose]();
  };
  try {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    // One that was killed a moment ago may still be on its way out.
    lock = await lockDir(options.dir, LOCK_MS);
    ready.resolve(await prepare(options));
  } catch (error) {
    ready.reject(error);
    await close(0);
    throw error;
  }
  return { port: (server.address() as AddressInfo).port, close };
}

async function prepare(options: S3ServerOptions): Promise<RequestServer> {
  const { dir, accessKey, secretKey, log, now = Date.now, idleMs = HTTP_LIMITS.idleMs } = options;
  const layout = await prepareLayout(dir);
  const buckets = await Buckets.open(layout, log);
  for (const name of options.buckets ?? []) if (!buckets.has(name)) await buckets.create(name);
  const uploads = await Uploads.open(layout, now(), (name) => buckets.has(name));
  return new RequestServer({ credentials: { accessKey, secretKey }, buckets, uploads, log, now, idleMs });
}

type Take = (request: IncomingMessage, response: ServerResponse, waitsForContinue: boolean) => void;

function createHttpServer(take: Take, { log, idleMs = HTTP_LIMITS.idleMs }: S3ServerOptions): Server {
  const options = {
    maxHeaderSize: HTTP_LIMITS.headerMaxBytes,
    headersTimeout: HTTP_LIMITS.headersTimeoutMs,
    requestTimeout: HTTP_LIMITS.requestTimeoutMs,
    connectionsCheckingInterval: HTTP_LIMITS.headersTimeoutMs / 10,
    keepAliveTimeout: HTTP_LIMITS.keepAliveMs,
    noDelay: true,
    // Node would refuse such a request without a word of XML; here it has no signature that counts.
    requireHostHeader: false,
  };
  const server = createServer(options, (request, response) => take(request, response, false));
  server.on('checkContinue', (request, response) => take(request, response, true));
  // Whatever else is expected is passed over, as HTTP allows.
  server.on('checkExpectation', (request, response) => take(request, response, false));
  server.on('connect', (_, socket) => answerWithoutRequest(new S3Error('MethodNotAllowed'), socket));
  server.maxHeadersCount = HTTP_LIMITS.headersMax;
  server.maxConnections = HTTP_LIMITS.connectionsMax;
  server.timeout = idleMs;
  server.on('clientError', (error, socket) => answerBroken(error, socket, log));
  // A connection that could not be taken is no reason to end.
  server.on('error', (error) => log.error({ err: error }, 's3 server'));
  return server;
}

async function listenOn(host: string, port: number, server: Server): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen({ host, port, exclusive: true }, resolve);
  try {
    await promise;
    return server;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new OlError('ERR_PORT_TAKEN', { host, port }, { cause });
    throw new OlError('ERR_BAD_ADDRESS', { host, port, reason: message }, { cause });
  }
}
