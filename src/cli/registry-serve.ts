import { rm } from 'node:fs/promises';
import { readTemplate, setTemplate } from '../cluster/config-file.ts';
import { takeInput } from '../cluster/input.ts';
import { type ClusterPaths, openCluster } from '../cluster/paths.ts';
import { takeReadyChannel } from '../cluster/ready.ts';
import {
  makeRegistryKeys,
  parseRegistryConfig,
  type RegistryConfig,
  type RegistryOptions,
  readRegistryConfig,
  settleRegistryConfig,
  writeRegistryConfig,
} from '../cluster/registry-config.ts';
import { checkNotRunning } from '../cluster/registry-launch.ts';
import { workerUrl } from '../cluster/url.ts';
import { writeFileAtomic } from '../linux/durable.ts';
import { takeServiceManager } from '../linux/service-manager.ts';
import { startS3Server } from '../s3/server.ts';
import { type Log, serviceLog } from '../telemetry/log.ts';
import { supervised } from './supervised.ts';
import { untilAsked } from './until-asked.ts';

/** How long requests may go on when it is told to end. */
const GRACE_MS = 10_000;

/** Serves the registry of a cluster in this process until it is told to end. */
export async function serveRegistry(cluster: string, asked: RegistryOptions): Promise<void> {
  const channel = takeReadyChannel(process.env);
  const manager = takeServiceManager(process.env);
  const handed = takeInput(process.env);
  const end = untilAsked();
  const log = serviceLog('info');
  try {
    const paths = await openCluster(cluster);
    await checkNotRunning(paths);
    const config =
      handed === null ? await settle(paths, asked, log) : parseRegistryConfig(handed, paths.registryConfig);
    const server = await serve(paths, config, log);
    const url = workerUrl(config.host, server.port);
    log.info({ url, pid: process.pid, dir: paths.registryData }, 'ready');
    channel.ready(server.port);
    const service = supervised(manager, log);
    service.ready(url);
    const signal = await end;
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

/** A log is no place for keys: where new ones are made, it says where they are. */
async function settle(paths: ClusterPaths, asked: RegistryOptions, log: Log): Promise<RegistryConfig> {
  const before = await readRegistryConfig(paths);
  const { config, newKeys } = settleRegistryConfig(before, asked, makeRegistryKeys());
  const made = Object.keys(newKeys);
  if (made.length > 0) log.info({ made, file: paths.registryConfig }, 'new keys: the file has them');
  return config;
}

/** Listens, and then writes down where and with which keys, for the next start and for the workers. */
async function serve(paths: ClusterPaths, config: RegistryConfig, log: Log) {
  const { registry_bucket: bucket } = (await readTemplate(paths)).checked;
  const server = await startS3Server({ ...config, dir: paths.registryData, buckets: [bucket], log });
  try {
    const keys = {
      registry: 'remote',
      registry_server: new URL(workerUrl(config.host, server.port)).host,
      registry_access_key: config.accessKey,
      registry_secret_key: config.secretKey,
    };
    await setTemplate(paths.root, JSON.stringify(keys));
    await writeRegistryConfig(paths, { ...config, port: server.port });
    await writeFileAtomic(paths.registryPid, `${process.pid}\n`);
    return server;
  } catch (error) {
    // It would keep this process from ending.
    await server.close(0);
    throw error;
  }
}
