import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readTail } from '../../../src/cluster/log-tail.ts';
import { parseReadyLine, takeReadyChannel } from '../../../src/cluster/ready.ts';
import { smallEnvironment } from '../../../src/cluster/spawn.ts';
import { workerUrl } from '../../../src/cluster/url.ts';
import { useTempDir } from './temp-dir.ts';

const temp = useTempDir();

test('a worker gets a small environment', () => {
  const secrets = { AWS_SECRET_ACCESS_KEY: 'x', NODE_AUTH_TOKEN: 'x', OL_REGISTRY_SECRET_KEY: 'x' };
  const env = { PATH: '/bin', HOME: '/root', OL_X: '1', ...secrets };
  expect(smallEnvironment(env)).toEqual({ PATH: '/bin', HOME: '/root', OL_X: '1' });
});

test('a worker gets what leads to the package index', () => {
  const env = { PIP_INDEX_URL: 'a', https_proxy: 'b', HTTP_PROXY: 'c', ALL_PROXY: 'd', no_proxy: 'e' };
  expect(smallEnvironment({ ...env, MY_http_proxy: 'x', ftp_proxy: 'x' })).toEqual(env);
});

test('the end of a log is that of this start alone', async () => {
  const path = join(temp.dir, 'log');
  writeFileSync(path, 'old\none\ntwo\nthree\n');
  expect(await readTail(path, 4, 2)).toBe('two\nthree');
  expect(await readTail(path, 4, 10)).toBe('one\ntwo\nthree');
  expect(await readTail(path, 18, 10)).toBe('');
});

test('a line that was cut off is no answer', () => {
  expect(parseReadyLine('')).toBe(null);
  expect(parseReadyLine('{"ready":tr')).toBe(null);
  expect(parseReadyLine('{"ready":true,"port":8080}\n')).toEqual({ ready: true, port: 8080 });
});

test('without a pipe nobody is told', () => {
  const env = {};
  takeReadyChannel(env).ready(8080);
  takeReadyChannel(env).failed(new Error('x'));
});

test.each([
  ['localhost', 'http://localhost:1'],
  ['0.0.0.0', 'http://localhost:1'],
  ['::', 'http://localhost:1'],
  ['::1', 'http://[::1]:1'],
  ['10.0.0.1', 'http://10.0.0.1:1'],
])('a worker on %s is reached at %s', (host, url) => {
  expect(workerUrl(host, 1)).toBe(url);
});
