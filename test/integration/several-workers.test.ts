import { createHash } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { workerPaths } from '../../src/cluster/paths.ts';
import { BackgroundWorkers } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { namesIn } from '../helpers/handler-files.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { until } from '../helpers/poll.ts';

leavesNothing();

const WORKERS = 3;
const NAMES = ['a', 'b', 'c'] as const;

let index: TestIndex;
let cluster: TestCluster;
let workers: BackgroundWorkers;
let baseBefore: string;

beforeAll(async () => {
  index = await TestIndex.start();
  cluster = await TestCluster.create();
  await cluster.configure({ pip_mirror: index.url, mem_pool_mb: 512 });
  baseBefore = await digestOf(cluster.paths.base);
  workers = await BackgroundWorkers.start(cluster, WORKERS);
});
afterAll(async () => {
  await workers?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  await index[Symbol.asyncDispose]();
});

/** Where what is there changes in any way, it is another one. */
async function digestOf(dir: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(dir, { recursive: true })).sort()) {
    const { mode, uid, size, mtimeMs, ino } = await lstat(join(dir, name));
    hash.update(JSON.stringify([name, mode, uid, size, mtimeMs, ino]));
  }
  return hash.digest('hex');
}

/** A package of the index with one module, of its name. */
function addPackage(name: string, value: number, requires: readonly string[] = []): void {
  index.add({ name, version: '1.0', files: { [`${name}.py`]: `VALUE = ${value}\n` }, requires });
}

/** A function that adds up what its packages hold. */
async function writeSum(name: string, packages: readonly string[], value: string): Promise<void> {
  await cluster.writeFunction(name, {
    'packages.txt': `${packages.join('\n')}\n`,
    'lambda_func.py': `import ${packages.join(', ')}\ndef handler(event): return [event, ${value}]\n`,
  });
}

/** Calls functions on every worker, all at once; what each answered. */
async function callAll(names: readonly string[], times: number): Promise<unknown[]> {
  const calls = workers.all.flatMap((worker, at) =>
    Array.from({ length: times }, (_, round) =>
      names.map(async (name) => {
        const { status, body } = await worker.client.invoke(name, [name, at, round]);
        return status === 200 ? JSON.parse(body) : `${name} on ${at}: ${status} ${body}`;
      }),
    ).flat(),
  );
  return await Promise.all(calls);
}

/** What `callAll` should give. */
function expected(names: readonly string[], times: number, value: (name: string) => number): unknown[] {
  return workers.all.flatMap((_, at) =>
    Array.from({ length: times }, (_, round) => names.map((name) => [[name, at, round], value(name)])).flat(),
  );
}

/** How often a package was installed, by whichever worker: each says so. */
async function installsOf(name: string): Promise<number> {
  const lines = (await Promise.all(workers.all.map((worker) => worker.log()))).flat();
  const installed = lines.filter(({ msg }) => msg === 'packages installed').flatMap((line) => line.installed);
  return installed.filter((one) => one === `${name} 1.0`).length;
}

test('a package that three workers want at the same time is installed once, and each has it', async () => {
  addPackage('wanted', 7, ['needed']);
  addPackage('needed', 1);
  await writeSum('same', ['wanted', 'needed'], 'wanted.VALUE + needed.VALUE');
  // None of them can be done before all have begun.
  const gate = Promise.withResolvers<void>();
  index.held = gate.promise;
  const answers = callAll(['same'], 5);
  try {
    await until('question to the index', () => index.asked.length > 0);
    await until('pull of each worker', async () => {
      const pulled = await Promise.all(
        workers.all.map((_, at) => namesIn(join(workerPaths(cluster.paths, at).dir, 'code', 'same'))),
      );
      return pulled.every((versions) => versions.length > 0);
    });
  } finally {
    gate.resolve();
    index.held = Promise.resolve();
  }
  expect(await answers).toEqual(expected(['same'], 5, () => 8));
  expect([await installsOf('wanted'), await installsOf('needed')]).toEqual([1, 1]);
});

test('different packages that need the same one are installed from all at once, each once', async () => {
  addPackage('shared', 100);
  for (const [at, name] of NAMES.entries()) {
    addPackage(`own${name}`, at, ['shared']);
    await writeSum(name, [`own${name}`, 'shared'], `own${name}.VALUE + shared.VALUE`);
  }
  const answers = await callAll(NAMES, 4);
  expect(answers).toEqual(expected(NAMES, 4, (name) => 100 + NAMES.indexOf(name as 'a')));
  for (const name of ['shared', ...NAMES.map((one) => `own${one}`)])
    expect([name, await installsOf(name)]).toEqual([name, 1]);
});

test('code that is edited while all of them are called is what each call after the edit runs', async () => {
  addPackage('odd', 1);
  addPackage('even', 2);
  const code = (edit: number) => {
    const name = edit % 2 === 1 ? 'odd' : 'even';
    return `import ${name}\ndef handler(event): return [${edit}, ${name}.VALUE]\n`;
  };
  await cluster.writeFunction('edited', { 'packages.txt': 'odd\neven\n', 'lambda_func.py': code(0) });
  let [finished, isOver] = [0, false];
  const answered = workers.all.map(() => 0);
  const clients = workers.all.map(async ({ client }, at) => {
    while (!isOver) {
      const before = finished;
      const { status, body } = await client.invoke('edited');
      expect([status, body]).toEqual([200, expect.any(String)]);
      const [edit, value] = JSON.parse(body);
      expect(edit).toBeGreaterThanOrEqual(before);
      expect(value).toBe(edit % 2 === 1 ? 1 : 2);
      answered[at] = (answered[at] ?? 0) + 1;
    }
  });
  const all = Promise.all(clients);
  all.catch(() => {}); // told below
  for (let edit = 1; edit <= 12; edit++) {
    await cluster.replaceFunction('edited', code(edit));
    finished = edit;
    const target = answered.map((count) => count + 2);
    await Promise.race([
      all,
      until('answers of each', () => target.every((count, at) => (answered[at] ?? 0) >= count)),
    ]);
  }
  isOver = true;
  await all;
});

test('the base image that they share is as it was before', async () => {
  expect(await digestOf(cluster.paths.base)).toBe(baseBefore);
});
