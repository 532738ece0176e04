import { join } from 'node:path';
import type { Config } from '../config/load.ts';
import { findUv } from '../packages/find-uv.ts';
import { Installer } from '../packages/installer.ts';
import { STARTUP } from '../packages/inventory.ts';
import { PackageManager, type Packages } from '../packages/packages.ts';
import { PackageStore } from '../packages/store.ts';
import type { WorkshopEngine } from '../sandbox/workshop.ts';
import type { Log } from '../telemetry/log.ts';
import { nodesOfFile } from '../zygote/given-tree.ts';
import type { ImportCache } from '../zygote/import-cache.ts';
import { costsOfFile, importsOfFile, type TreeFile } from '../zygote/tree-file.ts';

/** Processes of a build, and the threads of uv. */
const INSTALL_PROCS_MAX = 512;
const INSTALL_FILES_MAX = 1_000_000;

/** The part of a worker that has packages installed. */
export async function createPackages(config: Config, engine: WorkshopEngine, log: Log): Promise<Packages> {
  const store = await PackageStore.open(config.pkgsDir, (file, err) =>
    log.error({ err, file, dir: config.pkgsDir }, 'a file about packages is broken: it is made again'),
  );
  const uv = findUv(process.env);
  log.info({ uv: uv ?? 'none: pip installs packages, which takes longer', dir: config.pkgsDir }, 'packages');
  const dir = join(config.workerDir, 'installer');
  const workroom = { dir, uv, pipMirror: config.pipMirror, env: process.env, log };
  const bounds = {
    memLimitMb: config.installMemLimitMb,
    procsMax: INSTALL_PROCS_MAX,
    scratchMaxMb: config.installMaxMb,
    scratchMaxFiles: INSTALL_FILES_MAX,
  };
  const timeoutMs = config.installTimeoutMs;
  return new PackageManager({
    store,
    installer: new Installer({ engine, store, workroom, bounds, timeoutMs, log }),
    interpreter: () => engine.interpreter,
    retryMs: config.installRetryMs,
    // Another one may resolve, install wheels and build.
    waitMs: 3 * timeoutMs,
    log,
  });
}

export interface WarmUp {
  readonly startupPkgs: readonly string[];
  /** What `import_cache_tree` names. */
  readonly tree: TreeFile | null;
  readonly packages: Packages;
  /** Null where there is no memory for one. */
  readonly cache: ImportCache | null;
  readonly log: Log;
}

/**
 * Makes ready what the config names: the import cache's tree, and `startup_pkgs`, which stay imported. Nobody waits for it: a
 * worker whose index is down serves what it can.
 */
export async function warmUp({ startupPkgs, tree, packages, cache, log }: WarmUp): Promise<void> {
  if (tree !== null) {
    cache?.know(costsOfFile(tree), importsOfFile(tree));
    await cache?.plant(nodesOfFile(tree), await packages.installedLocks());
  }
  for (const one of startupPkgs) {
    try {
      const lock = await packages.prepareRequirements(STARTUP, [one]);
      await cache?.keep(lock);
    } catch (error) {
      log.error({ err: error, package: one }, 'one of startup_pkgs is not there');
    }
  }
}
