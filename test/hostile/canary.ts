import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Inotify } from '../../src/linux/inotify.ts';

const IN_ACCESS = 0x1;
const IN_OPEN = 0x20;
const ANY = 0xfff;
const PUBLIC = 0o666;
const ROOT_ONLY = 0o600;

/**
 * A directory of the machine with a file that anybody could read and change, one that only root could, and a socket. Both
 * files hold a secret, which the worker has in its environment as well. Nobody may touch any of it.
 */
export class Canary {
  readonly dir: string;
  /** The two files. */
  readonly files: readonly string[];
  readonly socket: string;
  readonly secret = `ol-canary-${randomBytes(16).toString('hex')}`;
  readonly #inotify = new Inotify();
  readonly #server: Server;
  #connections = 0;

  /** Makes the directory. */
  constructor(dir: string) {
    this.dir = dir;
    mkdirSync(dir, { recursive: true });
    this.files = [join(dir, 'public'), join(dir, 'root-only')];
    this.socket = join(dir, 'socket');
    for (const path of this.files) writeFileSync(path, this.secret, { mode: ROOT_ONLY });
    chmodSync(join(dir, 'public'), PUBLIC);
    // Where there is a way to it, nothing on the way stops anybody.
    chmodSync(dir, 0o777);
    this.#server = createServer((connection) => {
      this.#connections++;
      connection.destroy();
    }).listen(this.socket);
    this.#server.unref();
  }

  /** Call it when all is made: from then on any touch counts. */
  watch(): void {
    for (const path of [this.dir, ...this.files]) this.#inotify.watch(path, ANY);
  }

  /** Throws where a file or the directory has been opened, read, changed, moved or removed since, or the socket used. */
  check(): void {
    const seen = this.#inotify.drain().map(({ mask }) => mask);
    if (seen.length > 0) throw new Error(`somebody was at the canary (inotify ${describe(seen)})`);
    if (this.#connections > 0) throw new Error("somebody has connected to the canary's socket");
    const contents = this.files.map((path) => readFileSync(path, 'utf8'));
    const names = readdirSync(this.dir).sort();
    this.#inotify.drain();
    if (contents.some((content) => content !== this.secret)) throw new Error('the canary was changed');
    if (names.join() !== 'public,root-only,socket') throw new Error(`with the canary there is ${names}`);
  }

  /** Throws where a text holds the secret. */
  checkText(text: string): void {
    if (text.includes(this.secret)) throw new Error('the secret has got out');
  }

  async close(): Promise<void> {
    this.#inotify.close();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.dir, { recursive: true });
  }
}

function describe(masks: readonly number[]): string {
  const named = masks.map((mask) =>
    mask & IN_OPEN ? 'open' : mask & IN_ACCESS ? 'read' : mask.toString(16),
  );
  return [...new Set(named)].join(', ');
}
