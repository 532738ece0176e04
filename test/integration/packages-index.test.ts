import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConfigFile } from '../../src/config/schema.ts';
import { BackgroundWorkers, untilGone } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

let index: TestIndex;
beforeAll(async () => {
  index = await TestIndex.start();
  index.add({
    name: 'upper',
    version: '1.0',
    files: { 'upper.py': 'import lower\nVALUE = lower.VALUE + 1\n' },
    requires: ['lower>=2'],
  });
  index.add({ name: 'lower', version: '1.5', files: { 'lower.py': 'VALUE = 1\n' } });
  index.add({ name: 'lower', version: '2.0', files: { 'lower.py': 'VALUE = 2\n' } });
  index.add({ name: 'lower', version: '2.1', files: { 'lower.py': 'VALUE = 3\n' } });
});
afterAll(() => index[Symbol.asyncDispose]());

function start(settings: ConfigFile = {}): Promise<TestWorker> {
  return TestWorker.start({ pip_mirror: index.url, ...settings });
}

/** A function that uses packages of the index of this test. */
async function write(worker: TestWorker, name: string, packages: string, code: string): Promise<void> {
  await worker.cluster.writeFunction(name, { 'packages.txt': packages, 'lambda_func.py': code });
}

/** Without what is hidden: locks, and what is half done. */
async function storeOf(worker: TestWorker): Promise<string[]> {
  return (await readdir(worker.cluster.paths.packages)).filter((name) => !name.startsWith('.')).sort();
}

describe('a function with a packages.txt', () => {
  test('imports what it asks for, with what that needs, and nothing else', async () => {
    await using worker = await start();
    await write(
      worker,
      'one',
      'upper\n',
      'import upper, importlib.metadata as m\ndef handler(event):\n  return [upper.VALUE, m.version("lower"), upper.__file__]\n',
    );
    await write(
      worker,
      'two',
      'lower==1.5\n',
      'import lower\ndef handler(event):\n  try:\n    import upper\n  except ImportError as e:\n    return [lower.VALUE, str(e)]\n',
    );
    const [value, version, file] = await worker.result<[number, string, string]>('one');
    expect([value, version]).toEqual([4, '2.1']);
    expect(file).toMatch(/^\/packages\/upper-1\.0-[0-9a-f]{16}\/upper\.py$/);
    expect(await worker.result('two')).toEqual([1, "No module named 'upper'"]);
    expect((await storeOf(worker)).map((name) => name.slice(0, -17))).toEqual([
      'lower-1.5',
      'lower-2.1',
      'upper-1.0',
    ]);
  });

  test('keeps its versions when the index has newer ones, also after a restart and with the index gone', async () => {
    const own = await TestIndex.start();
    own.add({ name: 'kept', version: '1.0', files: { 'kept.py': 'VALUE = 1\n' } });
    const code = 'import kept\ndef handler(event):\n  return kept.VALUE\n';
    const worker = await start({ pip_mirror: own.url });
    await using held = new AsyncDisposableStack();
    held.use(worker);
    await write(worker, 'keep', 'kept\n', code);
    expect(await worker.result('keep')).toBe(1);
    own.add({ name: 'kept', version: '2.0', files: { 'kept.py': 'VALUE = 2\n' } });
    await write(worker, 'keep', 'kept\n', `${code}# edited\n`);
    expect(await worker.result('keep')).toBe(1);
    await write(worker, 'keep', 'kept>1\n', code);
    expect(await worker.result('keep')).toBe(2);
    await own[Symbol.asyncDispose]();
    await worker.running.close();
    await using next = await TestWorker.start({ pip_mirror: own.url }, worker.cluster);
    expect(await next.result('keep')).toBe(2);
  });

  test('is answered with a reason where its packages.txt is refused, and served once it is mended', async () => {
    await using worker = await start();
    await write(worker, 'bad', '# fine\n--index-url http://example.org\n', 'def handler(event): return 1\n');
    const { status, body } = await worker.call('bad');
    expect(status).toBe(500);
    expect(JSON.parse(body).error).toEqual({
      code: 'ERR_PACKAGES_FILE',
      message: `packages.txt of 'bad', line 2: "--index-url http://example.org" is an option: options are for the configuration of the worker`,
    });
    await write(worker, 'bad', '# fine\n', 'def handler(event): return 1\n');
    expect(await worker.result('bad')).toBe(1);
  });
});

