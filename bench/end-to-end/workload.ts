import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectWorker, type WorkerClient } from '../../src/client/worker-client.ts';
import { fitTree } from '../../src/zygote/fit.ts';
import { treeFileText } from '../../src/zygote/tree-file.ts';
import { readWorkload, type Workload } from '../../src/zygote/workload-file.ts';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { callAll } from '../measure/call-all.ts';
import { importedZygotes, zygotesPlanted } from '../measure/import-cache.ts';
import { startRig } from '../measure/rig.ts';
import { summarize } from '../measure/stats.ts';
import { barePython } from '../workloads/bare-python.ts';
import { COSTS_FILE, chooseFunctions, FUNCTIONS_FILE, type RealFunction } from '../workloads/functions.ts';
import { type Prepared, prepare } from '../workloads/prepare.ts';

const CLIENTS = 5;
const KB_PER_GIB = 1024 * 1024;
const BUDGETS_GIB = [1, 5];
/** Some functions take more than the usual 128 MB, and longer than 30 s where nothing is in the page cache. */
const BOUNDS = { mem_limit_mb: 1024, invocation_timeout_ms: 120_000 };

interface Variant {
  readonly what: string;
  readonly config: object;
  readonly isPlanted: boolean;
}

export const workload: Bench = {
  name: 'workload',
  about:
    '869 real functions with PyPI packages, every one called once by five clients, by what the import cache has.',
  async run({ samples }) {
    const functions = chooseFunctions(samples);
    const prepared = await prepare(functions);
    const dir = await mkdtemp(join(tmpdir(), 'openlambda-bench-'));
    try {
      const floor = await bareRows(functions, prepared);
      const rows: BenchRow[] = [];
      const notes: string[] = [];
      for (const variant of await variants(functions, dir)) {
        const { rows: own, note } = await measure(variant, functions, prepared);
        rows.push(...own);
        notes.push(note);
      }
      return { rows: [...floor, ...rows, ...ratios(rows)], notes: [...notes, ...NOTES] };
    } finally {
      await rm(dir, { recursive: true });
    }
  },
};

const NOTES = [
  'The packages are installed, and read once, before. Each call is answered right, or the bench ends.',
  'The tree is fitted to these very functions, as `admin fit` does: so it is the best case, and stands for a worker that has seen ' +
    'its functions for long. Making its zygotes at the start is not in the figures.',
];

async function variants(functions: readonly RealFunction[], dir: string): Promise<Variant[]> {
  const known = readWorkload(FUNCTIONS_FILE, COSTS_FILE);
  const names = new Set(functions.map(({ name }) => name));
  const own: Workload = { ...known, functions: known.functions.filter(({ name }) => names.has(name)) };
  const root = { what: 'one root zygote', config: { import_cache_size: 0 }, isPlanted: false };
  const learned = BUDGETS_GIB.map((gib) => ({
    what: `a learned tree, ${gib} GiB`,
    config: { import_cache_size: gib * KB_PER_GIB },
    isPlanted: false,
  }));
  const fitted = BUDGETS_GIB.map(async (gib) => {
    const file = join(dir, `tree-${gib}.json`);
    const tree = fitTree({ ...own, groups: own.functions }, gib * KB_PER_GIB);
    await writeFile(file, treeFileText(tree, own));
    return {
      what: `a fitted tree, ${gib} GiB`,
      config: { import_cache_size: gib * KB_PER_GIB, import_cache_tree: file },
      isPlanted: true,
    };
  });
  return [root, ...learned, ...(await Promise.all(fitted))];
}

async function bareRows(functions: readonly RealFunction[], prepared: Prepared): Promise<BenchRow[]> {
  const { times, seconds } = await callAll(functions, CLIENTS, (one) => barePython(one, prepared));
  return [
    {
      what: 'floor: nothing but a bare Python start: requests',
      unit: '/s',
      value: functions.length / seconds,
    },
    { what: 'floor: nothing but a bare Python start: one of them', ...summarize(times) },
  ];
}

async function measure(
  { what, config, isPlanted }: Variant,
  functions: readonly RealFunction[],
  { registryDir, packagesDir }: Prepared,
): Promise<{ rows: BenchRow[]; note: string }> {
  await using rig = await startRig({
    ...BOUNDS,
    ...config,
    registry_dir: registryDir,
    pkgs_dir: packagesDir,
  });
  const worker = connectWorker(rig.url);
  if (isPlanted) await zygotesPlanted(worker);
  const { times, seconds } = await callAll(functions, CLIENTS, ({ name }) => callOnce(worker, name));
  const { count, memoryMb, forksByDepth } = await importedZygotes(worker);
  worker.close();
  return {
    rows: [
      { what: `${what}: requests`, unit: '/s', value: functions.length / seconds },
      { what: `${what}: one of them`, ...summarize(times) },
    ],
    note: `${what}: ${count} zygotes with ${memoryMb.toFixed(0)} MB at the end; forks by depth, from the root zygote down: ${forksByDepth.join(' ')}.`,
  };
}

async function callOnce(worker: WorkerClient, name: string): Promise<void> {
  const { status, body } = await worker.invoke(name, {}, BOUNDS.invocation_timeout_ms);
  if (status !== 200 || JSON.parse(body) !== name) throw new Error(`${name}: ${status} ${body}`);
}

/** Against one root zygote. */
function ratios(rows: readonly BenchRow[]): BenchRow[] {
  const rates = rows.filter(({ unit }) => unit === '/s');
  const [root, ...others] = rates;
  return others.map(({ what, value }) => ({
    what: `${what.replace(': requests', '')}, over one root zygote`,
    unit: '×',
    value: (value ?? 0) / (root?.value ?? 1),
  }));
}
