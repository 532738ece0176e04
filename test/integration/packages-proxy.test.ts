import { appendFile, copyFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findUv } from '../../src/packages/find-uv.ts';
import { Installer } from '../../src/packages/installer.ts';
import { PackageManager } from '../../src/packages/packages.ts';
import { PackageStore } from '../../src/packages/store.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { type Certificate, makeCertificate } from '../helpers/certificate.ts';
import { ConnectProxy, type ConnectProxyOptions } from '../helpers/connect-proxy.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { makeSockEngine, type SockFixture } from '../helpers/sock-engine.ts';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';
import { call, usePlace, writeFunction } from './run-admin.ts';

leavesNothing();
const place = usePlace();

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

describe('a proxy that speaks TLS itself', () => {
  let own: Certificate;
  beforeAll(async () => {
    own = await makeCertificate(dir, 'own', 'IP:127.0.0.1');
  });
  const options = () => ({ names: names(), ...USER, tls: own });
  const address = (port: number) => `https://worker:p%40ss@127.0.0.1:${port}`;

  test.each([
    ['uv', findUv(process.env)],
    ['pip', null],
  ])("is trusted by pip's cert, and told name and password: %s", async (_, uv) => {
    const { installed, asked, error } = await install(
      options(),
      (port) => ({ PIP_PROXY: address(port), PIP_CERT: own.file }),
      { uv },
    );
    expect([error, installed]).toEqual([null, ['behind 1.0', 'further 2.0']]);
    const { wants: authorization } = USER;
    expect(asked).toContainEqual({ method: 'GET', target: `http://${HOST}/simple/behind/`, authorization });
  });

  test('makes tunnels to an index that is encrypted, for whom other authorities vouch', async () => {
    const bundle = join(dir, 'bundle.pem');
    await copyFile('/etc/ssl/certs/ca-certificates.crt', bundle);
    await appendFile(bundle, own.cert);
    const { installed, asked, error } = await install(
      options(),
      (port) => ({
        https_proxy: address(port),
        PIP_CONFIG_FILE: undefined,
        HOME: process.env.HOME,
        PIP_CERT: bundle,
      }),
      { requirements: ['idna==3.7'], mirror: null },
    );
    expect([error, installed]).toEqual([null, ['idna 3.7']]);
    expect(new Set(asked.map(({ method }) => method))).toEqual(new Set(['CONNECT']));
    expect(new Set(asked.map(({ authorization }) => authorization))).toEqual(new Set([USER.wants]));
  });

  test.each([
    'http',
    'https',
  ])('is refused where nobody vouches for it, before it hears a password: %s', async (scheme) => {
    const { asked, error } = await install(options(), (port) => ({ all_proxy: address(port) }), {
      mirror: `${scheme}://${HOST}/simple`,
    });
    const reason =
      /the proxy 127\.0\.0\.1:\d+ is not trusted \(self-signed certificate\): name a file with its authority by pip's cert/;
    expect(error).toMatchObject({ code: 'ERR_PACKAGES_INDEX', message: expect.stringMatching(reason) });
    expect(error?.message).not.toMatch(/p@ss|p%40ss/);
    expect(asked).toEqual([]);
  });

  test.each(['http', 'https'])('is refused where it is another one than was meant: %s', async (scheme) => {
    // That it is the index's name makes it no proxy.
    const other = await makeCertificate(dir, 'other', `DNS:${HOST}`);
    const { asked, error } = await install(
      { ...options(), tls: other },
      (port) => ({ all_proxy: address(port), PIP_CERT: other.file }),
      { mirror: `${scheme}://${HOST}/simple` },
    );
    expect(error?.message).toMatch(
      /the proxy 127\.0\.0\.1:\d+ is not trusted \(.*127\.0\.0\.1 is not in the cert.*: write its address as/,
    );
    expect(asked).toEqual([]);
  });

  test('has to: one that does not is told of', async () => {
    const { error } = await install({ names: names() }, (port) => ({ all_proxy: address(port) }));
    expect(error?.message).toMatch(/the proxy 127\.0\.0\.1:\d+ does not speak TLS \(\w+\): is it http:/);
  });

  test('wants the right password', async () => {
    const { error } = await install(options(), (port) => ({
      all_proxy: `https://worker:wrong@127.0.0.1:${port}`,
      PIP_CERT: own.file,
    }));
    expect(error?.message).toMatch(/127\.0\.0\.1:\d+ answered 407 Who are you/);
    expect(error?.message).not.toContain('wrong');
  });

  test('is trusted by what NODE_EXTRA_CA_CERTS of a worker names', async () => {
    const { admin, adminWith, path } = place;
    await using proxy = await ConnectProxy.start(options());
    await admin('new', '--cluster=c');
    await admin('setconf', '--cluster=c', JSON.stringify({ pip_mirror: `http://${HOST}/simple` }));
    writeFunction(path('c', 'registry'), 'f', 'import behind\ndef handler(event): return behind.__name__\n');
    await writeFile(path('c', 'registry', 'f', 'packages.txt'), 'behind\n');
    const env = {
      PIP_CONFIG_FILE: '/dev/null',
      PIP_TRUSTED_HOST: HOST,
      http_proxy: address(proxy.port),
      NODE_EXTRA_CA_CERTS: own.file,
    };
    const started = await adminWith(env, 'workers', '--cluster=c', '--port=0');
    const port = /localhost:(\d+)/.exec(started.stdout)?.[1] ?? started.stderr;
    expect(await call(port, 'f', null)).toEqual({ status: 200, body: '"behind"' });
    expect(proxy.asked.length).toBeGreaterThan(0);
  });
});
