import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findDockerd } from '../../setup/docker.mjs';
import { buildImage, importMachine } from '../../src/docker/build-image.ts';
import { type Daemon, openDocker } from '../../src/docker/client.ts';
import { isOlError } from '../../src/errors.ts';
import { until } from './poll.ts';
import { makeTestDir, removeEmptyRoot } from './test-root.ts';

const CGROUP_ROOT = '/sys/fs/cgroup';
/** Its name is known to what looks for groups that tests have left. */
const CGROUP = `openlambda-dockerd-${process.pid}`;
/** Of the images of tests. */
export const TEST_IMAGE = 'openlambda/test';

/** Why no test can have a daemon here; null where each can. */
export const NO_DOCKER: string | null =
  findDockerd() === null
    ? 'dockerd is not installed here: the full matrix sees to it (setup/docker.mjs), or install docker.io'
    : null;

/**
 * A Docker daemon of this file's tests alone, with the default image as TEST_IMAGE. Its mounts are in a mount namespace of its own,
 * and go with it. It leaves the machine's network alone.
 */
export class TestDockerd implements AsyncDisposable {
  readonly dir: string;
  readonly socket: string;
  readonly #child: ChildProcess;

  static async start(): Promise<TestDockerd> {
    const program = findDockerd();
    if (program === null) throw new Error(NO_DOCKER ?? 'dockerd went away');
    const dir = await makeTestDir();
    const one = new TestDockerd(dir, program);
    try {
      await one.#ready();
      return one;
    } catch (error) {
      await one[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(dir: string, program: string) {
    this.dir = dir;
    this.socket = join(dir, 'docker.sock');
    const log = openSync(join(dir, 'log'), 'a');
    const own = ['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec')];
    const listen = ['--host', `unix://${this.socket}`, '--pidfile', join(dir, 'pid')];
    const alone = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--ip-forward=false'];
    const apart = ['--pdeathsig', 'TERM', 'unshare', '--mount', '--propagation', 'slave'];
    const words = [...apart, program, ...listen, ...own, ...alone, '--cgroup-parent', `/${CGROUP}`];
    this.#child = spawn('setpriv', words, { stdio: ['ignore', log, log] });
    closeSync(log);
  }

  open(): Promise<Daemon> {
    return openDocker(this.socket);
  }

  /** An image from a Dockerfile and what is beside it. */
  async build(image: string, files: Readonly<Record<string, string>>): Promise<void> {
    const context = await mkdtemp(join(this.dir, 'context-'));
    for (const [name, text] of Object.entries(files)) await writeFile(join(context, name), text);
    await buildImage(await this.open(), image, join(context, 'Dockerfile'), () => {});
  }

  /** Without a farewell, as in a crash; containers live on. */
  async crash(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGTERM');
    await removeGroups();
    await rm(this.dir, { recursive: true });
    await removeEmptyRoot();
  }

  async #ready(): Promise<void> {
    const daemon = await until('Docker daemon', async () => {
      if (this.#child.exitCode !== null)
        throw new Error(`dockerd ended: ${await readFile(join(this.dir, 'log'), 'utf8')}`);
      return await this.open().catch(ifNotYet);
    });
    await importMachine(daemon, TEST_IMAGE);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await ended;
  }
}

function ifNotYet(error: unknown): null {
  if (isOlError(error, 'ERR_DOCKER_UNREACHABLE')) return null;
  throw error;
}

/** The daemon leaves the group above those of its containers, in every hierarchy. */
async function removeGroups(): Promise<void> {
  for (const name of await readdir(CGROUP_ROOT)) {
    await rmdir(join(CGROUP_ROOT, name, CGROUP)).catch(ifMissing);
  }
  await rmdir(join(CGROUP_ROOT, CGROUP)).catch(ifMissing);
}

function ifMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}
