import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inotify } from '../../src/linux/inotify.ts';

const IN_ACCESS = 0x1;
const IN_OPEN = 0x20;
const ANY = 0xfff;

/** A file of the machine that holds a secret, which the worker has in its environment as well. Nobody may touch either. */
export class Canary {
  readonly path: string;
  readonly secret = randomBytes(16).toString('hex');
  readonly #inotify = new Inotify();

  constructor(dir: string) {
    this.path = join(dir, 'canary');
    writeFileSync(this.path, this.secret, { mode: 0o666 });
    this.#inotify.watch(this.path, ANY);
  }

  /** Throws where the file has been opened, read, changed, moved or removed since. */
  check(): void {
    const seen = this.#inotify.drain().map(({ mask }) => mask);
    if (seen.length > 0) throw new Error(`somebody was at the canary (inotify ${describe(seen)})`);
    const content = readFileSync(this.path, 'utf8');
    this.#inotify.drain();
    if (content !== this.secret) throw new Error('the canary was changed');
  }

  /** Throws where a text holds the secret. */
  checkText(text: string): void {
    if (text.includes(this.secret)) throw new Error('the secret has got out');
  }

  close(): void {
    this.#inotify.close();
  }
}

function describe(masks: readonly number[]): string {
  const named = masks.map((mask) =>
    mask & IN_OPEN ? 'open' : mask & IN_ACCESS ? 'read' : mask.toString(16),
  );
  return [...new Set(named)].join(', ');
}
