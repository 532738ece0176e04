import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, isIPv6, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Server, Upstream } from './upstream.ts';

/** Connects to an address. Rejects with what the kernel says. */
export function dial(address: string, port: number): Promise<Socket> {
  // Nothing is held back: a handshake is small pieces that each wait for an answer.
  return opened(connect({ host: address, port, noDelay: true }), 'connect');
}

/** Connects to a proxy, to send it requests for whole URLs. */
export async function dialProxy({ host, port, isTls }: Upstream): Promise<Socket> {
  if (!isTls) return await dial(host, port);
  const socket = await opened(connectTls({ host, port, servername: host }), 'secureConnect');
  return socket.setNoDelay(true);
}

/** Has a proxy connect to a server. Rejects with what the proxy says where it does not. */
export function dialThrough(proxy: Upstream, server: Server): Promise<Socket> {
  const { host, port, isTls } = proxy;
  const authority = `${isIPv6(server.host) ? `[${server.host}]` : server.host}:${server.port}`;
  const headers = { host: authority, ...authorizationOf(proxy) };
  const request = isTls ? httpsRequest : httpRequest;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const asking = request({ host, port, method: 'CONNECT', path: authority, headers, agent: false });
  asking.once('error', reject);
  asking.once('connect', ({ statusCode = 0, statusMessage = '' }, socket, head) => {
    if (statusCode >= 200 && statusCode < 300) {
      if (head.length > 0) socket.unshift(head);
      return resolve((socket as Socket).setNoDelay(true));
    }
    socket.destroy();
    reject(new Error(refusal(proxy, statusCode, statusMessage)));
  });
  asking.end();
  return promise;
}

export function authorizationOf({ authorization }: Upstream): Record<string, string> {
  return authorization === null ? {} : { 'proxy-authorization': authorization };
}

/** What a proxy's answer means to whoever reads it. */
export function refusal({ host, port }: Upstream, status: number, text: string): string {
  return `the proxy ${host}:${port} answered ${status} ${text}`.trim();
}

function opened<S extends Socket>(socket: S, event: 'connect' | 'secureConnect'): Promise<S> {
  const { promise, resolve, reject } = Promise.withResolvers<S>();
  socket.once(event, () => resolve(socket));
  socket.once('error', reject);
  return promise;
}
