import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ImportZygote } from '../../src/sandbox/zygotes.ts';
import { requestOf } from '../contract/sandbox.contract.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { SLOWNESS } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { makeSockEngine, type SockFixture } from '../helpers/sock-engine.ts';

leavesNothing();

const PYTHON = '/usr/bin/python3';
const FORKS = 1000;
const AT_ONCE = 5;
/** They are large to install, and to fork from so often. */
const LONG_MS = 300_000 * SLOWNESS;

let fixture: SockFixture;
let missing = '';
beforeAll(async () => {
  fixture = await makeSockEngine();
  const target = join(fixture.packagesDir, 'native');
  mkdirSync(join(fixture.packagesDir, 'threaded'));
  const pip = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-cache-dir',
    '--only-binary',
    ':all:',
    '--target',
    target,
  ];
  const { status, stderr } = spawnSync(PYTHON, [...pip, 'numpy', 'pandas'], { encoding: 'utf8' });
  if (status !== 0) missing = `numpy and pandas can't be had: ${stderr}`;
}, LONG_MS);
afterAll(() => fixture.dispose());

/** Uses BLAS, and the code of pandas; the answer is known. */
const WORK = python`
  import numpy as np, pandas as pd
  def handler(n):
      product = np.full((64, 64), 1.0) @ np.full((64, 64), float(n))
      frame = pd.DataFrame({'key': [1, 2, 1], 'value': [n, 1, 2]})
      return [float(product[0, 0]), int(frame.groupby('key')['value'].sum()[1])]
`;

async function importing(modules: readonly string[]): Promise<ImportZygote> {
  return await fixture.engine.importAhead({
    parent: null,
    directories: ['/packages/native', '/packages/threaded'],
    modules,
  });
}

async function forkAndAsk(zygote: ImportZygote, text: string, event: unknown): Promise<unknown> {
  const sandbox = await fixture.engine.createFrom(zygote, await fixture.code('native', text), null);
  try {
    const { status, body } = await sandbox.request(requestOf(event));
    return status === 200 ? JSON.parse(body.toString()) : body.toString();
  } finally {
    await sandbox.destroy('done');
  }
}

async function forkMany(zygote: ImportZygote, count: number): Promise<void> {
  let next = 0;
  const client = async () => {
    while (next < count) {
      const n = next++;
      expect(await forkAndAsk(zygote, WORK, n)).toEqual([64 * n, n + 2]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
}

describe('a zygote with numpy and pandas', { timeout: LONG_MS }, () => {
  test(`is forked ${FORKS} times while calls come in: none hangs, and all results are right`, async (context) => {
    if (missing !== '') return context.skip(missing);
    await forkMany(await importing(['numpy', 'pandas']), FORKS);
  });

  test('is forked from just as well where native threads run in it', async (context) => {
    if (missing !== '') return context.skip(missing);
    const text = python`
      import os
      for name in ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS'): os.environ[name] = '4'
      import numpy, pandas
      numpy.ones((512, 512)) @ numpy.ones((512, 512))
      tasks = len(os.listdir('/proc/self/task'))
    `;
    await fixture.package('threaded', text);
    const zygote = await importing(['threaded']);
    const tasks = 'import sys\ndef handler(event): return sys.modules["threaded"].tasks\n';
    expect(await forkAndAsk(zygote, tasks, 0)).toBeGreaterThan(1);
    await forkMany(zygote, FORKS / 5);
  });

  test('gives each sandbox random numbers of its own', { timeout: 60_000 * SLOWNESS }, async (context) => {
    if (missing !== '') return context.skip(missing);
    const zygote = await importing(['numpy', 'numpy.random']);
    const text = 'import numpy\ndef handler(event): return numpy.random.random(3).tolist()\n';
    const all = await Promise.all(Array.from({ length: 10 }, () => forkAndAsk(zygote, text, 0)));
    expect(new Set((all as number[][]).flat()).size).toBe(30);
  });
});
