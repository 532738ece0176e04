import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readlinkSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { describe, test } from 'vitest';
import { findNft } from '../../src/network/nft.ts';
import { until } from './poll.ts';

const run = promisify(execFile);
const FIXTURES = join(import.meta.dirname, '../fixtures');
const CLI = join(import.meta.dirname, '../../src/cli/main.ts');
const PYTHON = '/usr/bin/python3';
const TOOLS = ['ip', 'nsenter', 'unshare', 'mount'];

/** Why no test can have a machine of its own here; null where each can. */
export const NO_MACHINE: string | null = whyNoMachine();

function whyNoMachine(): string | null {
  if (findNft() === null) return 'nft is not installed here: `npm test` sees to it (setup/nft.mjs)';
  const dirs = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  const missing = TOOLS.filter((tool) => !dirs.some((dir) => existsSync(join(dir, tool))));
  return missing.length > 0 ? `not installed here: ${missing.join(', ')} (iproute2, util-linux)` : null;
}

/** As `describe`, for tests that need such a machine; where there can be none it says so. */
export function describeWithMachine(title: string, tests: () => void): void {
  describe(title, () => {
    if (NO_MACHINE !== null) return test('runs', ({ skip }) => skip(NO_MACHINE ?? ''));
    tests();
  });
}

/** What the machine's own addresses are, beyond loopback. */
export const MACHINE_ADDRESSES = ['203.0.113.1', '192.168.77.1'];
/** A host outside, which is at a public address, at those of a private network, and where clouds have their metadata. */
export const OUTSIDE = {
  public: '203.0.113.2',
  otherPublic: '198.51.100.7',
  private: ['10.77.0.7', '172.16.77.7', '192.168.77.7', '100.64.77.7'],
  metadata: '169.254.169.254',
};
export const PORT = 7077;
/** Where a worker listens in it. */
export const WORKER = 8080;

/** What a machine can be without. */
export interface Lacks {
  /** A program that can't be run. */
  readonly program?: string | null;
  /** A file that can't be written to. */
  readonly writable?: string;
}

/**
 * A machine of a test's own: a network namespace with a firewall, addresses and name server, and beside it another one, which is
 * all there is outside. Nothing of it touches the network of the machine that it runs on.
 */
export class TestMachine implements AsyncDisposable {
  readonly #dir: string;
  /** What keep the network namespaces of the machine and of the outside. */
  readonly #holders: ChildProcess[] = [];
  readonly #servers: ChildProcess[] = [];

