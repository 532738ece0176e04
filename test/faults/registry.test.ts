import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startRegistry } from '../../src/cluster/registry-launch.ts';
import { stopCluster } from '../../src/cluster/stop.ts';
import { loadConfig } from '../../src/config/load.ts';
import { openStore } from '../../src/registry/store/open.ts';
import { cleanUpAfter } from '../../src/sandbox/clean-up.ts';
import { bundleOf, bundleOfHandler } from '../helpers/bundle.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { type Answer, etagOf, type OddBucket, sayError, startOddBucket } from '../helpers/odd-bucket.ts';
import { until } from '../helpers/poll.ts';
import { errorOf, FaultStage } from './stage.ts';

leavesNothing();

const NEXT = bundleOfHandler('def handler(event):\n    return "next"\n');

const HERE = bundleOfHandler('def handler(event):\n    return "here"\n');
const PACKAGED = bundleOf({
  'packages.txt': 'kept\n',
  'lambda_func.py': 'import kept\ndef handler(event):\n    return kept.VALUE\n',
});

/** A stage whose code comes from a bucket. */
async function openWith(bucket: OddBucket): Promise<FaultStage> {
  bucket.objects.set('here', HERE);
  bucket.objects.set('packaged', PACKAGED);
  const stage = await FaultStage.open({
    registry: 'remote',
    registry_server: bucket.url,
    registry_access_key: 'key',
    registry_secret_key: 'secret',
    registry_check_ms: 50,
    registry_timeout_ms: 1000,
  });
  await stage.startWarm();
  return stage;
}

const TROUBLES: readonly (readonly [string, Answer])[] = [
  ['down', (request) => request.socket.destroy()],
  ['slow', () => {}],
  [
    'truncating',
    (_request, response) => {
      const half = NEXT.subarray(0, NEXT.length / 2);
      response.writeHead(200, { etag: etagOf(NEXT), 'content-length': half.length }).end(half);
    },
  ],
  ['of another key since', (_request, response) => sayError(response, 403, 'SignatureDoesNotMatch')],
];

test.each(TROUBLES)('a registry that is %s', async (_, answer) => {
  const bucket = await startOddBucket();
  await using held = new AsyncDisposableStack();
  held.defer(() => bucket.close());
  const stage = held.use(await openWith(bucket));
  bucket.objects.set('away', NEXT);
  await stage.survives(async () => {
    bucket.answer(answer);
    // Longer than what was pulled counts as new.
    const since = performance.now();
    while (performance.now() - since < 1000) await stage.expectServed();
    expect(errorOf(await stage.call('away'))).toBe('503 ERR_REGISTRY');
    bucket.answer((_request, _response, well) => well());
  });
  await until('code that was away', async () => (await stage.call('away')).body === '"next"');
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Puts a bundle into the registry that the cluster's config names. */
async function put(stage: FaultStage, name: string, bundle: Buffer): Promise<void> {
  const store = await openStore(loadConfig(stage.cluster.paths.template));
  const file = join(stage.cluster.paths.root, '..', `${name}.tar.gz`);
  await writeFile(file, bundle);
  await store.put(name, file);
  store.close();
}

test('kill -9 of the registry', async () => {
  await using stage = await FaultStage.open({ registry_check_ms: 50, registry_timeout_ms: 1000 });
  const { root } = stage.cluster.paths;
  await using held = new AsyncDisposableStack();
  held.defer(async () => void (await stopCluster(root, { cleanUpAfter })));
  // The same keys and port at each start, as they are in the config by then.
  const registry = await startRegistry(root, { port: await freePort() });
  await put(stage, 'here', HERE);
  await put(stage, 'packaged', PACKAGED);
  await stage.startWarm();
  await stage.survives(async () => {
    process.kill(registry.pid, 'SIGKILL');
    const since = performance.now();
    while (performance.now() - since < 1000) await stage.expectServed();
    await startRegistry(root, {});
  });
  await put(stage, 'here', NEXT);
  await until('next version', async () => (await stage.call('here')).body === '"next"');
});
