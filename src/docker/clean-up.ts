import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClaimRecord } from '../cluster/claims.ts';
import { clusterPaths } from '../cluster/paths.ts';
import { loadConfig } from '../config/load.ts';
import { isOlError } from '../errors.ts';
import { dockerSocket, openDocker } from './client.ts';
import { type Owner, removeContainers } from './containers.ts';

/** What is left of a dead worker where no daemon answers any more: nobody can tell, or end it. */
export type OnUnreachable = (socket: string) => void;

/** Removes the containers of a worker that was killed, as its claim names them. Where its daemon is gone, so are they. */
export async function removeContainersOf(
  claim: Pick<ClaimRecord, 'cluster' | 'workerDir' | 'dockerSocket'>,
): Promise<void> {
  const { cluster, workerDir: worker, dockerSocket: socket } = claim;
  if (socket != null) await removeAt(socket, { cluster, worker }, () => {});
}

/**
 * Removes every container that carries the label of the cluster, whichever worker made it: with the daemons that its
 * configs name. So what was left before a reboot, which no claim outlives, goes as well.
 */
export async function removeContainersOfCluster(
  cluster: string,
  onUnreachable: OnUnreachable,
): Promise<void> {
  for (const socket of await dockerSocketsOf(cluster)) await removeAt(socket, { cluster }, onUnreachable);
}

/** The daemons that the template and the workers' configs name. */
export async function dockerSocketsOf(cluster: string): Promise<string[]> {
  const { config } = clusterPaths(cluster);
  const names = await readdir(config).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []; // the cluster's directory was removed while it ran
    throw error;
  });
  const files = names.filter((name) => /^(template|worker-\d+)\.json$/.test(name));
  return [...new Set(files.map((name) => socketIn(join(config, name))).filter((one) => one !== null))];
}

/** Null where it is not for `docker`, or can't be read any more. */
function socketIn(file: string): string | null {
  try {
    const { sandbox, dockerSocket: configured } = loadConfig(file);
    return sandbox === 'docker' ? dockerSocket(configured, process.env) : null;
  } catch (error) {
    if (isOlError(error, 'ERR_CONFIG_INVALID') || isOlError(error, 'ERR_DOCKER_HOST')) return null;
    throw error;
  }
}

async function removeAt(socket: string, owner: Owner, onUnreachable: OnUnreachable): Promise<void> {
  try {
    await removeContainers(await openDocker(socket), owner);
  } catch (error) {
    if (!isOlError(error, 'ERR_DOCKER_UNREACHABLE')) throw error;
    onUnreachable(socket);
  }
}
