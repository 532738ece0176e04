import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Installer } from '../../src/packages/installer.ts';
import { PackageManager } from '../../src/packages/packages.ts';
import { PackageStore } from '../../src/packages/store.ts';
import type { WorkshopEngine } from '../../src/sandbox/workshop.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { makeDockerEngine } from '../helpers/docker-engine.ts';
import { describeWithDocker } from '../helpers/dockerd.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { makeSockEngine } from '../helpers/sock-engine.ts';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';

leavesNothing();

let dir: string;
beforeAll(async () => {
  dir = await makeTestDir();
});
afterAll(async () => {
  await rm(dir, { recursive: true });
  await removeEmptyRoot();
});

/** Without uv, whatever the machine has. */
async function installByPip(name: string, engine: WorkshopEngine): Promise<void> {
  const store = await PackageStore.open(join(dir, name, 'packages'));
  const workroom = {
    dir: join(dir, name, 'installer'),
    uv: null,
    pipMirror: null,
    env: process.env,
    log: silentLog(),
  };
  const bounds = { memLimitMb: 1024, procsMax: 256, scratchMaxMb: 512, scratchMaxFiles: 100_000 };
  const installer = new Installer({ engine, store, workroom, bounds, timeoutMs: 100_000, log: silentLog() });
  const interpreter = () => engine.interpreter;
  const options = { store, installer, interpreter, retryMs: 0, waitMs: 100_000, log: silentLog() };
  const packages = new PackageManager(options);
  const lock = await packages.prepareRequirements('a test', [
    'requests==2.31.0',
    'idna==3.7',
    'docopt==0.6.2',
  ]);
  const found = lock.packages.map(({ name, version }) => `${name} ${version}`);
  expect(found).toEqual(expect.arrayContaining(['docopt 0.6.2', 'idna 3.7', 'requests 2.31.0']));
  expect(found.map((one) => one.split(' ')[0])).toEqual([
    'certifi',
    'charset-normalizer',
    'docopt',
    'idna',
    'requests',
    'urllib3',
  ]);
  expect(lock.imports).toEqual(['docopt', 'idna', 'requests']);
  const [idna] = lock.packages.filter(({ name }) => name === 'idna');
  expect(await readdir(join(store.dir, idna?.dir ?? '', 'idna', '__pycache__'))).toContain(
    `core.${engine.interpreter.replace(/-[^-]*$/, '')}.pyc`,
  );
  const failed = packages.prepareRequirements('another', ['idna==3.7', 'requests==2.31.0', 'idna<3']);
  await expect(failed).rejects.toMatchObject({ code: 'ERR_PACKAGES_UNRESOLVED' });
  await packages.close();
}

test('without uv, the pip of the base image resolves, installs wheels, and builds what has none', async () => {
  const fixture = await makeSockEngine();
  try {
    await installByPip('sock', fixture.engine);
  } finally {
    await fixture.dispose();
  }
});

describeWithDocker('with docker', (dockerd) => {
  test('the pip of the default image does the same', async () => {
    const fixture = await makeDockerEngine(dockerd.current);
    try {
      await installByPip('docker', fixture.engine);
    } finally {
      await fixture.dispose();
    }
  });
});
