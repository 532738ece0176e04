import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, symlink } from 'node:fs/promises';
import { emptyDirectory } from '../../linux/remove-tree.ts';
import { handlePath } from '../files.ts';
import { type BundleOptions, type BundleSource, readBundle, type Sink } from './read-bundle.ts';
import { UnderWay } from './under-way.ts';

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

/** Files up to this size are kept until they are written, so that one can be read while others are made. */
const SMALL_BYTES = 64 * 1024;
/** Small files at a time: a file takes four turns of libuv's threads, and these are not to wait for one another. */
const WIDTH = 8;

/**
 * Unpacks a bundle, checked, below `into`, and says its version: the one that the local registry has for the same
 * files. As in its copies, the owner is this process, modes are 0644 or 0755, and what `skip.ts` names is left out.
 *
 * Nothing is synced to disk, file by file least of all. What a power cut leaves half-written must not count, and does not:
 * `LocalStore` syncs the file system once before it renames, `Remembered` before it writes down that a copy is complete. What
 * has not come that far is removed by the next change, or the next start.
 *
 * Throws ERR_BUNDLE_REFUSED, or what the source or the file system throw; then `into` is empty again.
 */
export async function unpackBundle(source: BundleSource, options: UnpackOptions): Promise<Unpacked> {
  const root = await open(options.into, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await unpackInto(root, source, options);
  } catch (error) {
    await emptyDirectory(options.into);
    throw error;
  } finally {
    await root.close();
  }
}

async function unpackInto(root: FileHandle, source: BundleSource, options: BundleOptions): Promise<Unpacked> {
  const writer = new Writer(root);
  try {
    const { version, contents } = await readBundle(source, options, writer);
    return { version, bytes: contents.bytes };
  } finally {
    // Whatever came of it: nothing may be written once the caller goes on.
    await writer.settled();
  }
}

/** Writes below an open directory. What it gets has no link above it: links are made last. */
class Writer implements Sink {
  readonly #root: FileHandle;
  readonly #small = new UnderWay(WIDTH);

  constructor(root: FileHandle) {
    this.#root = root;
  }

  /** Returns when all of it is written. */
  async settled(): Promise<void> {
    await this.#small.settled();
  }

  async directory(path: string): Promise<void> {
    await mkdir(this.#at(path));
    // The mode of mkdir is subject to the umask.
    await chmod(this.#at(path), 0o755);
  }

  async file(path: string, executable: boolean, body: AsyncIterable<Buffer>): Promise<void> {
    const [start, rest] = await upTo(SMALL_BYTES, body);
    if (rest === null) await this.#small.begin(() => this.#write(path, executable, start));
    else await this.#write(path, executable, joined(start, rest));
  }

  async #write(
    path: string,
    executable: boolean,
    body: Iterable<Buffer> | AsyncIterable<Buffer>,
  ): Promise<void> {
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
    await this.settled();
    const file = await open(this.#at(from), OLD);
    try {
      await this.#write(path, executable, file.createReadStream({ autoClose: false }));
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

/** A body's first pieces, with at least `bytes` in them, and what follows; null for nothing. */
async function upTo(
  bytes: number,
  body: AsyncIterable<Buffer>,
): Promise<[Buffer[], AsyncIterator<Buffer> | null]> {
  const rest = body[Symbol.asyncIterator]();
  const start: Buffer[] = [];
  for (let seen = 0; seen < bytes; ) {
    const { value, done } = await rest.next();
    if (done) return [start, null];
    start.push(value);
    seen += value.length;
  }
  return [start, rest];
}

async function* joined(start: readonly Buffer[], rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* start;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
