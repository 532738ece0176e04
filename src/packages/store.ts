import { lstatSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ZodError } from 'zod';
import { isAlive, startTicks } from '../cluster/process.ts';
import { syncDir, writeFileAtomic } from '../linux/durable.ts';
import { removeTree } from '../linux/remove-tree.ts';
import { makeIndex } from './index-file.ts';
import { type Lock, type LockedPackage, parseLock, parseResolved, type ResolvedPackage } from './lock.ts';
import { holdLockFile } from './lock-file.ts';

const LOCKS = '.locks';
/** `.tmp-<pid>-<its start>-<number>`: whose it is can be told after it has been killed. */
const STAGE = /^\.tmp-(\d+)-(\d+)-\d+$/;
let staged = 0;

/** Told of each file of the store that can't be read, by its name. */
export type OnBroken = (file: string, error: Error) => void;

/**
 * Package versions on the disk, for all workers of a cluster:
 *
 *   <name>-<version>-<tag>/        an installed package, complete as soon as it has this name
 *   .tmp-<pid>-<start>-<n>/        what is being installed
 *   .locks/<key>.resolved          which versions, and with which hashes, some requirements mean
 *   .locks/<key>.json              the same when all is installed: the Lock
 *   .locks/<lock id>.index         what the runtime needs to know of a Lock
 *   .locks/<key or package>.lock   held (flock) by whoever resolves or installs it
 */
export class PackageStore {
  readonly dir: string;
  readonly #onBroken: OnBroken;

  private constructor(dir: string, onBroken: OnBroken) {
    this.dir = dir;
    this.#onBroken = onBroken;
  }

  /** Makes what is missing, and removes what processes that are gone have left half done. */
  static async open(dir: string, onBroken: OnBroken = () => {}): Promise<PackageStore> {
    await mkdir(join(dir, LOCKS), { recursive: true });
    await chmod(join(dir, LOCKS), 0o755);
    await removeLeft(dir);
    return new PackageStore(dir, onBroken);
  }

  /** The names of the packages' directories. */
  async packages(): Promise<string[]> {
    return (await readdir(this.dir)).filter((name) => !name.startsWith('.')).sort();
  }

  has({ dir }: LockedPackage): boolean {
    return isThere(join(this.dir, dir));
  }

  /** The lock of a key with all that is in it; null where anything of it is missing. */
  installed(key: string): Lock | null {
    const lock = this.#read(`${key}.json`, parseLock);
    if (lock === null) return null;
    const isComplete =
      this.#read(`${lock.id}.index`, JSON.parse) !== null && lock.packages.every((one) => this.has(one));
    return isComplete ? lock : null;
  }

  resolved(key: string): ResolvedPackage[] | null {
    return this.#read(`${key}.resolved`, parseResolved);
  }

  async writeResolved(key: string, packages: readonly ResolvedPackage[]): Promise<void> {
    await writeFileAtomic(join(this.dir, LOCKS, `${key}.resolved`), `${JSON.stringify(packages)}\n`);
  }

  /** Where it has never been installed, it may come to mean other versions. */
  async forgetResolution(key: string): Promise<void> {
    if (isThere(join(this.dir, LOCKS, `${key}.json`))) return;
    await rm(join(this.dir, LOCKS, `${key}.resolved`), { force: true });
  }

  /** When its packages are all there. */
  async writeLock(key: string, lock: Lock): Promise<void> {
    await writeFileAtomic(
      this.#indexOf(lock),
      `${JSON.stringify(await makeIndex(this.dir, lock.packages))}\n`,
    );
    await writeFileAtomic(join(this.dir, LOCKS, `${key}.json`), `${JSON.stringify(lock)}\n`);
  }

  /** What there is of locks; `changedMs` is when it was written. */
  async keys(): Promise<{ readonly key: string; readonly file: string; readonly changedMs: number }[]> {
    const files = (await readdir(join(this.dir, LOCKS))).filter((name) => /\.(json|resolved)$/.test(name));
    return files.flatMap((file) => {
      const found = lstatSync(join(this.dir, LOCKS, file), { throwIfNoEntry: false });
      // Somebody has forgotten it since.
      if (found === undefined) return [];
      return { key: file.replace(/\.\w+$/, ''), file, changedMs: found.mtimeMs };
    });
  }

  /** The packages that a key means, installed or not. */
  packagesOf(key: string): readonly LockedPackage[] {
    return this.#read(`${key}.json`, parseLock)?.packages ?? this.resolved(key) ?? [];
  }

  /** Forgets what a key means, with its index where no other one has the same. */
  async forget(key: string): Promise<void> {
    const lock = this.#read(`${key}.json`, parseLock);
    for (const kind of ['json', 'resolved', 'lock'])
      await rm(join(this.dir, LOCKS, `${key}.${kind}`), { force: true });
    if (lock === null) return;
    const others = (await this.keys()).map((other) => this.#read(`${other.key}.json`, parseLock));
    if (!others.some((other) => other?.id === lock.id)) await rm(this.#indexOf(lock), { force: true });
  }

  /**
   * Removes an installed package that is unused, and is so still when nobody finds it any more: who has come to lock it before
   * that keeps it, and who does later sees that it is gone. False where it stays. It is not half there at any time.
   */
  async removeIf(dir: string, isUnused: (dir: string) => Promise<boolean>): Promise<boolean> {
    if (!isThere(join(this.dir, dir)) || !(await isUnused(dir))) return false;
    const stage = await this.stage();
    await rename(join(this.dir, dir), join(stage, dir));
    let isGone = false;
    try {
      isGone = await isUnused(dir);
    } finally {
      if (!isGone) await rename(join(stage, dir), join(this.dir, dir));
      await removeTree(stage);
    }
    if (isGone) await rm(join(this.dir, LOCKS, `${dir}.lock`), { force: true });
    return isGone;
  }

  /** An empty directory on the store's file system, which nobody else sees. The caller removes it. */
  async stage(): Promise<string> {
    const dir = join(this.dir, `.tmp-${process.pid}-${startTicks(process.pid)}-${++staged}`);
    await mkdir(dir, { mode: 0o700 });
    return dir;
  }

  /** Takes in packages that are complete, checked and synced: subdirectories of a stage, by their names. */
  async adopt(stage: string, packages: readonly LockedPackage[]): Promise<void> {
    for (const { dir } of packages) await rename(join(stage, dir), join(this.dir, dir));
    await syncDir(this.dir);
  }

  /**
   * Does `work` while nobody else, in this process or another, does any under one of these names: keys, or packages'
   * directories. Throws ERR_LOCKED after `waitMs`.
   */
  async exclusively<T>(names: readonly string[], waitMs: number, work: () => Promise<T>): Promise<T> {
    // One order for all, so that no two wait for each other.
    const [name, ...others] = [...names].sort();
    if (name === undefined) return await work();
    await using _ = await holdLockFile(join(this.dir, LOCKS, `${name}.lock`), waitMs);
    return await this.exclusively(others, waitMs, work);
  }

  /** Null where it is not there, or is not what was written: a broken file is made again, as a missing one is. */
  #read<T>(name: string, parse: (text: string) => T): T | null {
    const text = readIfThere(join(this.dir, LOCKS, name));
    if (text === null) return null;
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof ZodError)) throw error;
      this.#onBroken(name, error);
      return null;
    }
  }

  #indexOf({ id }: Lock): string {
    return join(this.dir, LOCKS, `${id}.index`);
  }
}

async function removeLeft(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const [, pid, ticks] = STAGE.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid), Number(ticks))) await removeTree(join(dir, name));
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
