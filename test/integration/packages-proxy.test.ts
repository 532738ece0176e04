import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findUv } from '../../src/packages/find-uv.ts';
import { Installer } from '../../src/packages/installer.ts';
import { PackageManager } from '../../src/packages/packages.ts';
import { PackageStore } from '../../src/packages/store.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { ConnectProxy, type ConnectProxyOptions } from '../helpers/connect-proxy.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { makeSockEngine, type SockFixture } from '../helpers/sock-engine.ts';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';

leavesNothing();

let fixture: SockFixture;
let index: TestIndex;
let dir: string;
beforeAll(async () => {
  dir = await makeTestDir();
  fixture = await makeSockEngine();
  index = await TestIndex.start();
  index.add({ name: 'behind', version: '1.0', files: { 'behind.py': '' }, requires: ['further'] });
  index.add({ name: 'further', version: '2.0', files: { 'further.py': '' } });
});
afterAll(async () => {
  await index[Symbol.asyncDispose]();
  await fixture.dispose();
  await rm(dir, { recursive: true });
  await removeEmptyRoot();
});

/** A name that nobody knows but the proxy. */
const HOST = 'index.invalid';
const USER = { wants: `Basic ${Buffer.from('worker:p@ss').toString('base64')}` };
let made = 0;

/** Installs behind a proxy, as a worker with this environment does. Returns what was installed, and what the proxy was asked. */
async function install(
  options: ConnectProxyOptions,
  environment: (proxyPort: number) => NodeJS.ProcessEnv,
  {
    requirements = ['behind'],
    mirror = `http://${HOST}/simple` as string | null,
    uv = findUv(process.env),
  } = {},
) {
  await using proxy = await ConnectProxy.start(options);
  const own = join(dir, String(++made));
  const env = {
    PATH: process.env.PATH,
    PIP_CONFIG_FILE: '/dev/null',
    PIP_TRUSTED_HOST: HOST,
    ...environment(proxy.port),
  };
  const { engine } = fixture;
  const store = await PackageStore.open(join(own, 'packages'));
  const workroom = { dir: join(own, 'installer'), uv, pipMirror: mirror, env, log: silentLog() };
  const bounds = { memLimitMb: 1024, procsMax: 256, scratchMaxMb: 512, scratchMaxFiles: 100_000 };
  const parts = { engine, store, workroom, bounds, timeoutMs: 100_000, log: silentLog() };
  const manager = { store, retryMs: 0, waitMs: 100_000, log: silentLog() };
  const packages = new PackageManager({
    ...manager,
    installer: new Installer(parts),
    interpreter: () => engine.interpreter,
  });
  try {
    const lock = await packages.prepareRequirements('a test', requirements);
    const installed = lock.packages.map(({ name, version }) => `${name} ${version}`);
    return { installed, asked: proxy.asked, error: null };
  } catch (error) {
    return { installed: [], asked: proxy.asked, error: error as Error & { code: string } };
  } finally {
    await packages.close();
  }
}

const names = () => ({ [HOST]: Number(new URL(index.url).port) });

test.each([
  ['uv', findUv(process.env)],
  ['pip', null],
])('an index that only the proxy of the environment reaches is reached by it: %s', async (_, uv) => {
  const { installed, asked, error } = await install(
    { names: names(), ...USER },
    (port) => ({ http_proxy: `http://worker:p%40ss@127.0.0.1:${port}` }),
    { uv },
  );
  expect([error, installed]).toEqual([null, ['behind 1.0', 'further 2.0']]);
  expect(asked).toContainEqual({
    method: 'GET',
    target: `http://${HOST}/simple/behind/`,
    authorization: USER.wants,
  });
});

test("pip's own proxy is taken as well", async () => {
  const { installed } = await install({ names: names() }, (port) => ({ PIP_PROXY: `127.0.0.1:${port}` }));
  expect(installed).toEqual(['behind 1.0', 'further 2.0']);
});

test('an index that is encrypted is reached through a tunnel of the proxy, and so are the hosts of its files', async () => {
  const { installed, asked } = await install(
    {},
    (port) => ({
      HTTPS_PROXY: `http://127.0.0.1:${port}`,
      PIP_CONFIG_FILE: undefined,
      HOME: process.env.HOME,
    }),
    { requirements: ['idna==3.7'], mirror: null },
  );
  expect(installed).toEqual(['idna 3.7']);
  expect(new Set(asked.map(({ method }) => method))).toEqual(new Set(['CONNECT']));
  expect(asked.every(({ target }) => /^[^:]+:443$/.test(target))).toBe(true);
  expect(new Set(asked.map(({ target }) => target)).size).toBeGreaterThan(1);
});

test('a host in no_proxy is reached directly', async () => {
  const { installed, asked } = await install(
    {},
    (port) => ({ all_proxy: `http://127.0.0.1:${port}`, no_proxy: '127.0.0.0/8' }),
    { mirror: index.url },
  );
  expect([installed, asked]).toEqual([['behind 1.0', 'further 2.0'], []]);
});

test.each([
  ['http', 'wants another name', `127\\.0\\.0\\.1:\\d+ answered 407 Who are you`],
  ['https', 'wants another name', `127\\.0\\.0\\.1:\\d+ answered 407 Who are you`],
  ['https', 'is no proxy', 'what https_proxy says is no address of a proxy'],
])('a proxy for %s that %s is told of, without its password', async (scheme, what, reason) => {
  const { error } = await install(
    { names: names(), ...USER },
    (port) => ({
      [`${scheme}_proxy`]:
        what === 'is no proxy' ? 'socks5://me:secret@h' : `http://me:secret@127.0.0.1:${port}`,
    }),
    { mirror: `${scheme}://${HOST}/simple` },
  );
  expect(error).toMatchObject({ code: 'ERR_PACKAGES_INDEX', message: expect.stringMatching(reason) });
  expect(error?.message).not.toContain('secret');
});

test('a proxy that is not there is told of', async () => {
  const { error } = await install({}, () => ({ http_proxy: 'http://127.0.0.1:1' }));
  expect(error).toMatchObject({
    code: 'ERR_PACKAGES_INDEX',
    message: expect.stringMatching(/index\.invalid: .*ECONNREFUSED 127\.0\.0\.1:1/),
  });
});
