import { get } from 'node:http';
import type { ClusterPaths } from './paths.ts';
import { readPidFile } from './pid-file.ts';
import { readRegistryConfig } from './registry-config.ts';
import { registryService } from './service.ts';
import { workerUrl } from './url.ts';

/** The registry of a cluster that runs here, or has ended without being told to. */
export interface RegistryReport {
  readonly pid: number | null;
  readonly url: string;
  readonly log: string;
  /** Null where it answers. */
  readonly error: string | null;
}

const PING_MS = 5000;

/** The state of a cluster's registry; null where none was started here, or it was ended by `kill`. */
export async function registryReport(paths: ClusterPaths): Promise<RegistryReport | null> {
  const service = registryService(paths);
  const file = await readPidFile(service);
  if (file.kind === 'none') return null;
  const config = await readRegistryConfig(paths);
  const url = config === null ? 'registry' : workerUrl(config.host, config.port);
  if (file.kind === 'stale') return { pid: null, url, log: service.log, error: 'it has ended' };
  // A first start writes down where it serves once it does.
  const error = config === null ? 'it is starting' : await ping(url);
  return { pid: file.process.pid, url, log: service.log, error };
}

/** Any answer will do: it says nothing to who does not sign. */
function ping(url: string): Promise<string | null> {
  return new Promise((resolve) => {
    const request = get(url, { timeout: PING_MS }, (response) => {
      response.resume();
      resolve(null);
    });
    request.on('timeout', () => request.destroy(new Error(`silent for ${PING_MS} ms`)));
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
