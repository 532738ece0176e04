import { request } from 'node:http';
import { connect, isIP, isIPv6, type Socket } from 'node:net';
import { connect as connectTls, getCACertificates, type TLSSocket } from 'node:tls';
import type { Server, Upstream } from './upstream.ts';

/** Connects to an address. Rejects with what the kernel says. As all of these, it leaves no connection when `late` is aborted. */
export function dial(address: string, port: number, late: AbortSignal): Promise<Socket> {
  late.throwIfAborted();
  // Nothing is held back: a handshake is small pieces that each wait for an answer.
  return opened(connect({ host: address, port, noDelay: true }), 'connect', late);
}

/**
 * Connects to a proxy, to send it requests. One that speaks TLS has to have a certificate by one of `authorities` (PEM), or of
 * those in NODE_EXTRA_CA_CERTS; null stands for those that Node knows. Rejects with what is wrong, and what to do.
 */
export async function dialProxy(
  proxy: Upstream,
  authorities: string | null,
  late: AbortSignal,
): Promise<Socket> {
  const { host, port, isTls } = proxy;
  if (!isTls) return await dial(host, port, late);
  late.throwIfAborted();
  const ca = authorities === null ? {} : { ca: [...getCACertificates('extra'), authorities] };
  // An address is no name that a server could be asked for.
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectTls({ host, port, ...name, ...ca });
  try {
    return (await opened(socket, 'secureConnect', late)).setNoDelay(true);
  } catch (error) {
    throw explained(error as Error, socket, proxy);
  }
}

/** Has a proxy connect to a server. Rejects with what the proxy says where it does not. */
export async function dialThrough(
  proxy: Upstream,
  server: Server,
  authorities: string | null,
  late: AbortSignal,
): Promise<Socket> {
  const own = await dialProxy(proxy, authorities, late);
  const authority = `${isIPv6(server.host) ? `[${server.host}]` : server.host}:${server.port}`;
  const headers = { host: authority, ...authorizationOf(proxy) };
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const asking = request({ createConnection: () => own, method: 'CONNECT', path: authority, headers });
  asking.once('error', reject);
  asking.once('connect', ({ statusCode = 0, statusMessage = '' }, socket, head) => {
    if (statusCode >= 200 && statusCode < 300) {
      if (head.length > 0) socket.unshift(head);
      return resolve(socket as Socket);
    }
    socket.destroy();
    reject(new Error(refusal(proxy, statusCode, statusMessage)));
  });
  asking.end();
  return await promise;
}

export function authorizationOf({ authorization }: Upstream): Record<string, string> {
  return authorization === null ? {} : { 'proxy-authorization': authorization };
}

/** What a proxy's answer means to whoever reads it. */
export function refusal({ host, port }: Upstream, status: number, text: string): string {
  return `the proxy ${host}:${port} answered ${status} ${text}`.trim();
}

/** What OpenSSL says has the line of its source in it, and nothing to go on with. */
function explained(error: Error, { authorizationError }: TLSSocket, { host, port }: Upstream): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  const what = `the proxy ${host}:${port}`;
  if (authorizationError) {
    const remedy =
      code === 'ERR_TLS_CERT_ALTNAME_INVALID'
        ? 'write its address as its certificate does'
        : "name a file with its authority by pip's cert, or by SSL_CERT_FILE";
    // Behind a semicolon, Node names an option of its own.
    return new Error(`${what} is not trusted (${message.replace(/;.*/s, '')}): ${remedy}`, { cause: error });
  }
  if (code !== 'EPROTO' && !code?.startsWith('ERR_SSL')) return error;
  return new Error(`${what} does not speak TLS (${code}): is it http:// instead of https://?`, {
    cause: error,
  });
}

function opened<S extends Socket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  late: AbortSignal,
): Promise<S> {
  const { promise, resolve, reject } = Promise.withResolvers<S>();
  // Also after it is open: a proxy may be silent then.
  late.addEventListener('abort', () => socket.destroy(), { once: true });
  socket.once(event, () => resolve(socket));
  socket.once('error', reject);
  return promise;
}
