import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeGroupsOf } from '../../src/cgroup/remove.ts';
import { readBase } from '../../src/cluster/base.ts';
import { claimSlot, uidBase } from '../../src/cluster/claims.ts';
import { workerPaths } from '../../src/cluster/paths.ts';
import type { Code } from '../../src/registry/registry.ts';
import { SockEngine } from '../../src/sandbox/sock/engine.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import type { EngineFixture } from '../contract/sandbox.contract.ts';
import { TestCluster } from './cluster.ts';

export interface SockFixture extends EngineFixture {
  readonly engine: SockEngine;
  /** Pids of the root zygotes that it has had; the last one is the living one. */
  readonly zygotes: readonly number[];
}

/** A `sock` engine without a worker around it, with a base image and uids of its own. */
export async function makeSockEngine(): Promise<SockFixture> {
  const cluster = await TestCluster.create();
  const { dir, handlers, spares } = workerPaths(cluster.paths, 0);
  await mkdir(handlers, { recursive: true });
  await mkdir(spares, { recursive: true });
  const claim = await claimSlot({
    cluster: cluster.paths.root,
    workerDir: dir,
    port: 0,
    cleanUpAfter: removeGroupsOf,
  });
  const zygotes: number[] = [];
  const versions = new Map<string, Promise<Code>>();
  const engine = await SockEngine.start({
    base: { dir: cluster.paths.base, ...(await readBase(cluster.paths.base)) },
    packagesDir: cluster.paths.packages,
    handlersDir: handlers,
    sparesDir: spares,
    uidBase: uidBase(claim.slot),
    sandboxConfig: '{}',
    tmpMaxMb: 16,
    bounds: { memLimitMb: 128, memPoolMb: 1024, scratchMaxMb: 512, scratchMaxFiles: 10_000 },
    fileMaxMb: 64,
    installFileMaxMb: 256,
    openFilesMax: 256,
    cgroups: null,
    spares: 2,
    log: silentLog(),
    timing: null,
    onZygote: async (pid) => {
      zygotes.push(pid);
    },
  });
  return {
    engine,
    zygotes,
    code(name, text) {
      // A version never changes once it is there: written once, whoever asks for it at the same time.
      const known =
        versions.get(`${name}\0${text}`) ?? writeCode(join(cluster.paths.root, 'code'), name, text);
      versions.set(`${name}\0${text}`, known);
      return known;
    },
    scratch: (id) => join(handlers, id),
    async dispose() {
      await engine.close();
      await claim.release();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

async function writeCode(root: string, name: string, text: string): Promise<Code> {
  const version = Buffer.from(text).toString('hex').slice(-64).padStart(64, '0');
  const dir = join(root, name, version);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'lambda_func.py'), text);
  return { name, version, dir };
}
