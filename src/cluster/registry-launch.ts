import { rm } from 'node:fs/promises';
import { OlError } from '../errors.ts';
import { type ClusterPaths, openCluster } from './paths.ts';
import { readPidFile } from './pid-file.ts';
import { checkPortFree, portTaken } from './port.ts';
import {
  makeRegistryKeys,
  type RegistryConfig,
  type RegistryKeys,
  type RegistryOptions,
  readRegistryConfig,
  registryConfigText,
  settleRegistryConfig,
} from './registry-config.ts';
import { registryService } from './service.ts';
import { spawnService } from './spawn.ts';
import { workerUrl } from './url.ts';

export interface StartedRegistry {
  readonly pid: number;
  readonly url: string;
  readonly log: string;
  /** Those that were made by this start: nobody has seen them yet. */
  readonly newKeys: Partial<RegistryKeys>;
}

const READY_MS = 30_000;

/**
 * Starts the registry of a cluster in the background and returns when it answers; by then the template names it, and what it
 * was started with is written down. A start that fails writes nothing, so that the next one is not led astray and no key is
 * kept that nobody has seen. Throws ERR_REGISTRY_RUNNING, ERR_PORT_HELD, ERR_PORT_TAKEN, ERR_REGISTRY_FAILED.
 */
export async function startRegistry(cluster: string, asked: RegistryOptions): Promise<StartedRegistry> {
  const paths = await openCluster(cluster);
  const { withDirLock } = await import('../linux/dir-lock.ts');
  return await withDirLock(paths.logs, 5000, async () => {
    await checkNotRunning(paths);
    const before = await readRegistryConfig(paths);
    const { config, newKeys } = settleRegistryConfig(before, asked, makeRegistryKeys());
    await checkPortFree(config.port, config.host);
    const { pid, port } = await start(paths, config);
    return { pid, url: workerUrl(config.host, port), log: paths.registryLog, newKeys };
  });
}

/** Throws ERR_REGISTRY_RUNNING where the registry of this cluster runs, and this process is not it. */
export async function checkNotRunning(paths: ClusterPaths): Promise<void> {
  const file = await readPidFile(registryService(paths));
  if (file.kind !== 'running' || file.process.pid === process.pid) return;
  throw new OlError('ERR_REGISTRY_RUNNING', { cluster: paths.root, pid: file.process.pid });
}

async function start(paths: ClusterPaths, config: RegistryConfig) {
  const service = registryService(paths);
  const spawned = await spawnService(service, registryConfigText(config));
  const outcome = await spawned.outcome(READY_MS);
  if (outcome.ready) return { pid: spawned.pid, port: outcome.port };
  await rm(service.pid, { force: true });
  if (outcome.code === 'ERR_PORT_TAKEN') throw await portTaken(config.port, config.host);
  throw new OlError('ERR_REGISTRY_FAILED', { reason: outcome.reason });
}