  /** `dir` is for files of it. */
  static async start(dir: string): Promise<TestMachine> {
    const machine = new TestMachine(dir);
    try {
      await machine.#make();
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** The words before those of a program that is to run on it. */
  get into(): string[] {
    return ['nsenter', ...this.#words([], {})];
  }

  /** What a program prints that runs on it. */
  async run(argv: readonly string[], lacks: Lacks = {}): Promise<string> {
    const { stdout } = await run('nsenter', this.#words(argv, lacks), { maxBuffer: 2 ** 24 });
    return stdout;
  }

  /** Runs `admin` on it. */
  async admin(...args: readonly string[]): Promise<string> {
    return await this.run([process.execPath, CLI, ...args]);
  }

  /** The same, on a machine that lacks something. */
  async adminWithout(lacks: Lacks, ...args: readonly string[]): Promise<string> {
    return await this.run([process.execPath, CLI, ...args], lacks);
  }

  /** What a function returned. */
  async call<T = unknown>(port: number, name: string, payload: unknown): Promise<T> {
    const words = [
      PYTHON,
      '-I',
      join(FIXTURES, 'call-worker.py'),
      String(port),
      name,
      JSON.stringify(payload),
    ];
    const { status, body } = JSON.parse(await this.run(words)) as { status: number; body: string };
    if (status !== 200) throw new Error(`${name} answered ${status}: ${body}`);
    return JSON.parse(body) as T;
  }

  /** What a server answers that this machine itself asks. */
  async reach(host: string, port: number): Promise<string> {
    const code =
      'import socket,sys\nc=socket.create_connection((sys.argv[1],int(sys.argv[2])),5)\nc.sendall(b"hello")\nprint(c.recv(99).decode())';
    return await this.run([PYTHON, '-I', '-c', code, host, String(port)]);
  }

  /** Its tables, sorted: nft lists them as they were made. */
  async tables(): Promise<string[]> {
    return (await this.run(['nft', 'list', 'tables'])).trim().split('\n').filter(Boolean).sort();
  }

  /** The names of its links. */
  async links(): Promise<string[]> {
    const links = JSON.parse(await this.run(['ip', '-j', 'link'])) as { ifname: string }[];
    return links.map(({ ifname }) => ifname).sort();
  }

  /** What a setting in /proc/sys/net is. */
  async setting(path: string): Promise<string> {
    return (await this.run(['cat', `/proc/sys/net/${path}`])).trim();
  }

  async set(path: string, value: string): Promise<void> {
    await this.run(['sh', '-c', 'echo "$0" > "$1"', value, `/proc/sys/net/${path}`]);
  }

  /** Serves on it, or outside, until it is disposed of. */
  async serve(
    where: 'machine' | 'outside',
    listen: readonly (readonly [string, number])[],
    dns: boolean,
  ): Promise<void> {
    const wanted = JSON.stringify({ listen, dns: dns ? ['127.0.0.53', 53] : null });
    const words = [PYTHON, '-I', join(FIXTURES, 'network-host.py'), wanted];
    await this.#spawn(where, words, /^ready$/);
  }

  /** A package index of the files below a directory, on its loopback. */
  async serveFiles(dir: string, port: number): Promise<void> {
    const words = [
      PYTHON,
      '-I',
      '-u',
      '-m',
      'http.server',
      '--bind',
      '127.0.0.1',
      '--directory',
      dir,
      String(port),
    ];
    await this.#spawn('machine', words, /^Serving/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [...this.#servers, ...this.#holders]) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
  }

  async #make(): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    await writeFile(join(this.#dir, 'resolv.conf'), 'nameserver 127.0.0.53\n');
    const [here, there] = [await this.#hold(), await this.#hold()];
    await ip(here, 'link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'lan', 'netns', String(there));
    await ip(here, 'address', 'add', '203.0.113.1/24', 'dev', 'wan');
    await ip(here, 'address', 'add', '192.168.77.1/24', 'dev', 'wan');
    await ip(here, 'address', 'add', '2001:db8::1/64', 'dev', 'wan', 'nodad');
    await ip(there, 'address', 'add', '203.0.113.2/24', 'dev', 'lan');
    await ip(there, 'address', 'add', '2001:db8::2/64', 'dev', 'lan', 'nodad');
    for (const address of [OUTSIDE.otherPublic, ...OUTSIDE.private, OUTSIDE.metadata])
      await ip(there, 'address', 'add', `${address}/32`, 'dev', 'lo');
    for (const link of ['lo', 'wan']) await ip(here, 'link', 'set', link, 'up');
    for (const link of ['lo', 'lan']) await ip(there, 'link', 'set', link, 'up');
    await ip(here, 'route', 'add', 'default', 'via', '203.0.113.2');
    // On the machine's own network, but not a neighbour of it that would be asked for by ARP.
    await ip(here, 'route', 'add', '192.168.77.7', 'via', '203.0.113.2');
    const everywhere = [OUTSIDE.public, OUTSIDE.otherPublic, ...OUTSIDE.private, OUTSIDE.metadata];
    await this.serve(
      'outside',
      [...everywhere, '2001:db8::2'].map((host) => [host, PORT] as const),
      false,
    );
    // All addresses at once: those of a link that is made later, too.
    await this.serve('machine', [['0.0.0.0', PORT]], true);
  }

  /** A new network namespace; the pid of what keeps it. */
  async #hold(): Promise<number> {
    const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
    this.#holders.push(holder);
    await once(holder, 'spawn');
    const own = readlinkSync('/proc/self/ns/net');
    await until('network namespace', () => readlinkSync(`/proc/${holder.pid}/ns/net`) !== own);
    return holder.pid ?? 0;
  }

  async #spawn(where: 'machine' | 'outside', argv: readonly string[], ready: RegExp): Promise<void> {
    const words = where === 'machine' ? this.#words(argv, {}) : [...intoNetwork(this.#holders[1]), ...argv];
    const server = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#servers.push(server);
    let isReady = false;
    createInterface({ input: server.stdout as Readable }).on('line', (line) => {
      isReady ||= ready.test(line);
    });
    await until(`server ${argv.join(' ')}`, () => {
      if (server.exitCode !== null) throw new Error(`${argv.join(' ')} ended with ${server.exitCode}`);
      return isReady;
    });
  }

  /** In a mount namespace of its own, where it has another name server. */
  #words(argv: readonly string[], { program = null, writable = '' }: Lacks): string[] {
    const script =
      'set -e; mount --bind "$1" /etc/resolv.conf; if [ -n "$2" ]; then mount --bind /dev/null "$2"; fi; ' +
      'if [ -n "$3" ]; then mount --bind "$3" "$3"; mount -o remount,bind,ro "$3"; fi; shift 3; exec "$@"';
    const apart = [...intoNetwork(this.#holders[0]), 'unshare', '--mount', '--propagation', 'slave'];
    const files = [join(this.#dir, 'resolv.conf'), program ?? '', writable];
    return [...apart, 'sh', '-c', script, 'sh', ...files, ...argv];
  }
}

function intoNetwork(holder: ChildProcess | undefined): string[] {
  return ['--target', String(holder?.pid), '--net'];
}

async function ip(pid: number, ...args: readonly string[]): Promise<void> {
  await run('nsenter', ['--target', String(pid), '--net', 'ip', ...args]);
}
