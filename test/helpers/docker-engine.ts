import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { claimSlot, UIDS_PER_WORKER, uidBase } from '../../src/cluster/claims.ts';
import { workerPaths } from '../../src/cluster/paths.ts';
import { cleanUps } from '../../src/sandbox/clean-up.ts';
import { DockerEngine, type DockerEngineOptions } from '../../src/sandbox/docker/engine.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import type { EngineFixture } from '../contract/sandbox.contract.ts';
import { TestCluster } from './cluster.ts';
import { CodeWriter } from './code-writer.ts';
import { TEST_IMAGE, type TestDockerd } from './dockerd.ts';

const RUNTIME = fileURLToPath(new URL('../../runtime/python', import.meta.url));

export interface DockerFixture extends EngineFixture {
  readonly engine: DockerEngine;
  readonly owner: { readonly cluster: string; readonly worker: string };
}

/** A `docker` engine without a worker around it, with uids of its own. */
export async function makeDockerEngine(
  dockerd: TestDockerd,
  options: Partial<DockerEngineOptions> = {},
): Promise<DockerFixture> {
  const cluster = await TestCluster.create();
  const { dir, handlers, spares } = workerPaths(cluster.paths, 0);
  await mkdir(handlers, { recursive: true });
  await mkdir(spares, { recursive: true });
  const claim = await claimSlot({ cluster: cluster.paths.root, workerDir: dir, port: 0, ...cleanUps });
  const owner = { cluster: cluster.paths.root, worker: dir };
  const engine = await DockerEngine.start({
    daemon: await dockerd.open(),
    image: TEST_IMAGE,
    owner,
    runtimeDir: RUNTIME,
    packagesDir: cluster.paths.packages,
    handlersDir: handlers,
    sparesDir: spares,
    spares: 2,
    uids: { base: uidBase(claim.slot), count: UIDS_PER_WORKER },
    sandboxConfig: '{}',
    network: 'none',
    tmpMaxMb: 16,
    openFilesMax: 256,
    bounds: {
      memLimitMb: 128,
      memPoolMb: 1024,
      procsMax: 64,
      cpuPercent: 100,
      fileMaxMb: 64,
      scratchMaxMb: 512,
      scratchMaxFiles: 10_000,
    },
    installFileMaxMb: 256,
    log: silentLog(),
    ...options,
  });
  const writer = new CodeWriter(join(cluster.paths.root, 'code'));
  return {
    engine,
    owner,
    code: (name, text) => writer.write(name, text),
    scratch: (id) => join(handlers, id),
    async dispose() {
      await engine.close();
      await claim.release();
      await cluster[Symbol.asyncDispose]();
    },
  };
}
