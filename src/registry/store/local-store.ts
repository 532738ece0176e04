import { chmod, lstat, mkdtemp, readdir, rename, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isOlError, OlError } from '../../errors.ts';
import { withDirLock } from '../../linux/dir-lock.ts';
import { syncDir } from '../../linux/durable.ts';
import { exchange } from '../../linux/exchange.ts';
import { removeTree } from '../../linux/remove-tree.ts';
import { syncFileSystemOf } from '../../linux/sync.ts';
import { checkBundle } from '../bundle/check.ts';
import { packDirectory } from '../bundle/pack.ts';
import { unpackBundle } from '../bundle/unpack.ts';
import { errnoOf } from '../files.ts';
import { Interrupted } from '../interrupted.ts';
import { checkFunctionName, isFunctionName } from '../names.ts';
import { digestOf } from './digest.ts';
import type { PutOptions, Store, StoredFunction } from './store.ts';

/** What is being made, or is to be removed. A leading dot is in no function's name. */
const TEMPORARY = '.put-';
/** One change after the other: the largest bundle takes some seconds to unpack. */
const LOCK_MS = 60_000;

/**
 * The functions of a local registry, a directory each. A change is one rename: a worker sees all of it or nothing, and
 * what a killed one leaves has a name that no function has, and is removed by the next change.
 */
export class LocalStore implements Store {
  readonly place: string;

  constructor(registryDir: string) {
    this.place = resolve(registryDir);
  }

  async list(): Promise<readonly StoredFunction[]> {
    const names = (await readdir(this.place)).filter(isFunctionName).sort();
    const found: StoredFunction[] = [];
    for (const name of names) {
      const one = await this.#describe(name);
      if (one !== null) found.push(one);
    }
    return found;
  }

  async put(name: string, file: string, options: PutOptions = {}): Promise<string> {
    checkFunctionName(name);
    await checkBundle(file, { ...options, name });
    return await this.#exclusively(async () => {
      const staged = await mkdtemp(join(this.place, TEMPORARY));
      try {
        await chmod(staged, 0o755);
        const { version } = await unpackBundle(file, { into: staged, name });
        await syncFileSystemOf(staged);
        await this.#swap(staged, join(this.place, name));
        return version;
      } finally {
        // What was there before, or what could not be put there.
        await removeTree(staged);
      }
    });
  }

  async get(name: string, file: string): Promise<void> {
    checkFunctionName(name);
    await this.#checkThere(name);
    await packDirectory(join(this.place, name), file, { name });
  }

  async remove(name: string): Promise<void> {
    checkFunctionName(name);
    await this.#exclusively(async () => {
      await this.#checkThere(name);
      const aside = join(await mkdtemp(join(this.place, TEMPORARY)), name);
      await rename(join(this.place, name), aside);
      await syncDir(this.place);
      await removeTree(join(aside, '..'));
    });
  }

  close(): void {}

  async #describe(name: string): Promise<StoredFunction | null> {
    const dir = join(this.place, name);
    try {
      const digest = await digestOf(dir, name);
      return digest && { name, ...digest, problem: null };
    } catch (error) {
      // A file, a link to nowhere, or one that has just been removed.
      if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) return null;
      const problem = problemOf(error);
      const { mtimeMs } = await stat(dir);
      return { name, bytes: 0, changedMs: mtimeMs, version: null, problem };
    }
  }

  async #swap(staged: string, path: string): Promise<void> {
    if (await isThere(path)) await exchange(staged, path);
    else await rename(staged, path);
    await syncDir(this.place);
  }

  async #checkThere(name: string): Promise<void> {
    if (await isThere(join(this.place, name))) return;
    throw new OlError('ERR_NOT_STORED', { name, place: this.place });
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    return await withDirLock(this.place, LOCK_MS, async () => {
      // Nobody else works here now, so these are of somebody who was killed.
      for (const left of await readdir(this.place)) {
        if (left.startsWith(TEMPORARY)) await removeTree(join(this.place, left));
      }
      return await work();
    });
  }
}

/** What keeps a worker from using the code; throws what is no reason for that. */
function problemOf(error: unknown): string {
  if (error instanceof Interrupted) return 'is being changed just now';
  if (isOlError(error, 'ERR_CODE_REFUSED')) return `${error.fields.path} ${error.fields.reason}`;
  throw error;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
