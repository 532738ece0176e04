import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Claim, UIDS_PER_WORKER, uidBase } from '../cluster/claims.ts';
import { realpathOf } from '../cluster/paths.ts';
import type { Config } from '../config/load.ts';
import { dockerSocket, openDocker } from '../docker/client.ts';
import { removeContainers } from '../docker/containers.ts';
import { makeEmpty } from '../linux/remove-tree.ts';
import { DockerEngine } from '../sandbox/docker/engine.ts';
import type { Log } from '../telemetry/log.ts';

/** What Docker calls it. */
const NETWORKS = { none: 'none', nat: 'bridge', host: 'host' } as const;

const RUNTIME = fileURLToPath(new URL('../../runtime/python', import.meta.url));

/**
 * The part of a worker that makes containers; those that an earlier worker of the same directory left go first. Throws
 * ERR_DOCKER_UNREACHABLE, ERR_DOCKER_PERMISSION, ERR_DOCKER_HOST, ERR_DOCKER_IMAGE, ERR_DOCKER.
 */
export async function createDockerEngine(
  config: Config,
  claim: Claim,
  { memPoolMb, log }: { readonly memPoolMb: number; readonly log: Log },
): Promise<DockerEngine> {
  const socket = dockerSocket(config.dockerSocket, process.env);
  await claim.update({ dockerSocket: socket });
  const daemon = await openDocker(socket);
  const owner = { cluster: await realpathOf(config.clusterDir), worker: await realpathOf(config.workerDir) };
  const removed = await removeContainers(daemon, owner);
  log.info({ socket, image: config.dockerImage, removed }, 'docker');
  noteImportCache(config, log);
  noteNetwork(config, log);
  const handlersDir = await emptied(join(config.workerDir, 'handlers'));
  const sparesDir = await emptied(join(config.workerDir, 'spares'));
  const { memLimitMb, procsMax, cpuPercent, fileMaxMb, scratchMaxMb, scratchMaxFiles } = config;
  return await DockerEngine.start({
    daemon,
    image: config.dockerImage,
    owner,
    runtimeDir: RUNTIME,
    packagesDir: await realpathOf(config.pkgsDir),
    handlersDir,
    sparesDir,
    spares: config.spareSandboxes,
    uids: { base: uidBase(claim.slot), count: UIDS_PER_WORKER },
    sandboxConfig: config.sandboxConfig,
    network: NETWORKS[config.network ?? 'none'],
    tmpMaxMb: config.tmpMaxMb,
    openFilesMax: config.openFilesMax,
    bounds: { memLimitMb, memPoolMb, procsMax, cpuPercent, fileMaxMb, scratchMaxMb, scratchMaxFiles },
    installFileMaxMb: config.installMaxMb,
    log,
  });
}

/** A tree that somebody asked for is refused with the config; the size has a default, which nobody asked for. */
function noteImportCache({ importCacheKb, startupPkgs }: Config, log: Log): void {
  if (importCacheKb > 0) log.info('the import cache belongs to sock: import_cache_size is not used');
  if (startupPkgs.length > 0)
    log.warn({ startupPkgs }, 'startup_pkgs are installed, and not kept imported: that takes sock');
}

function noteNetwork({ network }: Config, log: Log): void {
  if (network === 'nat')
    log.warn(
      'containers are on the bridge of the Docker daemon, which is less than the nat of sock: they reach services of this machine that ' +
        'listen beyond its loopback, private networks, metadata of the cloud, and each other (docs/engines.md)',
    );
  if (network === 'host')
    log.warn(
      'containers share the network of this machine, and reach all that listens on it: this is unsafe',
    );
}

async function emptied(dir: string): Promise<string> {
  await makeEmpty(dir);
  return await realpathOf(dir);
}
