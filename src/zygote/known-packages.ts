import type { Lock, LockedPackage } from '../sandbox/lock.ts';
import type { PackageKey } from './tree.ts';

/** Where sandboxes see the packages. */
const PACKAGES = '/packages';

/** What to import for a zygote with some packages. */
export interface Imports {
  readonly directories: readonly string[];
  /** Modules that a function has asked for by name. */
  readonly modules: readonly string[];
  /** What there is in packages of which nobody has asked for a module. */
  readonly optional: readonly string[];
}

interface Known {
  readonly dir: string;
  readonly modules: readonly string[];
  /** Those of its modules that functions have asked for. */
  readonly asked: Set<string>;
}

/** The package versions that functions have, by the keys that the policies know them by. */
export class KnownPackages {
  readonly #modulesOf: (one: LockedPackage) => Promise<readonly string[]>;
  readonly #known = new Map<PackageKey, Known>();
  /** By directory: one version may be there twice, made of different files. */
  readonly #keys = new Map<string, PackageKey>();
  readonly #locks = new Map<string, Promise<ReadonlySet<PackageKey>>>();

  /** `modulesOf` tells the top-level modules of a package that is installed, without the private ones. */
  constructor(modulesOf: (one: LockedPackage) => Promise<readonly string[]>) {
    this.#modulesOf = modulesOf;
  }

  /** The packages of a lock as keys. */
  keysOf(lock: Lock): Promise<ReadonlySet<PackageKey>> {
    const known = this.#locks.get(lock.id);
    if (known !== undefined) return known;
    const learned = this.#learn(lock);
    this.#locks.set(lock.id, learned);
    learned.catch(() => this.#locks.delete(lock.id));
    return learned;
  }

  /** True where all of them are in the lock of a function, so that they are there to be imported. */
  has(packages: readonly PackageKey[]): boolean {
    return packages.every((key) => this.#known.has(key));
  }

  /** What a zygote imports that adds `added` to what its parent has; `packages` is all that it has then. */
  importsOf(packages: readonly PackageKey[], added: readonly PackageKey[]): Imports {
    const own = added.flatMap((key) => this.#known.get(key) ?? []);
    return {
      directories: packages
        .flatMap((key) => this.#known.get(key) ?? [])
        .map(({ dir }) => `${PACKAGES}/${dir}`),
      modules: [...new Set(own.flatMap(({ asked }) => [...asked]))],
      optional: own.filter(({ asked }) => asked.size === 0).flatMap(({ modules }) => modules),
    };
  }

  async #learn({ packages, imports }: Lock): Promise<ReadonlySet<PackageKey>> {
    const keys = new Set<PackageKey>();
    for (const one of packages) {
      const known = this.#keys.get(one.dir);
      const modules = known === undefined ? await this.#modulesOf(one) : [];
      keys.add(this.#keys.get(one.dir) ?? this.#remember(one, modules));
    }
    for (const key of keys) this.#noteAsked(key, imports);
    return keys;
  }

  #remember({ name, version, dir }: LockedPackage, modules: readonly string[]): PackageKey {
    const plain = `${name}==${version}`;
    // Same name and version, and other files: to us these are different packages.
    const key = this.#known.has(plain) ? `${plain} of ${dir}` : plain;
    this.#known.set(key, { dir, modules, asked: new Set() });
    this.#keys.set(dir, key);
    return key;
  }

  #noteAsked(key: PackageKey, imports: readonly string[]): void {
    const known = this.#known.get(key);
    for (const module of imports) {
      const top = module.split('.', 1)[0] ?? module;
      if (known?.modules.includes(top)) known.asked.add(module);
    }
  }
}
