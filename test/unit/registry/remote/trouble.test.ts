import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { RemoteRegistry } from '../../../../src/registry/remote/remote.ts';
import { bundleOfHandler } from '../../../helpers/bundle.ts';
import { type Answer, etagOf, sayError } from '../../../helpers/odd-bucket.ts';
import { CHECK_MS, pulled, setUp } from './setup.ts';

const [ONE, TWO] = [bundleOfHandler('# one'), bundleOfHandler('# two')];
const HALF = TWO.subarray(0, TWO.length / 2);

const refusal = (status: number, code: string): Answer => {
  return (_request, response) => sayError(response, status, code);
};

/** What a bucket may do instead of giving the second version, and what the call of a function that is not here is told. */
const TROUBLES: readonly (readonly [string, Answer, RegExp])[] = [
  ['is silent', () => {}, /silent for 200 ms/],
  ['closes the connection', (request) => request.socket.destroy(), /cannot be reached/],
  [
    'stops in the middle of the body',
    (_request, response) => {
      response.writeHead(200, { etag: etagOf(TWO), 'content-length': TWO.length }).write(HALF);
    },
    /silent for 200 ms/,
  ],
  [
    'closes the connection in the middle of the body',
    (request, response) => {
      response.writeHead(200, { etag: etagOf(TWO), 'content-length': TWO.length });
      response.write(HALF, () => request.socket.destroy());
    },
    /cannot be reached/,
  ],
  [
    'gives half a file for the whole',
    (_request, response) => {
      response.writeHead(200, { etag: etagOf(TWO), 'content-length': HALF.length }).end(HALF);
    },
    /does not match its ETag/,
  ],
  [
    'gives no ETag',
    (_request, response) => {
      response.writeHead(200, { 'content-length': TWO.length }).end(TWO);
    },
    /no ETag/,
  ],
  [
    'answers with rubbish',
    (_request, response) => {
      response.writeHead(500).end('<html>proxy error');
    },
    /answers 500/,
  ],
  ['does not know the key', refusal(403, 'InvalidAccessKeyId'), /set registry_access_key/],
  ['refuses the signature', refusal(403, 'SignatureDoesNotMatch'), /set registry_secret_key/],
  ['has another clock', refusal(403, 'RequestTimeTooSkewed'), /set both right/],
  ['has no such bucket', refusal(404, 'NoSuchBucket'), /no bucket 'registry'/],
];

const ask = async (registry: RemoteRegistry, name: string) => await registry.pull(name);

test.each(
  TROUBLES,
)('where the bucket %s, what is here goes on, what is not is answered 503', async (_, answer, reason) => {
  const { bucket, open, pass, root } = await setUp();
  for (const name of ['here', 'away']) bucket.objects.set(name, ONE);
  const registry = await open({ timeoutMs: 200 });
  // On a busy machine the first answer takes longer than that.
  const code = await vi.waitFor(() => ask(registry, 'here'), 20_000);
  bucket.objects.set('here', TWO);
  bucket.answer(answer);
  pass(10 * CHECK_MS);
  expect(await registry.pull('here')).toBe(code);
  const error = await ask(registry, 'away').catch((reason: unknown) => reason as Error);
  expect(error).toMatchObject({ code: 'ERR_REGISTRY', status: 503, message: expect.stringMatching(reason) });
  expect((error as Error).message).toContain(`${bucket.url}/registry`);
  expect(JSON.stringify(error) + (error as Error).stack).not.toContain('TOP-secret');
  expect(readdirSync(join(root, 'code')).filter((name) => name.startsWith('.'))).toEqual([]);

  bucket.answer((_request, _response, well) => well());
  // A server that was out of reach is left alone for a second.
  await vi.waitFor(async () => {
    pass(10 * CHECK_MS);
    expect(await pulled(registry, 'here')).toBe('# two');
    expect(await pulled(registry, 'away')).toBe('# one');
  }, 10_000);
});

test('a server that nobody listens at is told as such, at once', async () => {
  const { bucket, open } = await setUp();
  const registry = await open();
  bucket.answer((request) => request.socket.destroy());
  await expect(ask(registry, 'f')).rejects.toMatchObject({ code: 'ERR_REGISTRY' });
  const asked = bucket.count();
  await expect(ask(registry, 'g')).rejects.toMatchObject({ code: 'ERR_REGISTRY' });
  expect(bucket.count()).toBe(asked);
});

test('a call waits so long for slow code and no longer; the code is there for the next ones', async () => {
  const { bucket, open } = await setUp();
  bucket.objects.set('slow', ONE);
  bucket.answer(async (_request, response) => {
    response.writeHead(200, { etag: etagOf(ONE), 'content-length': ONE.length });
    for (const byte of ONE) {
      response.write(Buffer.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    response.end();
  });
  const registry = await open({ timeoutMs: 200 });
  await expect(ask(registry, 'slow')).rejects.toThrow(/not come within 200 ms.*call again later/);
  await vi.waitFor(async () => expect(await pulled(registry, 'slow')).toBe('# one'), 20_000);
  // The last call may have found it older than `registry_check_ms`, and have it looked at again.
  expect(bucket.count()).toBeLessThanOrEqual(2);
});

test('what is torn once is asked for again, and others do not notice', async () => {
  const { bucket, open } = await setUp();
  for (const name of ['torn', 'whole']) bucket.objects.set(name, ONE);
  let answers = 0;
  bucket.answer((request, response, well) => {
    if (!request.url?.includes('torn') || ++answers > 1) return well();
    const md5 = createHash('md5').update(TWO).digest('base64');
    response.writeHead(200, { etag: etagOf(ONE), 'content-md5': md5, 'content-length': ONE.length }).end(ONE);
  });
  const registry = await open();
  const both = await Promise.all([pulled(registry, 'torn'), pulled(registry, 'whole')]);
  expect(both).toEqual(['# one', '# one']);
  expect(answers).toBe(2);
});

test('a worker that starts while the registry is down goes on with what the one before had pulled', async () => {
  const { bucket, open } = await setUp();
  bucket.objects.set('f', ONE);
  const before = await open();
  const { version } = await before.pull('f');
  await before.close();
  bucket.answer((request) => request.socket.destroy());
  const after = await open();
  expect(await after.pull('f')).toMatchObject({ version });
  expect(await pulled(after, 'f')).toBe('# one');
  bucket.objects.delete('f');
  bucket.answer((_request, _response, well) => well());
  await vi.waitFor(async () => {
    await expect(ask(after, 'f')).rejects.toMatchObject({ code: 'ERR_NO_FUNCTION' });
  }, 5000);
});
