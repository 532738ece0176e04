import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { Outlet } from '../../../src/packages/outlet.ts';
import type { Upstream } from '../../../src/packages/upstream.ts';
import { ConnectProxy } from '../../helpers/connect-proxy.ts';

/** A server that greets whoever connects, and a proxy that alone knows its name. */
async function withProxy(use: (outlet: Outlet, proxy: ConnectProxy) => Promise<void>): Promise<void> {
  const server = createServer((socket) => socket.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await using proxy = await ConnectProxy.start({
    names: { 'far.invalid': (server.address() as AddressInfo).port },
  });
  const upstream: Upstream = { host: '127.0.0.1', port: proxy.port, isTls: false, authorization: null };
  const indexes = new Set(['10.9.9.9:8443']);
  await use(new Outlet({ indexes, upstreamFor: () => upstream, authorities: null }), proxy);
  server.close();
}

test('a name that only the proxy knows is connected to through it', async () => {
  await withProxy(async (outlet, proxy) => {
    const { socket } = await outlet.connect({ host: 'far.invalid', port: 443 }, 'https');
    expect(String((await once(socket, 'data'))[0])).toBe('hello');
    expect(proxy.asked.map(({ target }) => target)).toEqual(['far.invalid:443']);
    socket.destroy();
  });
});

test.each([
  ['10.0.0.1', 443],
  ['169.254.169.254', 80],
  ['::ffff:10.0.0.1', 443],
  ['localhost', 443],
  ['far.invalid', 22],
])('a proxy does not open what is closed without it: %s:%i', async (host, port) => {
  await withProxy(async (outlet, proxy) => {
    for (const scheme of ['http', 'https'] as const) {
      await expect(outlet.connect({ host, port }, scheme)).rejects.toThrow(
        `${host}:${port} is neither the index nor public`,
      );
    }
    expect([proxy.asked, outlet.troubleSince(0)]).toEqual([[], null]);
  });
});

test('the index may be anywhere, also behind a proxy', async () => {
  await withProxy(async (outlet, proxy) => {
    const { socket } = await outlet.connect({ host: '10.9.9.9', port: 8443 }, 'http');
    socket.destroy();
    // Of plain HTTP, the proxy is asked with the request.
    expect(proxy.asked).toEqual([]);
  });
});

test.each([
  ['of TLS', true, 'http'],
  ['of TLS', true, 'https'],
  ['that makes tunnels', false, 'https'],
] as const)('a proxy %s that is silent (%s, %s) is given up, and its connection closed', async (_, isTls, scheme) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const closed = once(server, 'connection').then(async ([socket]) => {
    socket.resume();
    await once(socket, 'close');
  });
  const upstream = {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    isTls,
    authorization: null,
  };
  const indexes = new Set(['index.invalid:80', 'index.invalid:443']);
  const outlet = new Outlet({ indexes, upstreamFor: () => upstream, authorities: null, connectMs: 500 });
  const connecting = outlet.connect({ host: 'index.invalid', port: scheme === 'http' ? 80 : 443 }, scheme);
  await expect(connecting).rejects.toThrow('no connection within 500 ms');
  await closed;
  server.close();
});
