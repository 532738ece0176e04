import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ErrorCode, type ErrorFields, isOlError, OlError, toOlError } from '../errors.ts';
import type { Code } from '../registry/registry.ts';
import type { Log } from '../telemetry/log.ts';
import { publicModules } from './index-file.ts';
import type { Asked, CleanRoom, Installer } from './installer.ts';
import { type Lock, makeLock, type ResolvedPackage, sha256 } from './lock.ts';
import { packagesText } from './packages-file.ts';
import { phases } from './phase.ts';
import { PACKAGES_FILE, parsePackagesFile, parseRequirement, type Requirements } from './requirements.ts';
import type { PackageStore } from './store.ts';

/** The packages of functions: which they are, and that they are there. */
export interface Packages {
  /**
   * The lock of a version of a function's code, with everything in it installed; null where it has no packages.txt. Answers
   * at once (no promise) where that is known or on the disk already. Throws, or rejects with, errors of the table; a failure
   * is told again, without a new attempt, for a short while.
   */
  prepare(code: Code): Lock | null | Promise<Lock | null>;
  /** The same for requirements that belong to no code, as those of `startup_pkgs`; `name` is where they come from. */
  prepareRequirements(name: string, requirements: readonly string[]): Promise<Lock>;
  /** All locks of this interpreter that are installed. */
  installedLocks(): Promise<Lock[]>;
  /** What its packages.txt asks for, and what is done about it at the moment, for messages. */
  progress(code: Code): Progress;
  close(): Promise<void>;
}

export interface Progress {
  readonly requirements: readonly string[];
  readonly phase: string;
}

export interface PackageManagerOptions {
  readonly store: PackageStore;
  readonly installer: Installer;
  /** What compiled files depend on: see `WorkshopEngine`. */
  readonly interpreter: () => string;
  /** How long a failure is told again before it is tried again. */
  readonly retryMs: number;
  /** How long another one who installs the same is waited for. */
  readonly waitMs: number;
  readonly log: Log;
}

interface UnderWay {
  readonly made: Promise<Lock>;
  phase: string;
}

interface Failure {
  readonly error: OlError;
  readonly until: number;
}

/** Finds locks in the store, and has what is missing resolved and installed, once however many ask for it. */
export class PackageManager implements Packages {
  readonly #options: PackageManagerOptions;
  readonly #known = new WeakMap<Code, Lock | null>();
  readonly #underWay = new Map<string, UnderWay>();
  readonly #failures = new Map<string, Failure>();
  #isClosed = false;

  constructor(options: PackageManagerOptions) {
    this.#options = options;
  }

  prepare(code: Code): Lock | null | Promise<Lock | null> {
    const known = this.#known.get(code);
    if (known !== undefined) return known;
    const text = readPackagesFile(code);
    const lock = text === null ? null : this.#find(code.name, parsePackagesFile(text, code.name));
    if (!(lock instanceof Promise)) this.#known.set(code, lock);
    return lock;
  }

  async prepareRequirements(name: string, requirements: readonly string[]): Promise<Lock> {
    return await this.#find(name, joinRequirements(requirements.map((one) => parseRequirement(one, name))));
  }

  async installedLocks(): Promise<Lock[]> {
    const { store, interpreter } = this.#options;
    const keys = new Set((await store.keys()).map(({ key }) => key));
    const own = [...keys].filter((key) => key.endsWith(`.${interpreter()}`));
    return own.map((key) => store.installed(key)).filter((lock) => lock !== null);
  }

  progress(code: Code): Progress {
    const wanted = parsePackagesFile(readPackagesFile(code) ?? '', code.name);
    const underWay = this.#underWay.get(keyOf(wanted, this.#options.interpreter()));
    return { requirements: wanted.requirements, phase: underWay?.phase ?? phases.waiting() };
  }

