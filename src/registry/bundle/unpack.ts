import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, symlink } from 'node:fs/promises';
import { emptyDirectory } from '../../linux/remove-tree.ts';
import { handlePath } from '../files.ts';
import { type BundleOptions, type BundleSource, readBundle, type Sink } from './read-bundle.ts';

export interface UnpackOptions extends BundleOptions {
  /** An existing, empty directory that nobody else writes to. */
  readonly into: string;
}

export interface Unpacked {
  readonly version: string;
  /** What its files hold. */
  readonly bytes: number;
}

/** A new file, never through a link: O_EXCL fails where the name is there, whatever it is. */
const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const OLD = constants.O_RDONLY | constants.O_NOFOLLOW;

/**
 * Unpacks a bundle, checked, below `into`, and says its version: the one that the local registry has for the same
 * files. As in its copies, the owner is this process, modes are 0644 or 0755, and what `skip.ts` names is left out.
 * Nothing is synced to disk.
 *
 * Throws ERR_BUNDLE_REFUSED, or what the source or the file system throw; then `into` is empty again.
 */
export async function unpackBundle(source: BundleSource, options: UnpackOptions): Promise<Unpacked> {
  const root = await open(options.into, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const { version, contents } = await readBundle(source, options, new Writer(root));
    return { version, bytes: contents.bytes };
  } catch (error) {
    await emptyDirectory(options.into);
    throw error;
  } finally {
    await root.close();
  }
}

/** Writes below an open directory. What it gets has no link above it: links are made last. */
class Writer implements Sink {
  readonly #root: FileHandle;

  constructor(root: FileHandle) {
    this.#root = root;
  }

  async directory(path: string): Promise<void> {
    await mkdir(this.#at(path));
    // The mode of mkdir is subject to the umask.
    await chmod(this.#at(path), 0o755);
  }

  async file(path: string, executable: boolean, body: AsyncIterable<Buffer>): Promise<void> {
    const mode = executable ? 0o755 : 0o644;
    const file = await open(this.#at(path), NEW, mode);
    try {
      await file.chmod(mode);
      for await (const chunk of body) await file.writeFile(chunk);
    } finally {
      await file.close();
    }
  }

  async copy(from: string, path: string, executable: boolean): Promise<void> {
    const file = await open(this.#at(from), OLD);
    try {
      await this.file(path, executable, file.createReadStream({ autoClose: false }));
    } finally {
      await file.close();
    }
  }

  async link(path: string, target: string): Promise<void> {
    await symlink(target, this.#at(path));
  }

  #at(path: string): string {
    return `${handlePath(this.#root)}/${path}`;
  }
}
