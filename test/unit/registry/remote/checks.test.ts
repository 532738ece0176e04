import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { bundleOfHandler } from '../../../helpers/bundle.ts';
import { etagOf } from '../../../helpers/odd-bucket.ts';
import { CHECK_MS, pulled, setUp } from './setup.ts';

const [ONE, TWO] = [bundleOfHandler('# one'), bundleOfHandler('# two')];

test('within registry_check_ms nobody is asked', async () => {
  const { bucket, open, pass } = await setUp();
  bucket.objects.set('f', ONE);
  const registry = await open();
  const code = await registry.pull('f');
  bucket.objects.set('f', TWO);
  pass(CHECK_MS / 2);
  expect(registry.pull('f')).toBe(code);
  expect(bucket.count()).toBe(1);
});

test('a little later the code that is here is answered at once, while the bucket is asked', async () => {
  const { bucket, open, pass } = await setUp();
  bucket.objects.set('f', ONE);
  const registry = await open();
  const code = await registry.pull('f');
  bucket.objects.set('f', TWO);
  pass(1.5 * CHECK_MS);
  expect(registry.pull('f')).toBe(code);
  await vi.waitFor(async () => expect(await pulled(registry, 'f')).toBe('# two'));
  expect(bucket.count()).toBe(2);
});

test('much later the call waits for the bucket', async () => {
  const { bucket, open, pass } = await setUp();
  bucket.objects.set('f', ONE);
  const registry = await open();
  await registry.pull('f');
  bucket.objects.set('f', TWO);
  pass(10 * CHECK_MS);
  expect(await pulled(registry, 'f')).toBe('# two');
});

test('a call does not make do with a check that began long before it', async () => {
  const { bucket, open, pass } = await setUp();
  bucket.objects.set('f', ONE);
  const registry = await open();
  await registry.pull('f');
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let asked = 0;
  bucket.answer(async (_request, response, well) => {
    if (++asked > 1) return well();
    await released;
    response.writeHead(304).end();
  });
  pass(10 * CHECK_MS);
  const early = registry.pull('f');
  await vi.waitFor(() => expect(asked).toBe(1));
  bucket.objects.set('f', TWO);
  pass(10 * CHECK_MS);
  const late = pulled(registry, 'f');
  release();
  expect(await readFile(join((await early).dir, 'lambda_func.py'), 'utf8')).toBe('# one');
  expect(await late).toBe('# two');
  expect(asked).toBe(2);
});

test('what has not changed is not sent again, and stays the same object', async () => {
  const { bucket, open, pass } = await setUp();
  bucket.objects.set('f', ONE);
  const registry = await open();
  const code = await registry.pull('f');
  const conditions: (string | undefined)[] = [];
  bucket.answer((request, _response, well) => {
    conditions.push(request.headers['if-none-match']);
    well();
  });
  pass(10 * CHECK_MS);
  expect(await registry.pull('f')).toBe(code);
  expect(conditions).toEqual([etagOf(ONE)]);
});

test('a server that knows no conditions is understood', async () => {
  const { bucket, open, pass } = await setUp();
  bucket.objects.set('f', ONE);
  const registry = await open();
  const code = await registry.pull('f');
  bucket.answer((_request, response) => {
    response.writeHead(200, { etag: etagOf(ONE), 'content-length': ONE.length }).end(ONE);
  });
  pass(10 * CHECK_MS);
  expect(await registry.pull('f')).toBe(code);
});

test('pulls at the same time ask once; a name that is not there is not asked for again at once', async () => {
  const { bucket, open, pass } = await setUp();
  bucket.objects.set('f', ONE);
  const registry = await open();
  await Promise.all(Array.from({ length: 20 }, () => registry.pull('f')));
  expect(bucket.count()).toBe(1);
  const ask = async () => await registry.pull('none');
  for (let count = 0; count < 5; count++)
    await expect(ask()).rejects.toMatchObject({ code: 'ERR_NO_FUNCTION' });
  expect(bucket.count()).toBe(2);
  bucket.objects.set('none', ONE);
  pass(2 * CHECK_MS);
  expect(await pulled(registry, 'none')).toBe('# one');
});

test('a bundle that is refused is not fetched again and again; a better one is taken', async () => {
  const { bucket, open, pass } = await setUp();
  bucket.objects.set('f', Buffer.from('this is no bundle'));
  const registry = await open();
  const ask = async () => await registry.pull('f');
  await expect(ask()).rejects.toMatchObject({ code: 'ERR_BUNDLE_REFUSED' });
  await expect(ask()).rejects.toMatchObject({ code: 'ERR_BUNDLE_REFUSED' });
  expect(bucket.count()).toBe(1);
  pass(10 * CHECK_MS);
  await expect(ask()).rejects.toMatchObject({ code: 'ERR_BUNDLE_REFUSED' });
  bucket.objects.set('f', TWO);
  pass(10 * CHECK_MS);
  expect(await pulled(registry, 'f')).toBe('# two');
});

test('what had to go for want of room is pulled again', async () => {
  const { bucket, open } = await setUp();
  for (const name of ['a', 'b']) bucket.objects.set(name, bundleOfHandler(`# ${name} ${'x'.repeat(6000)}`));
  const registry = await open({ cacheMaxBytes: 10_000 });
  for (const name of ['a', 'b', 'a']) expect(await pulled(registry, name)).toContain(`# ${name}`);
  expect(bucket.count()).toBe(3);
});
