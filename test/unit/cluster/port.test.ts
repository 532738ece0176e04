import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { checkPortFree, portUse } from '../../../src/cluster/port.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

test.each(['127.0.0.1', '0.0.0.0'])('who listens on %s is named', async (host) => {
  const port = await listen(host);
  expect(await portUse(port)).toMatchObject({ owner: { pid: process.pid } });
  const free = checkPortFree(port);
  await expect(free).rejects.toMatchObject({
    code: 'ERR_PORT_HELD',
    message: expect.stringContaining(`${process.pid}`),
  });
});

test('another address of loopback is no hindrance to localhost, but to all addresses', async () => {
  const port = await listen('127.0.0.2');
  expect(await portUse(port, 'localhost')).toBe(null);
  expect(await portUse(port, '0.0.0.0')).not.toBe(null);
});

test('a free port and port 0 are free', async () => {
  const port = await listen('127.0.0.1');
  const [server] = servers.splice(0);
  server?.close();
  if (server) await once(server, 'close');
  await checkPortFree(port);
  await checkPortFree(0);
});
