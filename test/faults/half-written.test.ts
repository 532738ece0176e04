import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { workerPaths } from '../../src/cluster/paths.ts';
import { untilGone } from '../helpers/background.ts';
import { bundleOfHandler } from '../helpers/bundle.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { startOddBucket } from '../helpers/odd-bucket.ts';
import { errorOf, FaultStage } from './stage.ts';

leavesNothing();

/** Only the first half of a file was written. */
function halve(path: string): void {
  truncateSync(path, Math.floor(readFileSync(path).length / 2));
}

/** What is left beside a file where its writer was killed before it had the name. */
function leaveTemporary(path: string): void {
  writeFileSync(
    join(dirname(path), `.${basename(path)}.4711.1.tmp`),
    readFileSync(path, 'utf8').slice(0, 10),
  );
}

/** Kills the worker, breaks files, and starts it as a supervisor does. */
async function breakAndStart(stage: FaultStage, breakFiles: () => void): Promise<void> {
  const tree = stage.worker.tree();
  stage.worker.kill('SIGKILL');
  await untilGone(tree);
  breakFiles();
  await stage.start();
}

test('half-written files of a worker’s state and config', async () => {
  await using stage = await FaultStage.open();
  const { config, pid } = workerPaths(stage.cluster.paths, 0);
  await stage.startWarm();
  await stage.survives(() =>
    breakAndStart(stage, () => {
      halve(config);
      halve(pid);
    }),
  );
  // The next one to write them writes them whole, and does not stumble over what another one left.
  leaveTemporary(config);
  leaveTemporary(stage.cluster.paths.template);
  await breakAndStart(stage, () => {});
  await stage.expectServed();
});

test('half-written files about packages', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 30_000 });
  await stage.startWarm();
  const locks = join(stage.cluster.paths.packages, '.locks');
  await stage.survives(async () => {
    for (const kind of ['.resolved', '.json', '.index']) {
      const [file = 'none'] = readdirSync(locks).filter((name) => name.endsWith(kind));
      await breakAndStart(stage, () => halve(join(locks, file)));
      await stage.expectServed();
    }
  });
  for (const kind of ['.json', '.index']) {
    const [file = 'none'] = readdirSync(locks).filter((name) => name.endsWith(kind));
    expect(() => JSON.parse(readFileSync(join(locks, file), 'utf8'))).not.toThrow();
  }
});

test('a half-written list of what was pulled', async () => {
  const bucket = await startOddBucket();
  await using held = new AsyncDisposableStack();
  held.defer(() => bucket.close());
  bucket.objects.set('here', bundleOfHandler('def handler(event):\n    return "here"\n'));
  bucket.objects.set('packaged', bundleOfHandler('def handler(event):\n    return "kept"\n'));
  const stage = held.use(
    await FaultStage.open({
      registry: 'remote',
      registry_server: bucket.url,
      registry_access_key: 'key',
      registry_secret_key: 'secret',
    }),
  );
  await stage.startWarm();
  const pulled = join(workerPaths(stage.cluster.paths, 0).dir, 'pulled.json');
  await stage.survives(() => breakAndStart(stage, () => halve(pulled)));
  expect(() => JSON.parse(readFileSync(pulled, 'utf8'))).not.toThrow();
});

test('a half-written template is told, and is not written over; a worker that runs goes on', async () => {
  await using stage = await FaultStage.open();
  await stage.startWarm();
  const { template } = stage.cluster.paths;
  const whole = readFileSync(template, 'utf8');
  await stage.survives(async () => {
    halve(template);
    const half = readFileSync(template, 'utf8');
    await stage.expectServed();
    const tree = stage.worker.tree();
    stage.worker.kill('SIGKILL');
    await untilGone(tree);
    await expect(stage.start()).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    expect(readFileSync(template, 'utf8')).toBe(half);
    writeFileSync(template, whole);
    await stage.start();
  });
  expect(errorOf(await stage.call('here'))).toBe('200');
});
