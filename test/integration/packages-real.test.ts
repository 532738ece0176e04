import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BackgroundWorkers } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestWorker } from '../helpers/worker.ts';
import { CLI, run } from './run-admin.ts';

leavesNothing();

/** Packages of the index that pip is configured for on this machine. */
const REQUESTS = [
  'import requests, importlib.metadata as m',
  'def handler(event):',
  '  return [requests.Request("GET", "http://x/", params={"a": 1}).prepare().url, m.version("idna"), requests.certs.where()]',
].join('\n');

test('a package with others that it needs, two versions of one at once, and one without a wheel', async () => {
  await using worker = await TestWorker.start({ invocation_timeout_ms: 110_000 });
  const { cluster } = worker;
  await cluster.writeFunction('web', {
    'packages.txt': 'requests==2.31.0\nidna<3.5\n',
    'lambda_func.py': REQUESTS,
  });
  const six = 'import six\ndef handler(event): return six.__version__\n';
  await cluster.writeFunction('old', { 'packages.txt': 'six==1.15.0\n', 'lambda_func.py': six });
  await cluster.writeFunction('new', { 'packages.txt': 'six==1.16.0\n', 'lambda_func.py': six });
  await cluster.writeFunction('built', {
    'packages.txt': 'docopt==0.6.2\n',
    'lambda_func.py': 'import docopt\ndef handler(event): return docopt.__version__\n',
  });
  const results = await Promise.all(['web', 'old', 'new', 'built'].map((name) => worker.result(name)));
  const [web, ...others] = results as [string[], string, string, string];
  expect([web[0], web[1]?.startsWith('3.4'), web[2]?.startsWith('/packages/certifi-')]).toEqual([
    'http://x/?a=1',
    true,
    true,
  ]);
  expect(others).toEqual(['1.15.0', '1.16.0', '0.6.2']);
  const store = cluster.paths.packages;
  const names = (await readdir(store)).filter((name) => !name.startsWith('.'));
  expect(names.filter((name) => name.startsWith('six-')).length).toBe(2);
  const modes = await Promise.all(names.map(async (name) => await stat(join(store, name))));
  expect(new Set(modes.map(({ uid, mode }) => `${uid} ${(mode & 0o7777).toString(8)}`))).toEqual(
    new Set(['0 755']),
  );
});

test('admin installs ahead of time, lists what there is and who uses it, and prunes what nobody does', async () => {
  await using cluster = await TestCluster.create();
  await cluster.configure({ startup_pkgs: ['six==1.16.0'] });
  const handler = 'def handler(event): return 1\n';
  await cluster.writeFunction('one', {
    'packages.txt': 'idna==3.7\nsix==1.16.0\n',
    'lambda_func.py': handler,
  });
  await cluster.writeFunction('two', { 'packages.txt': 'idna==3.6\n', 'lambda_func.py': handler });
  await cluster.writeFunction('bad', { 'packages.txt': '-e .\n', 'lambda_func.py': handler });
  await using _workers = await BackgroundWorkers.start(cluster);
  const admin = async (...words: string[]) =>
    await run(process.execPath, [CLI, 'packages', ...words, '--cluster', cluster.paths.root], '/');
  const installed = await admin('install');
  expect(installed).toMatchObject({ status: 1 });
  expect(installed.stderr).toContain("bad: packages.txt of 'bad', line 1");
  expect(installed.stdout).toMatch(/^one {2}2 packages {2}\d+ ms\ntwo {2}1 packages {2}\d+ ms\n$/);
  const listed = async () => {
    const { packages } = JSON.parse((await admin('list', '--json')).stdout);
    return packages.map((one: { name: string; version: string; usedBy: string[] }) => [
      one.name,
      one.version,
      one.usedBy,
    ]);
  };
  await expect.poll(listed).toEqual([
    ['idna', '3.6', ['two']],
    ['idna', '3.7', ['one']],
    ['six', '1.16.0', ['one', 'startup_pkgs']],
  ]);
  await cluster.removeFunction('two');
  // What was written within the last second may belong to a function that is just being written.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect((await admin('prune', '--dry-run')).stdout).toMatch(/^idna 3\.6 .*\nwould remove 1 packages/);
  expect((await admin('prune')).stdout).toMatch(/^idna 3\.6 .*\nremoved 1 packages/);
  expect(await listed()).toEqual([
    ['idna', '3.7', ['one']],
    ['six', '1.16.0', ['one', 'startup_pkgs']],
  ]);
  expect((await admin('explode')).status).toBe(2);
});
