import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CodeCache } from '../../src/registry/code-cache.ts';
import { CODE_LIMITS } from '../../src/registry/limits.ts';
import { Bucket } from '../../src/registry/remote/bucket.ts';
import { Puller } from '../../src/registry/remote/puller.ts';
import { type PulledRecord, Remembered } from '../../src/registry/remote/remembered.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { bundleOfHandler } from '../helpers/bundle.ts';
import { Disk, whyNoDisk } from '../helpers/disk.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { type OddBucket, startOddBucket } from '../helpers/odd-bucket.ts';

leavesNothing();

const MB = 1024 * 1024;
const CODE = 'def handler(event):\n    return "here"\n';
const log = silentLog();

let bucket: OddBucket;
beforeAll(async () => {
  bucket = await startOddBucket();
  bucket.objects.set('here', bundleOfHandler(CODE));
});
afterAll(async () => {
  await bucket.close();
});

/** What a worker that pulls has on a disk, as at its start. */
async function startOn(disk: Disk) {
  const codeDir = join(disk.path, 'code');
  const config = { bucket: 'registry', region: 'r', accessKey: 'key', secretKey: 'secret' };
  const opened = await Bucket.open({ ...config, server: bucket.url }, { timeoutMs: 10_000, maxBytes: MB });
  const remembered = new Remembered({
    file: join(disk.path, 'pulled.json'),
    codeDir,
    place: opened.place,
    log,
  });
  const cache = await CodeCache.open({ dir: codeDir, maxBytes: MB, log }, await remembered.read());
  const puller = new Puller({ bucket: opened, cache, limits: CODE_LIMITS, remembered });
  const close = async () => {
    await remembered.settled();
    await cache.close();
    opened.close();
  };
  return { cache, puller, remembered, [Symbol.asyncDispose]: close };
}

async function pull(puller: Puller): Promise<PulledRecord> {
  const outcome = await puller.pull('here', null);
  if (outcome.kind !== 'pulled') throw new Error(`the pull came to ${outcome.kind}`);
  const { code, etag, bytes } = outcome;
  return { name: code.name, version: code.version, etag, bytes };
}

/** The kernel writes down what names there are when anybody asks for it, and what files hold when it likes. */
function writeDownNames(disk: Disk): void {
  const path = join(disk.path, 'of-somebody-else');
  writeFileSync(path, '');
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

/** What the next start takes for whole; null where it takes nothing. */
async function keptOn(disk: Disk): Promise<string | null> {
  await using next = await startOn(disk);
  const code = next.cache.newest('here');
  return code === null ? null : readFileSync(join(code.dir, 'lambda_func.py'), 'utf8');
}

describe('after a power cut, a copy that counts as pulled is whole', () => {
  const missing = whyNoDisk();
  beforeEach(({ skip }) => skip(missing !== null, missing ?? ''));

  test('one that is written down', async () => {
    using disk = Disk.inFile(16 * MB);
    await using worker = await startOn(disk);
    const record = await pull(worker.puller);
    worker.remembered.save(() => [record]);
    await worker.remembered.settled();
    using after = disk.afterPowerCut();
    expect(await keptOn(after)).toBe(CODE);
  });

  test('one that was not written down is none', async () => {
    using disk = Disk.inFile(16 * MB);
    await using worker = await startOn(disk);
    await pull(worker.puller);
    writeDownNames(disk);
    using after = disk.afterPowerCut();
    expect(await keptOn(after)).toBe(null);
  });

  test.each([
    'by this worker',
    'by an earlier one',
  ])('one that was written down %s, evicted, and pulled again before that is written down', async (by) => {
    using disk = Disk.inFile(16 * MB);
    await using held = new AsyncDisposableStack();
    let worker = await startOn(disk);
    const record = await pull(worker.puller);
    worker.remembered.save(() => [record]);
    await worker.remembered.settled();
    if (by !== 'by this worker') {
      await worker[Symbol.asyncDispose]();
      worker = await startOn(disk);
    }
    held.use(worker);
    worker.cache.setNewest('here', null);
    await worker.cache.close();
    await pull(worker.puller);
    writeDownNames(disk);
    using after = disk.afterPowerCut();
    expect(await keptOn(after)).toBe(CODE);
  });
});
