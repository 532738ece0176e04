import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CgroupDriver } from '../../src/cgroup/cgroup.ts';
import { chooseDriver } from '../../src/cgroup/choose.ts';
import { readBase } from '../../src/cluster/base.ts';
import { claimSlot, UIDS_PER_WORKER, uidBase } from '../../src/cluster/claims.ts';
import { workerPaths } from '../../src/cluster/paths.ts';
import { cleanUps } from '../../src/sandbox/clean-up.ts';
import { SockEngine } from '../../src/sandbox/sock/engine.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import type { EngineFixture } from '../contract/sandbox.contract.ts';
import { TestCluster } from './cluster.ts';
import { CodeWriter } from './code-writer.ts';

export interface SockFixture extends EngineFixture {
  readonly engine: SockEngine;
  /** Pids of each PID 1 of sandboxes that it has had; the last one is the living one. */
  readonly inits: readonly number[];
  /** What sandboxes see as `/packages`. */
  readonly packagesDir: string;
  /** Where package zygotes have their directories. */
  readonly importCacheDir: string;
  /** Makes a package, in a directory of its name, with one module, of the same name. */
  package(name: string, text: string): Promise<void>;
}

export interface EngineOptions {
  readonly importTimeoutMs?: number;
  /** Of each package zygote; none has a cgroup where it is not given. */
  readonly importMemLimitMb?: number;
}

/** A `sock` engine without a worker around it, with a base image and uids of its own. */
export async function makeSockEngine(options: EngineOptions = {}): Promise<SockFixture> {
  const cluster = await TestCluster.create();
  const { dir, handlers, spares, importCache } = workerPaths(cluster.paths, 0);
  await mkdir(handlers, { recursive: true });
  await mkdir(spares, { recursive: true });
  await mkdir(importCache, { recursive: true });
  const claim = await claimSlot({
    cluster: cluster.paths.root,
    workerDir: dir,
    port: 0,
    ...cleanUps,
  });
  const driver =
    options.importMemLimitMb === undefined
      ? null
      : chooseDriver({ workerName: String(claim.slot), log: silentLog() });
  const zygoteCgroup = (name: string) => {
    const cgroup = (driver as CgroupDriver).create(name);
    cgroup.setLimits({ memoryMb: options.importMemLimitMb ?? 0, pids: 64, cpuPercent: 0 });
    return cgroup;
  };
  const inits: number[] = [];
  const writer = new CodeWriter(join(cluster.paths.root, 'code'));
  const engine = await SockEngine.start({
    base: { dir: cluster.paths.base, ...(await readBase(cluster.paths.base)) },
    network: { kind: 'none' },
    packagesDir: cluster.paths.packages,
    handlersDir: handlers,
    sparesDir: spares,
    uids: { base: uidBase(claim.slot), count: UIDS_PER_WORKER },
    importsDir: importCache,
    rehearsedDir: join(dir, 'rehearsal'),
    zygoteCgroup: driver === null ? null : zygoteCgroup,
    importTimeoutMs: options.importTimeoutMs ?? 30_000,
    zygoteSilentMs: 10_000,
    sandboxConfig: '{}',
    tmpMaxMb: 16,
    bounds: { memLimitMb: 128, memPoolMb: 1024, procsMax: 64, scratchMaxMb: 512, scratchMaxFiles: 10_000 },
    fileMaxMb: 64,
    installFileMaxMb: 256,
    openFilesMax: 256,
    cgroups: null,
    spares: 2,
    coreWatch: null,
    log: silentLog(),
    timing: null,
    onInit: async (pid) => {
      inits.push(pid);
    },
    onZygoteDeath: () => {},
  });
  return {
    engine,
    inits,
    packagesDir: cluster.paths.packages,
    importCacheDir: importCache,
    async package(name, text) {
      await mkdir(join(cluster.paths.packages, name), { recursive: true });
      await writeFile(join(cluster.paths.packages, name, `${name}.py`), text);
    },
    code: (name, text) => writer.write(name, text),
    scratch: (id) => join(handlers, id),
    async dispose() {
      await engine.close();
      await driver?.close();
      await claim.release();
      await cluster[Symbol.asyncDispose]();
    },
  };
}

/** The same, whose sandboxes are forked from a package zygote with these modules, given as name and text. */
export async function makeImportingEngine(
  modules: Readonly<Record<string, string>> = { imported: 'value = 1\n' },
): Promise<EngineFixture & Pick<SockFixture, 'inits'>> {
  const fixture = await makeSockEngine();
  const { engine, packagesDir } = fixture;
  for (const [name, text] of Object.entries(modules)) await writeFile(join(packagesDir, `${name}.py`), text);
  const request = { parent: null, directories: ['/packages'], modules: Object.keys(modules) };
  const zygote = await engine.importAhead(request);
  return {
    ...fixture,
    engine: {
      name: engine.name,
      create: (code, lock) => engine.createFrom(zygote, code, lock),
      close: () => engine.close(),
    },
  };
}
