import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of its own. Disposing of it unmounts it and removes all. */
export class Disk implements Disposable {
  readonly path: string;
  readonly #dir: string;

  /** In memory, with room for so many bytes. */
  static small(bytes: number): Disk {
    return Disk.#make((_, path) => mount('-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path));
  }

  /** An ext4 in a file. */
  static inFile(bytes: number): Disk {
    return Disk.#make((image, path) => {
      writeFileSync(image, '');
      truncateSync(image, bytes);
      execFileSync('mke2fs', ['-q', '-t', 'ext4', image], { stdio: 'pipe' });
      mount('-t', 'ext4', '-o', 'loop', image, path);
    });
  }

  static #make(fill: (image: string, path: string) => void): Disk {
    const dir = mkdtempSync(join(tmpdir(), 'ol-disk-'));
    const path = join(dir, 'disk');
    mkdirSync(path);
    try {
      fill(join(dir, 'image'), path);
    } catch (error) {
      rmSync(dir, { recursive: true });
      throw error;
    }
    return new Disk(dir, path);
  }

  private constructor(dir: string, path: string) {
    this.#dir = dir;
    this.path = path;
  }

  /** What would be there had the power gone now: what has reached the image, and nothing that the kernel still keeps. */
  afterPowerCut(): Disk {
    return Disk.#make((image, path) => {
      copyFileSync(join(this.#dir, 'image'), image);
      mount('-t', 'ext4', '-o', 'loop', image, path);
    });
  }

  [Symbol.dispose](): void {
    execFileSync('umount', [this.path]);
    rmSync(this.#dir, { recursive: true });
  }
}

function mount(...args: string[]): void {
  execFileSync('mount', args, { stdio: 'pipe' });
}

/** Why no `Disk` in a file can be made here; null where it can. */
export function whyNoDisk(): string | null {
  try {
    Disk.inFile(8 * 1024 * 1024)[Symbol.dispose]();
    return null;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: Buffer };
    return `no ext4 can be mounted: ${stderr?.toString().split('\n')[0] || message}`;
  }
}
