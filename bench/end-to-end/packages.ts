import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findUv } from '../../src/packages/find-uv.ts';
import { findIndex } from '../../src/packages/pip-config.ts';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { BenchClient } from '../measure/client.ts';
import { NO_OP, settle } from '../measure/functions.ts';
import { type Rig, startRig } from '../measure/rig.ts';
import { summarize } from '../measure/stats.ts';
import { NO_CACHE } from './cold.ts';

const run = promisify(execFile);
const PYTHON = '/usr/bin/python3';
const FEW = 'six==1.16.0\n';
const IMPORT = `import six\n${NO_OP}`;
const KINDS = [
  { name: 'none', what: 'cold call without packages' },
  { name: 'unused', what: 'with a package that is installed' },
  { name: 'used', what: 'with one that is installed and imported' },
];
/** Versions of a small package, and of a large one: each is a package of its own to install. */
const SMALL = {
  name: 'idna',
  versions: ['3.7', '3.6', '3.4', '3.3', '3.2', '3.1', '3.0', '2.10', '2.9', '2.8'],
  code: `import idna\n${NO_OP}`,
};
const LARGE = {
  name: 'numpy',
  versions: ['1.26.4', '1.26.3', '1.26.2', '1.26.1', '1.26.0'],
  code: 'import numpy\n\ndef handler(event):\n    return int(numpy.arange(10).sum())\n',
};

export const packages: Bench = {
  name: 'packages',
  about:
    'What packages add to a call that no sandbox is there for: installed ones, and one that is not there yet.',
  async run({ samples }) {
    const rows = [
      ...(await measureInstalled(samples)),
      ...(await measureInstalling(SMALL, samples)),
      ...(await measureInstalling(LARGE, samples)),
    ];
    return {
      rows,
      notes: [
        'An installation is measured with a version of the package each, that the worker has not installed before. The installer ' +
          'alone resolves and installs the same version with `uv`, with an empty cache, and compiles it.',
        'The first call of a function that nobody has called before has everything in it: its code, resolving, installing, importing ' +
          'in a zygote, the sandbox, and its own work.',
        'What is installed comes from the index that pip is configured for: how far away that is shows in both.',
      ],
    };
  },
};

async function measureInstalled(samples: number): Promise<BenchRow[]> {
  await using rig = await startRig({ ...NO_CACHE, invocation_timeout_ms: 120_000 });
  await rig.addFunction('none', NO_OP);
  await rig.addFunction('unused', NO_OP, FEW);
  await rig.addFunction('used', IMPORT, FEW);
  await settle();
  const client = new BenchClient(rig.url);
  const times = KINDS.map((): number[] => []);
  for (const { name } of KINDS) await client.postMany(`/runLambda/${name}`, 10);
  // In turn, so that all find the machine in the same mood.
  for (let i = 0; i < samples; i++)
    for (const [at, { name }] of KINDS.entries())
      times[at]?.push(await client.post(`/runLambda/${name}`, '{}'));
  client.close();
  return KINDS.map(({ what }, at) => ({ what, ...summarize(times[at] ?? []) }));
}

interface Installed {
  readonly name: string;
  readonly versions: readonly string[];
  readonly code: string;
}

async function measureInstalling(one: Installed, samples: number): Promise<BenchRow[]> {
  await using rig = await startRig({ ...NO_CACHE, mem_limit_mb: 512, invocation_timeout_ms: 120_000 });
  const client = new BenchClient(rig.url);
  const [firsts, alone]: [number[], number[]] = [[], []];
  for (const version of one.versions.slice(0, samples)) {
    // In turn, so that both find the index and the disk in the same mood.
    alone.push(await installAlone(one.name, version));
    firsts.push(await firstCall(rig, client, one, version));
  }
  client.close();
  return [
    { what: `first call, its package (${one.name}) not installed`, ...summarize(firsts) },
    { what: `the installer alone, for ${one.name}`, ...summarize(alone) },
  ];
}

async function firstCall(rig: Rig, client: BenchClient, one: Installed, version: string): Promise<number> {
  const name = `${one.name}-${version.replaceAll('.', '-')}`;
  await rig.addFunction(name, one.code, `${one.name}==${version}\n`);
  await settle();
  return await client.post(`/runLambda/${name}`, '{}');
}

async function installAlone(name: string, version: string): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'openlambda-bench-'));
  const uv = findUv(process.env);
  if (uv === null) throw new Error('the installer alone is measured with uv: run `npm run setup`');
  try {
    await writeFile(join(dir, 'in.txt'), `${name}==${version}\n`);
    // From where the worker has them, too.
    const { url, certificates } = findIndex(null, process.env);
    const env = {
      ...process.env,
      UV_CACHE_DIR: join(dir, 'cache'),
      UV_NO_CONFIG: '1',
      ...(url === null ? {} : { UV_DEFAULT_INDEX: url }),
      ...(certificates === null ? {} : { SSL_CERT_FILE: certificates }),
    };
    const start = performance.now();
    const pip = (words: readonly string[]) =>
      run(uv, ['pip', ...words, '--python', PYTHON], { cwd: dir, env });
    await pip(['compile', 'in.txt', '--generate-hashes', '--output-file', 'out.txt']);
    const install = ['install', '--target', 'out', '--no-deps', '--require-hashes', '--compile-bytecode'];
    await pip([...install, '--requirements', 'out.txt']);
    return performance.now() - start;
  } finally {
    await rm(dir, { recursive: true });
  }
}
