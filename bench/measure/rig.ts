import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTemplate } from '../../src/cluster/config-file.ts';
import { createCluster } from '../../src/cluster/create.ts';
import { startWorkers } from '../../src/cluster/launch.ts';
import { stopCluster } from '../../src/cluster/stop.ts';
import type { ConfigFile } from '../../src/config/schema.ts';
import { cleanUpAfter } from '../../src/sandbox/clean-up.ts';
import { addFunction } from './functions.ts';

/** A worker in a process of its own, on a cluster of its own, as users have it. Gone when disposed. */
export interface Rig extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Where `benchmark_log` is written, when it is on. */
  readonly timingFile: string;
  addFunction(name: string, code: string, packages?: string): Promise<void>;
}

/** Starts it with these config keys over the defaults. */
export async function startRig(config: ConfigFile): Promise<Rig> {
  await using undo = new AsyncDisposableStack();
  const parent = await mkdtemp(join(tmpdir(), 'openlambda-bench-'));
  undo.defer(() => rm(parent, { recursive: true, force: true }));
  const cluster = join(parent, 'cluster');
  const paths = await createCluster(cluster);
  await setTemplate(cluster, JSON.stringify({ ...config, log_level: 'warn' }));
  undo.defer(async () => {
    await stopCluster(cluster, { cleanUpAfter });
  });
  const timingFile = join(parent, 'timing.log');
  await writeFile(timingFile, '');
  if (config.benchmark_log !== undefined)
    await setTemplate(cluster, JSON.stringify({ benchmark_log: timingFile }));
  const [worker] = await startWorkers(cluster, { port: 0 });
  if (worker === undefined) throw new Error('no worker was started');
  const cleanUp = undo.move();
  return {
    url: worker.url,
    port: worker.port,
    timingFile,
    addFunction: (name, code, packages) => addFunction(paths.registry, name, code, packages),
    [Symbol.asyncDispose]: () => cleanUp.disposeAsync(),
  };
}
