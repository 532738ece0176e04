import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

export const ROOT = join(import.meta.dirname, '..', '..');

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs this Node on `argv` in `cwd`; `ended` tells how it went, `kill` and `printed` are for tests that interfere. */
export function startNode(argv: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}) {
  const { CI: _, FORCE_COLOR: __, ...inherited } = process.env;
  const child = spawn(process.execPath, argv, { cwd, env: { ...inherited, ...env } });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  const ended = once(child, 'close').then(([status, signal]): Ended => ({ status, signal, ...text }));
  const printed = async (words: string): Promise<void> => {
    while (!text.stdout.includes(words)) await once(child.stdout, 'data');
  };
  return { ended, printed, kill: (signal: NodeJS.Signals) => child.kill(signal) };
}

/** A checkout of two tiny packages, `alpha` and (for development) `beta`, that come from a server in this process. */
export class TinyCheckout {
  readonly dir: string;
  /** The paths that were asked for, in order. */
  readonly requests: string[] = [];
  /** Answers are held back while this is set. */
  stalled = false;
  broken = false;
  readonly #server: Server;

  private constructor(dir: string, server: Server) {
    this.dir = dir;
    this.#server = server;
  }

  static async make(): Promise<TinyCheckout> {
    const dir = await mkdtemp(join(tmpdir(), 'openlambda-checkout-'));
    await cp(join(ROOT, 'setup'), join(dir, 'setup'), {
      recursive: true,
      // Without the pin of uv there is nothing to fetch but what this server has.
      filter: (source) => !source.includes('node_modules') && !source.endsWith('/uv'),
    });
    const server = createServer();
    const checkout = new TinyCheckout(dir, server);
    server.on('request', (request, response) => {
      checkout.requests.push(request.url ?? '');
      if (checkout.stalled) return;
      if (checkout.broken) response.writeHead(404).end();
      else void readFile(join(dir, 'tarballs', `.${request.url}`)).then((body) => response.end(body));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    await checkout.#writeLock((server.address() as AddressInfo).port);
    await checkout.writeScript('console.log("ran", ...process.argv.slice(2));');
    return checkout;
  }

  /** What `node setup/run.mjs test` ends in. */
  async writeScript(code: string): Promise<void> {
    await mkdir(join(this.dir, 'test'), { recursive: true });
    await writeFile(join(this.dir, 'test', 'run.ts'), code);
  }

  run(...args: string[]) {
    const env = { npm_config_cache: join(this.dir, 'npm-cache'), npm_config_fetch_retries: '0' };
    return startNode(['setup/run.mjs', ...args], this.dir, env);
  }

  async remove(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.dir, { recursive: true });
  }

  async #writeLock(port: number): Promise<void> {
    const wanted = { dependencies: { alpha: '1.0.0' }, devDependencies: { beta: '1.0.0' } };
    const entry = async (name: string) => ({
      version: '1.0.0',
      resolved: `http://127.0.0.1:${port}/${name}.tgz`,
      integrity: await this.#pack(name),
    });
    const packages = {
      '': { name: 'tiny', ...wanted },
      'node_modules/alpha': await entry('alpha'),
      'node_modules/beta': { ...(await entry('beta')), dev: true },
    };
    const lock = { name: 'tiny', lockfileVersion: 3, requires: true, packages };
    await writeFile(
      join(this.dir, 'package.json'),
      JSON.stringify({ name: 'tiny', type: 'module', ...wanted }),
    );
    await writeFile(join(this.dir, 'package-lock.json'), JSON.stringify(lock));
  }

  async #pack(name: string): Promise<string> {
    const source = join(this.dir, 'tarballs', 'package');
    const tarball = join(dirname(source), `${name}.tgz`);
    await mkdir(source, { recursive: true });
    await writeFile(join(source, 'package.json'), JSON.stringify({ name, version: '1.0.0' }));
    await promisify(execFile)('tar', ['-czf', tarball, '-C', dirname(source), 'package']);
    return `sha512-${createHash('sha512')
      .update(await readFile(tarball))
      .digest('base64')}`;
  }
}
