import { rm } from 'node:fs/promises';
import { fillTemplate } from '../cluster/config-file.ts';
import { openCluster } from '../cluster/paths.ts';
import { takeReadyChannel } from '../cluster/ready.ts';
import { type RegistryFlags, settleRegistryConfig, writeRegistryConfig } from '../cluster/registry-config.ts';
import { checkNotRunning } from '../cluster/registry-launch.ts';
import { workerUrl } from '../cluster/url.ts';
import { checkConfig } from '../config/check.ts';
import { writeFileAtomic } from '../linux/durable.ts';
import { takeServiceManager } from '../linux/service-manager.ts';
import { startS3Server } from '../s3/server.ts';
import { createLog } from '../telemetry/log.ts';
import { supervised } from './supervised.ts';
import { untilAsked } from './until-asked.ts';

/** How long requests may go on when it is told to end. */
const GRACE_MS = 10_000;

/** Serves the registry of a cluster in this process until it is told to end. */
export async function serveRegistry(cluster: string, flags: RegistryFlags): Promise<void> {
  const channel = takeReadyChannel(process.env);
  const manager = takeServiceManager(process.env);
  const asked = untilAsked();
  try {
    const paths = await openCluster(cluster);
    await checkNotRunning(paths);
    const { config } = await settleRegistryConfig(paths, flags);
    const log = createLog('info');
    const { registry_bucket: bucket } = checkConfig(await fillTemplate(paths, {}), paths.template);
    const server = await startS3Server({ ...config, dir: paths.registryData, buckets: [bucket], log });
    await writeRegistryConfig(paths, { ...config, port: server.port });
    await writeFileAtomic(paths.registryPid, `${process.pid}\n`);
    const url = workerUrl(config.host, server.port);
    await fillTemplate(paths, {
      registry: 'remote',
      registry_server: new URL(url).host,
      registry_access_key: config.accessKey,
      registry_secret_key: config.secretKey,
    });
    log.info({ url, pid: process.pid, dir: paths.registryData }, 'ready');
    channel.ready(server.port);
    const service = supervised(manager, log);
    service.ready(url);
    const signal = await asked;
    log.info({ signal }, 'ending: requests may finish; once more ends at once');
    service.stopping();
    await server.close(GRACE_MS);
    await rm(paths.registryPid, { force: true });
    log.info('ended');
  } catch (error) {
    channel.failed(error);
    throw error;
  }
}
