import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

const CHUNK = Buffer.alloc(64 * 1024, 1);

/** A file system of its own at a directory, so small that it can be filled. */
export class SmallDisk implements Disposable {
  readonly #dir: string;

  static async mount(dir: string, megabytes: number): Promise<SmallDisk> {
    await mkdir(dir, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'openlambda-faults', dir]);
    return new SmallDisk(dir);
  }

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Not a byte is left after it. */
  fill(): void {
    const fd = openSync(this.#filler, 'w');
    try {
      for (let size = CHUNK.length; size > 0; ) if (!write(fd, size)) size = Math.floor(size / 2);
    } finally {
      closeSync(fd);
    }
  }

  empty(): void {
    rmSync(this.#filler);
  }

  [Symbol.dispose](): void {
    execFileSync('umount', [this.#dir]);
  }

  get #filler(): string {
    return join(this.#dir, '.filler');
  }
}

/** False where there is no room for so much. */
function write(fd: number, size: number): boolean {
  try {
    writeSync(fd, CHUNK, 0, size);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    return false;
  }
}
