import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConfigFile } from '../../src/config/schema.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import type { TestPackage } from '../helpers/package-index.ts';
import { runPython } from '../helpers/run-python.ts';
import {
  describeWithMachine,
  MACHINE_ADDRESSES,
  OUTSIDE,
  PORT,
  TestMachine,
  WORKER,
} from '../helpers/test-machine.ts';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';

leavesNothing();

const INDEX = 8200;
const INDEX_URL = `http://127.0.0.1:${INDEX}/simple`;

describeWithMachine('a worker with a network of its own', () => {
  let dir: string;
  let machine: TestMachine;
  beforeAll(async () => {
    dir = await makeTestDir();
    machine = await TestMachine.start(dir);
    await mkdir(join(dir, 'simple'));
    await machine.serveFiles(dir, INDEX);
  });
  afterAll(async () => {
    await machine[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
    await removeEmptyRoot();
  });

  /** Runs one worker with these settings while `ask` works. */
  async function withWorker(
    settings: ConfigFile,
    ask: (cluster: TestCluster) => Promise<void>,
  ): Promise<void> {
    await using cluster = await TestCluster.create();
    await cluster.addFixture('reach');
    await cluster.configure(settings);
    await machine.admin('workers', '--cluster', cluster.paths.root, '--port', String(WORKER));
    try {
      await ask(cluster);
    } finally {
      await machine.admin('kill', '--cluster', cluster.paths.root);
    }
  }
  const get = (host: string) => machine.call<string>(WORKER, 'reach', { do: 'stream', host, port: PORT });
  const SEEN = 'seen 203.0.113.1';
  const CLOSED = /^(EHOSTUNREACH|ECONNREFUSED)$/;

  test('network_allow opens what is denied by default, and nothing beside it', async () => {
    const open = ['10.77.0.0/24', OUTSIDE.metadata, '192.168.77.0/24'];
    await withWorker({ network_allow: open }, async () => {
      for (const host of ['10.77.0.7', OUTSIDE.metadata, '192.168.77.7', OUTSIDE.public])
        expect(await get(host)).toBe(SEEN);
      for (const host of ['172.16.77.7', '100.64.77.7']) expect(await get(host)).toMatch(CLOSED);
      // What is the machine's stays closed, though it is in what was opened.
      for (const host of MACHINE_ADDRESSES) expect(await get(host)).toMatch(CLOSED);
    });
  });

  test('network_deny closes what is open by default, but for what is named more narrowly', async () => {
    const lists = {
      network_deny: ['0.0.0.0/0', '203.0.113.2', '2001:db8::/32'],
      network_allow: [OUTSIDE.otherPublic, '203.0.113.0/24'],
    };
    await withWorker({ network: 'nat', ...lists }, async () => {
      expect(await get(OUTSIDE.otherPublic)).toBe(SEEN);
      expect(await get(OUTSIDE.public)).toMatch(CLOSED);
      expect(await get('10.77.0.7')).toMatch(CLOSED);
    });
  });

  /** Puts a package into the index, which is a directory. */
  async function publish(one: TestPackage): Promise<void> {
    const { file, content } = runPython<{ file: string; content: string }>('make-package.py', one);
    await mkdir(join(dir, 'simple', one.name), { recursive: true });
    await writeFile(join(dir, 'simple', one.name, file), Buffer.from(content, 'base64'));
  }

  test('a sandbox that was forked from a zygote with packages has the same network', async () => {
    await publish({ name: 'imported', version: '1.0', files: { 'imported.py': 'VALUE = 1\n' } });
    const code = await readFile(
      join(import.meta.dirname, '../fixtures/functions/reach/lambda_func.py'),
      'utf8',
    );
    const ahead = `import sys\nAHEAD = 'imported' in sys.modules\ndef ahead(event):\n    return str(AHEAD)\n${code}`;
    await withWorker({ pip_mirror: INDEX_URL }, async (cluster) => {
      await cluster.writeFunction('importing', { 'packages.txt': 'imported\n', 'lambda_func.py': ahead });
      const call = (what: string, more: object = {}) =>
        machine.call<string>(WORKER, 'importing', { do: what, ...more });
      // The first one may have been made before there was a zygote.
      for (let count = 0; (await call('ahead')) !== 'True' && count < 20; count++)
        await cluster.writeFunction('importing', { 'note.txt': `${count}` });
      expect(await call('ahead')).toBe('True');
      expect(await call('fetch', { url: `http://outside.test:${PORT}/` })).toBe(SEEN);
      for (const host of [...MACHINE_ADDRESSES, '10.77.0.7'])
        expect(await call('stream', { host, port: PORT })).toMatch(CLOSED);
      expect(await call('change_address', { address: '240.0.0.99' })).toBe('EPERM');
    });
  });

  test('what an installation runs reaches the index, and nothing else of the machine', async () => {
    const hosts = [...MACHINE_ADDRESSES, '127.0.0.1', '10.77.0.7', OUTSIDE.metadata];
    await publish({
      name: 'nosy',
      version: '1.0',
      isSdist: true,
      files: { 'backend.py': nosyBackend(hosts), 'pyproject.toml': NOSY_PROJECT },
    });
    await withWorker({ pip_mirror: INDEX_URL }, async (cluster) => {
      const code = 'import nosy\ndef handler(event): return nosy.FOUND\n';
      await cluster.writeFunction('nosy', { 'packages.txt': 'nosy\n', 'lambda_func.py': code });
      const found = await machine.call<Record<string, string>>(WORKER, 'nosy', {});
      for (const host of hosts) expect(found[host]).toMatch(/^(OSError|ConnectionRefusedError)$/);
    });
  });
});

const NOSY_PROJECT =
  '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "nosy"\nversion = "1.0"\n';

/** Builds a wheel whose only module knows which of these hosts could be connected to meanwhile. */
function nosyBackend(hosts: readonly string[]): string {
  return [
    'import os, socket, zipfile',
    'def attempt(host):',
    '  try:',
    `    socket.create_connection((host, ${PORT}), 5)`,
    '    return "reached"',
    '  except OSError as error:',
    '    return type(error).__name__',
    'def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):',
    `  found = {host: attempt(host) for host in ${JSON.stringify(hosts)}}`,
    '  name = "nosy-1.0-py3-none-any.whl"',
    '  with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as z:',
    '    z.writestr("nosy.py", "FOUND = " + repr(found))',
    '    z.writestr("nosy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: nosy\\nVersion: 1.0\\n")',
    '    z.writestr("nosy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")',
    '    z.writestr("nosy-1.0.dist-info/RECORD", "")',
    '  return name',
  ].join('\n');
}