describe('many calls that want a package that is not there', () => {
  test('have it installed once, also from two workers', async () => {
    index.add({ name: 'once', version: '1.0', files: { 'once.py': 'VALUE = 7\n' } });
    await using one = await start();
    await using two = await TestWorker.start(
      { pip_mirror: index.url, worker_dir: join(one.cluster.paths.workers, 'worker-1') },
      one.cluster,
    );
    await write(one, 'a', 'once\n', 'import once\ndef handler(event): return once.VALUE\n');
    await write(one, 'b', 'once\nlower\n', 'import once\ndef handler(event): return once.VALUE\n');
    const calls = [one, two].flatMap((worker) => ['a', 'b', 'a', 'b'].map((name) => worker.result(name)));
    expect(await Promise.all(calls)).toEqual(Array(8).fill(7));
    const installs = [...one.log, ...two.log].filter(
      ({ msg, installed }) => msg === 'packages installed' && String(installed).includes('once'),
    );
    expect(installs.length).toBe(1);
  });
});

describe('a package that cannot be had', () => {
  test('is told with its name and the reason, at once for a while, and others do not notice', async () => {
    await using worker = await start({ install_retry_ms: 60_000 });
    await write(worker, 'missing', 'nowhere>=3\n', 'def handler(event): return 1\n');
    await worker.cluster.addFixture('hello');
    const first = await worker.call('missing');
    expect(first.status).toBe(500);
    expect(JSON.parse(first.body).error.code).toBe('ERR_PACKAGES_UNRESOLVED');
    expect(first.body).toContain('nowhere');
    const asked = index.asked.length;
    expect((await worker.call('missing')).body).toBe(first.body);
    expect(index.asked.length).toBe(asked);
    expect(await worker.result('hello', { name: 'Al' })).toBe('Hello, Al!');
  });

  test('is tried again after a short while', async () => {
    await using worker = await start({ install_retry_ms: 0 });
    await write(
      worker,
      'late',
      'comes-late\n',
      'import comes_late\ndef handler(event): return comes_late.VALUE\n',
    );
    expect((await worker.call('late')).status).toBe(500);
    index.add({ name: 'comes-late', version: '1.0', files: { 'comes_late.py': 'VALUE = 1\n' } });
    expect(await worker.result('late')).toBe(1);
  });

  test('is told with its version where it does not build', async () => {
    index.add({
      name: 'unbuilt',
      version: '0.3',
      isSdist: true,
      files: {
        'setup.py': 'raise SystemExit("no compiler here")\n',
        'pyproject.toml':
          '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "unbuilt"\nversion = "0.3"\n',
        'backend.py': 'def build_wheel(*args, **kwargs):\n  raise SystemExit("no compiler here")\n',
      },
    });
    await using worker = await start();
    await write(worker, 'unbuilt', 'unbuilt\n', 'def handler(event): return 1\n');
    const { status, body } = await worker.call('unbuilt');
    const { code, message } = JSON.parse(body).error;
    expect([status, code]).toEqual([500, 'ERR_PACKAGE_FAILED']);
    expect(message).toContain("package unbuilt 0.3, which 'unbuilt' needs");
    expect(message).toContain('no compiler here');
  });

  test('is told apart from an index that is down', async () => {
    const own = await TestIndex.start();
    await own[Symbol.asyncDispose]();
    await using worker = await start({ pip_mirror: own.url });
    await write(worker, 'down', 'anything\n', 'def handler(event): return 1\n');
    const { status, body } = await worker.call('down');
    expect([status, JSON.parse(body).error.code]).toEqual([503, 'ERR_PACKAGES_INDEX']);
    expect(body).toContain('ECONNREFUSED');
  });

  test('is waited for no longer than a call may take, and then is there for the next one', async () => {
    index.add({ name: 'slow', version: '1.0', files: { 'slow.py': 'VALUE = 1\n' } });
    const { promise, resolve } = Promise.withResolvers<void>();
    index.held = promise;
    const release = () => {
      resolve();
      index.held = Promise.resolve();
    };
    // More than a container takes to start.
    await using worker = await start({ invocation_timeout_ms: 2000 });
    // Whatever goes wrong: a worker that ends waits for its installer.
    using _released = { [Symbol.dispose]: release };
    await write(worker, 'slow', 'slow\n', 'import slow\ndef handler(event): return slow.VALUE\n');
    const { status, body } = await worker.call('slow');
    expect([status, JSON.parse(body).error.code]).toEqual([504, 'ERR_PACKAGES_WAIT']);
    expect(JSON.parse(body).error.message).toBe(
      "'slow' waited 2000 ms for its packages (slow): resolving versions. That goes on: call again later",
    );
    release();
    await expect.poll(async () => (await worker.call('slow')).body).toBe('1');
  });

  test('is told with what is installed or built, and with whom it is waited for, when a call has no more time', async () => {
    await using own = await TestIndex.start();
    own.add({ name: 'heavy', version: '1.2', files: { 'heavy.py': '' }, requires: ['light'] });
    own.add({ name: 'light', version: '0.1', files: { 'light.py': '' } });
    own.add({
      name: 'built',
      version: '3.0',
      isSdist: true,
      files: {
        'pyproject.toml':
          '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "built"\nversion = "3.0"\n',
        'backend.py': 'import time\ndef build_wheel(*args, **kwargs):\n  time.sleep(1000)\n',
      },
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    own.held = promise;
    // What it needs is told, what is to be installed does not come.
    own.tellsMetadata = true;
    own.holds = /heavy.*\.whl$/;
    await using worker = await start({ pip_mirror: own.url, invocation_timeout_ms: 1500 });
    const code = 'def handler(event): return 1\n';
    await write(worker, 'heavy', 'heavy\n', code);
    await write(worker, 'also', 'light\nheavy\n', code);
    await write(worker, 'built', 'built\n', code);
    const phaseOf = async (name: string) => {
      const { status, body } = await worker.call(name);
      return [status, / ms for its packages \((.*)\. That goes on/.exec(body)?.[1]];
    };
    const phases = {
      heavy: 'heavy): installing heavy 1.2, light 0.1',
      also: 'heavy, light): waiting for somebody else who installs the same',
      built: 'built): building built 3.0',
    };
    // However slow the machine is, each of them gets that far.
    for (const [name, phase] of Object.entries(phases))
      await expect.poll(() => phaseOf(name)).toEqual([504, phase]);
    resolve();
  });

  test('is told with what took the time when its installation takes too long', async () => {
    await using own = await TestIndex.start();
    own.add({ name: 'endless', version: '1.0', files: { 'endless.py': '' } });
    own.held = new Promise(() => {});
    own.tellsMetadata = true;
    own.holds = /\.whl$/;
    await using worker = await start({ pip_mirror: own.url, install_timeout_ms: 5000 });
    await write(worker, 'endless', 'endless\n', 'def handler(event): return 1\n');
    const { status, body } = await worker.call('endless');
    expect([status, JSON.parse(body).error]).toEqual([
      503,
      {
        code: 'ERR_PACKAGES_INSTALLER',
        message: expect.stringMatching(
          /\(endless\) .*installing endless 1\.0 took longer than 5000 ms: raise install_timeout_ms/,
        ),
      },
    ]);
  });
});

/** As setuptools writes them: makes the namespace `apart` of the one directory that it knows. */
const NAMESPACE_PTH =
  "import sys, os, importlib.util; p = os.path.join(sys._getframe(1).f_locals['sitedir'], 'apart'); " +
  "m = sys.modules.setdefault('apart', importlib.util.module_from_spec(importlib.machinery.PathFinder.find_spec('apart', [os.path.dirname(p)]))); " +
  "mp = m.__dict__.setdefault('__path__', []); (p not in mp) and mp.append(p)\n";

describe('what a wheel may have in it', () => {
  test.each([
    ['a zygote', {}],
    ['none', { import_cache_size: 0 }],
  ])('a namespace that a .pth file makes has the parts of other packages, too, with %s', async (_, settings) => {
    const part = (name: string, files: Record<string, string>) => index.add({ name, version: '1.0', files });
    const slow = 'import time\ntime.sleep(0.02)\n';
    part('apart-one', { 'apart/one.py': `${slow}VALUE = 1\n`, 'apart_one-nspkg.pth': NAMESPACE_PTH });
    part('apart-two', { 'apart/two.py': `${slow}VALUE = 2\n` });
    await using worker = await start(settings);
    const code = 'from apart import one, two\ndef handler(event): return one.VALUE + two.VALUE\n';
    await write(worker, 'apart', 'apart-one\napart-two\n', code);
    expect(await worker.result('apart')).toBe(3);
  });

  test('modules of one namespace, programs, data and .pth files are where they are expected', async () => {
    index.add({
      name: 'part-one',
      version: '1.0',
      files: {
        'shared/one.py': 'VALUE = 1\n',
        'part_one-1.0.data/scripts/say': '#!python\nfrom shared import two\nprint("said", two.VALUE)\n',
      },
    });
    index.add({
      name: 'part-two',
      version: '1.0',
      files: {
        'shared/two.py': 'VALUE = 2\n',
        'shared/data.txt': 'data',
        'extra/deep.py': 'VALUE = 3\n',
        'part_two.pth': 'extra\nimport sys; sys.from_pth = 4\n',
      },
    });
    await using worker = await start();
    await write(
      worker,
      'parts',
      'shared.one:part-one\npart-two\n',
      [
        'import subprocess, sys',
        'from shared import one, two',
        'import deep',
        'def handler(event):',
        '  said = subprocess.run(["say"], capture_output=True, text=True)',
        '  return [one.VALUE, two.VALUE, deep.VALUE, sys.from_pth, said.stdout + said.stderr, open(two.__file__.replace("two.py", "data.txt")).read()]',
      ].join('\n'),
    );
    const result = await worker.result<unknown[]>('parts');
    expect(result.slice(0, 6)).toEqual([1, 2, 3, 4, 'said 2\n', 'data']);
  });

  test('compiled files are made once, valid where functions see them', async () => {
    index.add({
      name: 'compiled',
      version: '1.0',
      files: {
        'compiled/__init__.py': 'def where():\n  return where.__code__.co_filename\n',
        'compiled/old.py': 'print "python 2"\n',
      },
    });
    await using worker = await start();
    await write(
      worker,
      'compiled',
      'compiled\n',
      'import compiled, os\ndef handler(event): return [compiled.where(), os.path.exists(compiled.__cached__), compiled.__file__]\n',
    );
    const [where, isThere, file] = await worker.result<[string, boolean, string]>('compiled');
    expect([where, isThere]).toEqual([file, true]);
  });
});

test('what a killed worker left half installed is removed by the next start', async () => {
  await using worker = await start();
  await worker.running.close();
  const left = join(worker.cluster.paths.packages, '.tmp-1-1-1');
  await mkdir(join(left, 'six-1.0'), { recursive: true });
  await writeFile(join(left, 'six-1.0', 'six.py'), '');
  await symlink('/etc', join(left, 'link'));
  await using next = await TestWorker.start({ pip_mirror: index.url }, worker.cluster);
  expect((await readdir(next.cluster.paths.packages)).sort()).toEqual(['.locks']);
});

test('a kill -9 at any moment leaves nothing that counts as installed and is not', async () => {
  index.add({
    name: 'killed',
    version: '1.0',
    files: { 'killed/__init__.py': 'from killed.b import VALUE\n', 'killed/b.py': 'VALUE = 5\n' },
    requires: ['lower'],
  });
  await using cluster = await TestCluster.create();
  await cluster.configure({ pip_mirror: index.url });
  await cluster.writeFunction('killed', {
    'packages.txt': 'killed\n',
    'lambda_func.py': 'import killed, lower\ndef handler(event): return killed.VALUE\n',
  });
  for (const afterMs of [30, 150, 300, 450]) {
    await using workers = await BackgroundWorkers.start(cluster);
    const tree = workers.first.tree();
    const call = workers.first.client.invoke('killed');
    call.catch(() => {});
    await sleep(afterMs);
    workers.first.kill('SIGKILL');
    await untilGone(tree);
  }
  await using last = await BackgroundWorkers.start(cluster);
  expect(await last.first.client.invoke('killed')).toMatchObject({ status: 200, body: '5' });
  const left = (await readdir(cluster.paths.packages)).map((name) => name.replace(/-[0-9a-f]{16}$/, ''));
  expect(left.sort()).toEqual(['.locks', 'killed-1.0', 'lower-2.1']);
});
