import { join } from 'node:path';
import type { Config } from '../config/load.ts';
import { findUv } from '../packages/find-uv.ts';
import { Installer } from '../packages/installer.ts';
import { STARTUP } from '../packages/inventory.ts';
import { PackageManager, type Packages } from '../packages/packages.ts';
import { PackageStore } from '../packages/store.ts';
import type { WorkshopEngine } from '../sandbox/workshop.ts';
import type { Log } from '../telemetry/log.ts';

/** Processes of a build, and the threads of uv. */
const INSTALL_PROCS_MAX = 512;
const INSTALL_FILES_MAX = 1_000_000;

/** The part of a worker that has packages installed, and those of `startup_pkgs` at once. */
export async function createPackages(config: Config, engine: WorkshopEngine, log: Log): Promise<Packages> {
  const store = await PackageStore.open(config.pkgsDir);
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
  const packages = new PackageManager({
    store,
    installer: new Installer({ engine, store, workroom, bounds, timeoutMs, log }),
    interpreter: () => engine.interpreter,
    retryMs: config.installRetryMs,
    // Another one may resolve, install wheels and build.
    waitMs: 3 * timeoutMs,
    log,
  });
  installAtStart(config, packages, log);
  return packages;
}

/** Nobody waits for them: a worker whose index is down serves what it can. */
function installAtStart({ startupPkgs }: Config, packages: Packages, log: Log): void {
  if (startupPkgs.length === 0) return;
  packages.prepareRequirements(STARTUP, startupPkgs).catch((error: unknown) => {
    log.error({ err: error }, 'startup_pkgs are not there');
  });
}
