import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectWorker } from '../../src/client/worker-client.ts';
import { callAll } from '../measure/call-all.ts';
import { addFunction, settle } from '../measure/functions.ts';
import { startRig } from '../measure/rig.ts';
import { codeOf, type RealFunction } from './functions.ts';

/** Kept, because installing all of it takes minutes: remove it to have it made anew. */
const DIR = fileURLToPath(new URL('../../.cache/workload', import.meta.url));
const AT_ONCE = 3;
/** Of one call that installs everything that a function needs. */
const PATIENCE_MS = 1_200_000;

/** Functions in a registry, with their packages installed. */
export interface Prepared {
  readonly registryDir: string;
  readonly packagesDir: string;
  /** The directories of each function's packages, by its name. */
  readonly dirs: ReadonlyMap<string, readonly string[]>;
}

export async function prepare(functions: readonly RealFunction[]): Promise<Prepared> {
  const registryDir = join(DIR, 'registry');
  const packagesDir = join(DIR, 'packages');
  for (const dir of [registryDir, packagesDir]) await mkdir(dir, { recursive: true });
  for (const one of functions) await write(registryDir, one);
  await settle();
  const dirs = new Map<string, readonly string[]>();
  await using rig = await startRig({
    registry_dir: registryDir,
    pkgs_dir: packagesDir,
    install_timeout_ms: PATIENCE_MS,
  });
  const worker = connectWorker(rig.url);
  await callAll(functions, AT_ONCE, async ({ name }) => {
    const options = { method: 'POST', timeoutMs: PATIENCE_MS };
    const { status, body } = await worker.request(`/packages/${name}`, options);
    if (status !== 200) throw new Error(`${name}: ${status} ${body}`);
    dirs.set(name, dirsIn(body));
  });
  worker.close();
  return { registryDir, packagesDir, dirs };
}

function dirsIn(text: string): string[] {
  const { packages } = JSON.parse(text) as { packages: { dir: string }[] };
  return packages.map(({ dir }) => dir);
}

/** Leaves one that is there as it is, so that nothing of it is made anew. */
async function write(registryDir: string, one: RealFunction): Promise<void> {
  const code = codeOf(one);
  const file = join(registryDir, one.name, 'lambda_func.py');
  if (existsSync(file) && (await readFile(file, 'utf8')) === code) return;
  await addFunction(registryDir, one.name, code, one.requirements.map((line) => `${line}\n`).join(''));
}