  /** Begins no more, and ends what is under way: whoever waits for it is told that the worker ends. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#options.installer.abort();
    await Promise.allSettled([...this.#underWay.values()].map(({ made }) => made));
    await this.#options.installer.close();
  }

  #find(name: string, wanted: Requirements): Lock | Promise<Lock> {
    const key = keyOf(wanted, this.#options.interpreter());
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined)
      return underWay.made.catch((error: unknown) => Promise.reject(toldTo(name, error)));
    const installed = this.#options.store.installed(key);
    if (installed !== null) return installed;
    const failure = this.#failures.get(key);
    if (failure !== undefined && performance.now() < failure.until) throw toldTo(name, failure.error);
    if (this.#isClosed) throw new OlError('ERR_SHUTTING_DOWN', {});
    const made = this.#make(key, name, wanted).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, { made, phase: phases.waiting() });
    return made;
  }

  async #make(key: string, name: string, wanted: Requirements): Promise<Lock> {
    const { retryMs, log } = this.#options;
    const tell = (phase: string) => {
      const underWay = this.#underWay.get(key);
      if (underWay !== undefined) underWay.phase = phase;
    };
    const asked = { name, requirements: wanted.requirements, tell };
    const start = performance.now();
    try {
      const lock = await this.#resolveAndInstall(key, asked, wanted);
      this.#failures.delete(key);
      const ms = Math.round(performance.now() - start);
      log.info(
        { function: name, packages: lock.packages.length, lock: lock.id.slice(0, 16), ms },
        'packages are there',
      );
      return lock;
    } catch (thrown) {
      const error = this.#isClosed
        ? new OlError('ERR_SHUTTING_DOWN', {}, { cause: thrown })
        : toOlError(thrown);
      this.#failures.set(key, { error, until: performance.now() + retryMs });
      log.warn(
        { function: name, code: error.code, reason: error.message, err: error.cause },
        'packages could not be had',
      );
      throw error;
    }
  }

  async #resolveAndInstall(key: string, asked: Asked, wanted: Requirements): Promise<Lock> {
    const { store, waitMs } = this.#options;
    return await store.exclusively([key], waitMs, async () => {
      // Another worker may have done it while we waited.
      const installed = store.installed(key);
      if (installed !== null) return installed;
      using room = this.#options.installer.begin();
      const { packages, written } = await this.#resolve(key, asked, room);
      await this.#installFirst(key, asked, { packages, written, room });
      const lock = makeLock(packages, await importsOf(wanted, packages, store.dir));
      await store.writeLock(key, lock);
      // Somebody may have pruned one just before it was in a lock.
      return store.installed(key) ?? (await this.#installAgain(key, asked, packages));
    });
  }

  /** What can't be installed may have been resolved wrongly: the next attempt asks the index again. */
  async #installFirst(
    key: string,
    asked: Asked,
    { packages, written, room }: Resolved & { readonly room: CleanRoom },
  ): Promise<void> {
    const [, installed] = await Promise.allSettled([written, this.#install(asked, packages, room)]);
    if (installed.status === 'fulfilled') return await written;
    if (isOlError(installed.reason, 'ERR_PACKAGE_FAILED')) await this.#options.store.forgetResolution(key);
    throw installed.reason;
  }

  async #installAgain(key: string, asked: Asked, packages: readonly ResolvedPackage[]): Promise<Lock> {
    using room = this.#options.installer.begin();
    await this.#install(asked, packages, room);
    const lock = this.#options.store.installed(key);
    if (lock !== null) return lock;
    const requirements = asked.requirements.join(', ');
    const reason = 'packages that had just been installed were removed again';
    throw new OlError('ERR_PACKAGES_INSTALLER', { name: asked.name, requirements, reason });
  }

  /** Once: from then on these requirements mean these versions. */
  async #resolve(key: string, asked: Asked, room: CleanRoom): Promise<Resolved> {
    const { store, installer } = this.#options;
    const known = store.resolved(key);
    if (known !== null) return { packages: known, written: Promise.resolve() };
    const packages = asked.requirements.length === 0 ? [] : await installer.resolve(asked, room);
    return { packages, written: store.writeResolved(key, packages) };
  }

  async #install(asked: Asked, packages: readonly ResolvedPackage[], room: CleanRoom): Promise<void> {
    const { store, installer, waitMs } = this.#options;
    const missing = () => packages.filter((one) => !store.has(one));
    const dirs = missing().map(({ dir }) => dir);
    if (dirs.length > 0) asked.tell(phases.waiting());
    await store.exclusively(dirs, waitMs, async () => {
      const left = missing();
      if (left.length > 0) await installer.install(asked, left, room);
    });
  }
}

interface Resolved {
  readonly packages: readonly ResolvedPackage[];
  /** Settles when that is on the disk. */
  readonly written: Promise<void>;
}

/** The name under which the store knows what these requirements mean to an interpreter. */
export function keyOf(wanted: Requirements, interpreter: string): string {
  return `${digestOf(wanted)}.${interpreter}`;
}

/** The part of their keys that all interpreters have in common. */
export function digestOf({ requirements, modules, unnamed }: Requirements): string {
  return sha256([requirements, modules, unnamed]);
}

/** Null where the code has none. Throws ERR_PACKAGES_FILE. */
export function readPackagesFile({ dir, name }: Pick<Code, 'dir' | 'name'>): string | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(dir, PACKAGES_FILE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return packagesText(bytes, name);
}

function joinRequirements(all: readonly Requirements[]): Requirements {
  const sorted = (lists: readonly (readonly string[])[]) => [...new Set(lists.flat())].sort();
  return {
    requirements: sorted(all.map(({ requirements }) => requirements)),
    modules: sorted(all.map(({ modules }) => modules)),
    unnamed: sorted(all.map(({ unnamed }) => unnamed)),
  };
}

/** Functions that ask for the same share an attempt; each is told of its own failure. */
function toldTo(name: string, thrown: unknown): OlError {
  const error = toOlError(thrown);
  const fields = { ...error.fields, name } as unknown as ErrorFields<ErrorCode>;
  return new OlError(error.code, fields, { cause: error.cause });
}

async function importsOf(
  { modules, unnamed }: Requirements,
  packages: readonly ResolvedPackage[],
  storeDir: string,
): Promise<string[]> {
  const asked = packages.filter(({ name }) => unnamed.includes(name));
  const found = await Promise.all(asked.map((one) => publicModules(storeDir, one)));
  return [...new Set([...modules, ...found.flat()])].sort();
}
