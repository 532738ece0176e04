import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { BucketConfig } from '../../src/config/load.ts';
import { CLI } from '../integration/run-admin.ts';
import type { TestCluster } from './cluster.ts';

const KEYS = { accessKey: 'test-access', secretKey: 'test-secret' };

/** `admin registry` of a cluster, as a process that a test may kill. */
export class RegistryProcess implements AsyncDisposable {
  readonly bucket: BucketConfig;
  /** Where it keeps everything. */
  readonly dir: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;

  /** Starts it on a free port, and waits until it answers. */
  static async start(cluster: TestCluster): Promise<RegistryProcess> {
    const { root } = cluster.paths;
    const env = {
      ...process.env,
      OL_REGISTRY_ACCESS_KEY: KEYS.accessKey,
      OL_REGISTRY_SECRET_KEY: KEYS.secretKey,
    };
    const args = [CLI, 'registry', '--foreground', `--cluster=${root}`, '--port=0'];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const exit = once(child, 'exit');
    let log = '';
    for await (const data of child.stdout) {
      log += data;
      const url = /"url":"([^"]+)".*"msg":"ready"/.exec(log)?.[1];
      if (url === undefined) continue;
      // Read on, or it waits when the pipe is full.
      child.stdout.resume();
      return new RegistryProcess(child, exit, url, join(cluster.paths.registryData));
    }
    throw new Error(`the registry has ended: ${log}`);
  }

  private constructor(child: ChildProcess, exit: Promise<unknown>, server: string, dir: string) {
    this.#child = child;
    this.#exit = exit;
    this.bucket = { ...KEYS, server, bucket: 'registry', region: 'us-east-1' };
    this.dir = dir;
  }

  /** As `kill -9` does; waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
