import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileAtomic } from '../../linux/durable.ts';
import { syncFileSystemOf } from '../../linux/sync.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Copy } from '../code-cache.ts';

/** A pulled version that the next worker may go on using, and what the bucket calls it. */
export interface PulledRecord extends Copy {
  readonly etag: string;
}

type NamedVersion = Pick<PulledRecord, 'name' | 'version'>;

const schema = z.strictObject({
  place: z.string(),
  functions: z.array(
    z.strictObject({
      name: z.string(),
      version: z.string().regex(/^[0-9a-f]{64}$/),
      etag: z.string(),
      bytes: z.int().min(0),
    }),
  ),
});

export interface RememberedOptions {
  /** The file that says what was pulled. */
  readonly file: string;
  /** What holds the copies. */
  readonly codeDir: string;
  /** Where they come from: what is remembered of another place is of no use. */
  readonly place: string;
  readonly log: Log;
}

/**
 * What was pulled, on the disk: a worker that starts while the registry can't be asked goes on with it. A version is named
 * there only when all of it is on the disk.
 */
export class Remembered {
  readonly #options: RememberedOptions;
  #wanted: (() => readonly PulledRecord[]) | null = null;
  /** What the file names, and what it is about to name, or may name since a failure. */
  #named: ReadonlySet<string> = new Set();
  #writing: Promise<void> | null = null;

  constructor(options: RememberedOptions) {
    this.#options = options;
  }

  /** Nothing where there is no file, or one that can't be read: then everything is pulled again. */
  async read(): Promise<readonly PulledRecord[]> {
    const { file, place, log } = this.#options;
    if (!existsSync(file)) return [];
    try {
      const found = schema.parse(JSON.parse(await readFile(file, 'utf8')));
      this.#named = keysOf(found.functions);
      return found.place === place ? found.functions : [];
    } catch (err) {
      log.warn({ err, file }, 'what was pulled before is not known: it is pulled again');
      await rm(file, { recursive: true, force: true });
      return [];
    }
  }

  /**
   * True where the next start may take what has this version's name for whole, although the copy that was meant has gone. So
   * another copy may have that name only when all of it is on the disk.
   */
  mayName(version: NamedVersion): boolean {
    return this.#named.has(keyOf(version));
  }

  /** Writes what `records` gives by then, soon. */
  save(records: () => readonly PulledRecord[]): void {
    this.#wanted = records;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
  }

  /** Returns when what was to be saved is. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { file, codeDir, place, log } = this.#options;
    try {
      while (this.#wanted !== null) {
        const functions = this.#wanted();
        this.#wanted = null;
        const names = keysOf(functions);
        this.#named = this.#named.union(names);
        await syncFileSystemOf(codeDir);
        await writeFileAtomic(file, `${JSON.stringify({ place, functions })}\n`);
        this.#named = names;
      }
    } catch (err) {
      // Nobody waits for it, and nothing is lost but time after the next start.
      log.warn({ err, file }, 'what was pulled could not be written down');
    }
  }
}

function keysOf(records: readonly NamedVersion[]): ReadonlySet<string> {
  return new Set(records.map(keyOf));
}

function keyOf({ name, version }: NamedVersion): string {
  return `${name}/${version}`;
}
