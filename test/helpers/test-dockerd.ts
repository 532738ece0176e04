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
import { isStillThere, listProcesses } from './processes.ts';
import { makeTestDir, removeEmptyRoot } from './test-root.ts';

const CGROUP_ROOT = '/sys/fs/cgroup';
/** What a daemon has that is to leave the machine's network alone. */
const NO_BRIDGE = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--ip-forward=false'];
let started = 0;
/** Of the images of tests. */
export const TEST_IMAGE = 'openlambda/test';

/** Why no test can have a daemon here; null where each can. */
export const NO_DOCKER: string | null =
  findDockerd() === null
    ? 'dockerd is not installed here: the full matrix sees to it (setup/docker.mjs), or install docker.io'
    : null;

/** A network that a daemon may do with as it likes: that of a machine of the test's own. */
export interface DaemonNetwork {
  /** The words before a program's that is to be in it. */
  readonly into: readonly string[];
  /** The address of the daemon's bridge, and its range: `172.30.99.1/24`. */
  readonly bridge: string;
}

/**
 * A Docker daemon of this file's tests alone, with the default image as TEST_IMAGE. Its mounts are in a mount namespace of its own,
 * and go with it. It leaves the machine's network alone, unless it is given one.
 */
export class TestDockerd implements AsyncDisposable {
  readonly dir: string;
  readonly socket: string;
  /** Its name is known to what looks for groups that tests have left. */
  readonly #cgroup = `openlambda-dockerd-${process.pid}-${++started}`;
  readonly #program: string;
  readonly #network: DaemonNetwork | null;
  #child: ChildProcess;

  static async start(network: DaemonNetwork | null = null): Promise<TestDockerd> {
    const program = findDockerd();
    if (program === null) throw new Error(NO_DOCKER ?? 'dockerd went away');
    const dir = await makeTestDir();
    const one = new TestDockerd(dir, program, network);
    try {
      await one.#ready();
      return one;
    } catch (error) {
      await one[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(dir: string, program: string, network: DaemonNetwork | null) {
    this.dir = dir;
    this.#network = network;
    this.socket = join(dir, 'docker.sock');
    this.#program = program;
    this.#child = this.#spawn();
  }

  #spawn(): ChildProcess {
    const { dir } = this;
    const log = openSync(join(dir, 'log'), 'a');
    const own = ['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec')];
    const listen = ['--host', `unix://${this.socket}`, '--pidfile', join(dir, 'pid')];
    const { into = [], bridge = null } = this.#network ?? {};
    const network = bridge === null ? NO_BRIDGE : [`--bip=${bridge}`];
    const apart = ['unshare', '--mount', '--propagation', 'slave'];
    const program = [this.#program, ...listen, ...own, ...network, '--cgroup-parent', `/${this.#cgroup}`];
    const words = ['--pdeathsig', 'TERM', ...into, ...apart, ...program];
    // Its helper leaves its stacks in there where it was slow to answer.
    const env = { ...process.env, TMPDIR: dir };
    const child = spawn('setpriv', words, { env, stdio: ['ignore', log, log] });
    closeSync(log);
    return child;
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

  /** One that has crashed, with what it had. */
  async restart(): Promise<void> {
    // Its helper died with it, which it does not believe where nobody reaps orphans.
    await rm(join(this.dir, 'exec', 'containerd', 'containerd.pid'), { force: true });
    this.#child = this.#spawn();
    await this.#answers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGTERM');
    await this.#endShims();
    await removeGroups(this.#cgroup);
    await rm(this.dir, { recursive: true });
    await removeEmptyRoot();
  }

  async #ready(): Promise<void> {
    await importMachine(await this.#answers(), TEST_IMAGE);
  }

  async #answers(): Promise<Daemon> {
    return await until('Docker daemon', async () => {
      if (this.#child.exitCode !== null)
        throw new Error(`dockerd ended: ${await readFile(join(this.dir, 'log'), 'utf8')}`);
      return await this.open().catch(ifNotYet);
    });
  }

  /** After a crash the daemon's helpers live on, one for each container, and what they look after. */
  async #endShims(): Promise<void> {
    const shims = listProcesses().filter(({ command }) => command.includes(this.dir));
    for (const { pid } of shims) process.kill(pid, 'SIGKILL');
    await until('end of the daemon’s helpers', () => !shims.some(isStillThere));
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

/** The daemon leaves the group above those of its containers, in every hierarchy; one that has crashed, these too. */
async function removeGroups(group: string): Promise<void> {
  for (const place of ['.', ...(await readdir(CGROUP_ROOT))]) {
    const dir = join(CGROUP_ROOT, place, group);
    const below = await readdir(dir, { withFileTypes: true }).catch(ifMissing);
    for (const entry of below ?? []) if (entry.isDirectory()) await rmdir(join(dir, entry.name));
    await rmdir(dir).catch(ifMissing);
  }
}

function ifMissing(error: NodeJS.ErrnoException): null {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
  return null;
}
