import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { claimsOf } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

/** A start that fails with this error, and leaves no claim. */
async function expectFailure(
  cluster: TestCluster,
  settings: Record<string, string | number>,
  code: string,
): Promise<string> {
  const start = TestWorker.start(settings, cluster);
  const error: unknown = await start.then(
    () => null,
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code });
  expect(await claimsOf(cluster)).toEqual({ live: [], stale: [] });
  return (error as Error).message;
}

test.each(['127.0.0.1', '::1'])('a port that is taken on %s is told, and leaves nothing', async (host) => {
  await using cluster = await TestCluster.create();
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await expectFailure(cluster, { worker_port: port }, 'ERR_PORT_TAKEN')).toContain(
    `port ${port} on ${host}`,
  );
  server.close();
  await once(server, 'close');
});

test.each([
  '192.0.2.1',
  'no.such.host.invalid',
])('an address that is not the machine’s, %s, is told', async (host) => {
  await using cluster = await TestCluster.create();
  expect(await expectFailure(cluster, { worker_host: host }, 'ERR_BAD_ADDRESS')).toContain(
    `listen on ${host}`,
  );
});

test('a worker listens where its config says', async () => {
  await using worker = await TestWorker.start({ worker_host: '127.0.0.2' });
  expect(worker.running.urls).toEqual([`http://127.0.0.2:${worker.running.port}`]);
  await expect(worker.client.status()).rejects.toMatchObject({ code: 'ERR_NO_ANSWER' });
});

test('a second worker with the same directory is refused, and the first goes on', async () => {
  await using worker = await TestWorker.start();
  await worker.cluster.addFixture('echo');
  await expect(TestWorker.start({}, worker.cluster)).rejects.toMatchObject({ code: 'ERR_WORKER_RUNNING' });
  expect(await worker.result('echo', 1)).toBe(1);
});

test.each(['', '{}', '{"binds": 3}'])('a base image whose description is %j is told', async (text) => {
  await using cluster = await TestCluster.create();
  await writeFile(join(cluster.paths.base, '.openlambda-base.json'), text);
  await expectFailure(cluster, {}, 'ERR_BASE_IMAGE');
});

test('a base image that lacks a directory to attach to is told, with its name', async () => {
  await using cluster = await TestCluster.create();
  await rm(join(cluster.paths.base, 'packages'), { recursive: true });
  expect(await expectFailure(cluster, {}, 'ERR_BASE_IMAGE')).toMatch(/packages/);
});

test('what stands in the worker’s directory of handlers from before is removed', async () => {
  await using cluster = await TestCluster.create();
  await cluster.writeFunction('../workers/worker-0/handlers/old', { '7/stdout': 'x' });
  await using worker = await TestWorker.start({}, cluster);
  expect((await worker.client.status()).text).toBe('ready');
});

test('a worker can be closed twice, and again when it has ended', async () => {
  await using worker = await TestWorker.start();
  await Promise.all([worker.running.close(), worker.running.close()]);
  await worker.running.close();
  await worker.running.closed;
  await expect(worker.client.status()).rejects.toMatchObject({ code: 'ERR_NO_ANSWER' });
});

test('a directory whose path is longer than that of a socket may be works', async () => {
  await using worker = await TestWorker.start();
  const name = 'f'.repeat(64);
  await worker.cluster.addFixture('echo', name);
  expect(worker.scratch(`${name}/1/server_pipe`).length).toBeGreaterThan(107);
  expect(await worker.result(name, 1)).toBe(1);
});
