import { type BundleOptions, readBundle, type Sink } from './read-bundle.ts';

export interface CheckOptions extends BundleOptions {
  /** Looks at the bytes of `packages.txt`, where there is one, and throws what is wrong with it. */
  readonly checkPackages?: (bytes: Buffer, name: string) => unknown;
}

const PACKAGES_FILE = 'packages.txt';
/** More text than lines that may be in it. */
const MAX_PACKAGES_BYTES = 2 ** 20;

/**
 * Checks a .tar.gz as `unpackBundle` does, without writing anything, and returns its version. Throws what
 * `unpackBundle` and `checkPackages` throw.
 */
export async function checkBundle(file: string, options: CheckOptions): Promise<string> {
  const { version, packagesFile } = await look(file, options);
  if (packagesFile !== null) options.checkPackages?.(packagesFile, options.name);
  return version;
}

/**
 * The bytes of the `packages.txt` of a .tar.gz that is checked in the same way; null where it has none. Throws what
 * `unpackBundle` throws.
 */
export async function packagesFileIn(file: string, options: BundleOptions): Promise<Buffer | null> {
  return (await look(file, options)).packagesFile;
}

async function look(file: string, options: BundleOptions) {
  const first = new Reader(PACKAGES_FILE);
  const { version, contents } = await readBundle(file, options, first);
  const path = contents.resolve(PACKAGES_FILE);
  if (path === null) return { version, packagesFile: null };
  // A link to another file, which may have come before it.
  const packagesFile = path === PACKAGES_FILE ? first.bytes : await bytesOf(path, file, options);
  return { version, packagesFile };
}

async function bytesOf(path: string, file: string, options: BundleOptions): Promise<Buffer> {
  const reader = new Reader(path);
  await readBundle(file, options, reader);
  return reader.bytes;
}

/** Passes over everything but one file. */
class Reader implements Sink {
  readonly #wanted: string;
  readonly #pieces: Buffer[] = [];

  constructor(wanted: string) {
    this.#wanted = wanted;
  }

  /** Its content, up to a bound that only a wrong one is beyond. */
  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  async file(path: string, _executable: boolean, body: AsyncIterable<Buffer>): Promise<void> {
    let seen = 0;
    for await (const chunk of body) {
      if (path === this.#wanted && seen <= MAX_PACKAGES_BYTES) this.#pieces.push(chunk);
      seen += chunk.length;
    }
  }

  async directory(): Promise<void> {}
  async copy(): Promise<void> {}
  async link(): Promise<void> {}
}
