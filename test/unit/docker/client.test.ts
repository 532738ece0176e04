import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { dockerSocket, openDocker } from '../../../src/docker/client.ts';
import { makeTestDir, removeEmptyRoot } from '../../helpers/test-root.ts';

test.each([
  ['/a/socket', { DOCKER_HOST: 'unix:///another' }, '/a/socket'],
  [null, { DOCKER_HOST: 'unix:///another' }, '/another'],
  [null, { DOCKER_HOST: '' }, '/var/run/docker.sock'],
  [null, {}, '/var/run/docker.sock'],
])('of the config %j and the environment %j the socket is %s', (configured, env, socket) => {
  expect(dockerSocket(configured, env)).toBe(socket);
});

test.each(['tcp://127.0.0.1:2375', 'ssh://host', 'unix://relative'])('DOCKER_HOST may not be %s', (host) => {
  expect(() => dockerSocket(null, { DOCKER_HOST: host })).toThrow(
    expect.objectContaining({ code: 'ERR_DOCKER_HOST', fields: { host } }),
  );
});

test('a socket with nobody behind it is told', async () => {
  await expect(openDocker('/nonexistent/docker.sock')).rejects.toMatchObject({
    code: 'ERR_DOCKER_UNREACHABLE',
    fields: { socket: '/nonexistent/docker.sock', reason: 'ENOENT' },
  });
});

test('what hangs up at once is no daemon', async () => {
  const dir = await makeTestDir();
  const socket = join(dir, 'sock');
  const server = createServer((connection) => connection.destroy()).listen(socket);
  try {
    await expect(openDocker(socket)).rejects.toMatchObject({ code: 'ERR_DOCKER_UNREACHABLE' });
  } finally {
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true });
    await removeEmptyRoot();
  }
});
