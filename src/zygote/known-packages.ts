import type { Lock, LockedPackage } from '../sandbox/lock.ts';
import type { Loaded } from '../sandbox/zygotes.ts';
import { Needs } from './needs.ts';
import type { PackageKey } from './tree.ts';

/** Where sandboxes see the packages. */
const PACKAGES = '/packages';

/** What to import for a zygote with some packages. */
export interface Imports {
  readonly directories: readonly string[];
  /** Modules that are worth a try: what can't be imported is left to the functions. */
  readonly modules: readonly string[];
}

/** What a package that is installed says of itself. */
export interface AboutPackage {
  /** Its top-level modules, without the private ones. */
  readonly modules: readonly string[];
  /** The names of what it requires, as PEP 503 normalises them; null where it does not tell. */
  readonly requires: readonly string[] | null;
}

interface Known {
  readonly dir: string;
  /** At its top, without the private ones. */
  readonly modules: readonly string[];
  /** Modules in it that functions import. */
  readonly asked: Set<string>;
  /** True where the code of a function that has it was looked at: what nobody asked for, nobody needs. */
  isLookedAt: boolean;
}

/** Of one package; a function must not make the zygotes of others import all that there is. */
const MAX_ASKED = 50;

/** The package versions that functions have, by the keys that the policies know them by. */
export class KnownPackages {
  readonly #about: (one: LockedPackage) => Promise<AboutPackage>;
  readonly #needs = new Needs();
  readonly #known = new Map<PackageKey, Known>();
  /** By directory: one version may be there twice, made of different files. */
  readonly #keys = new Map<string, PackageKey>();
  readonly #locks = new Map<string, Promise<ReadonlySet<PackageKey>>>();

  constructor(about: (one: LockedPackage) => Promise<AboutPackage>) {
    this.#about = about;
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

  /**
   * Takes in which modules a function imports that has these packages; `modules` may have others, too. Returns the packages that they
   * are of: where there are none, nothing is taken in.
   */
  noteImports(packages: ReadonlySet<PackageKey>, modules: readonly string[]): ReadonlySet<PackageKey> {
    const asked = new Set<PackageKey>();
    for (const key of packages) {
      const known = this.#known.get(key);
      const own = modules.filter((module) => known?.modules.includes(topOf(module)));
      for (const module of own) if ((known?.asked.size ?? 0) < MAX_ASKED) known?.asked.add(module);
      if (own.length > 0) asked.add(key);
    }
    if (asked.size > 0) this.#noteLook(packages);
    return asked;
  }

  /** Takes in what packages import by name, as somebody else has found out. */
  knowImports(imports: ReadonlyMap<PackageKey, readonly string[]>): void {
    this.#needs.know(imports);
  }

  /** What of these packages is loaded by who imports `asked` of them. */
  loadsOf(packages: ReadonlySet<PackageKey>, asked: ReadonlySet<PackageKey>): ReadonlySet<PackageKey> {
    return this.#needs.loadsOf(packages, asked);
  }

  /** Takes in what a zygote with these packages has loaded. Returns the packages that it is of. */
  noteLoaded(packages: readonly PackageKey[], { before, steps }: Loaded): ReadonlySet<PackageKey> {
    const keys = new Map(packages.map((key) => [`${PACKAGES}/${this.#known.get(key)?.dir}`, key]));
    const keysOf = (directories: readonly string[]) => directories.flatMap((dir) => keys.get(dir) ?? []);
    const loaded = new Set(keysOf(before));
    for (const { module, directories } of steps) {
      const now = new Set(keysOf(directories));
      for (const key of this.#ownersOf(module, packages))
        this.#needs.noteLoaded({ key, packages, before: loaded, loaded: now });
      for (const key of now) loaded.add(key);
    }
    return loaded;
  }

  /** A zygote with these packages could not import these modules. */
  noteFailure(packages: readonly PackageKey[], modules: readonly string[]): void {
    for (const module of modules) for (const key of this.#ownersOf(module, packages)) this.#needs.forget(key);
  }

  /**
   * What a zygote imports that adds `added` to what its parent has; `packages` is all that it has then. Where no code was looked
   * at, that is all that a package has at its top.
   */
  importsOf(packages: readonly PackageKey[], added: readonly PackageKey[]): Imports {
    const own = this.#needs.inOrder(added).flatMap((key) => this.#known.get(key) ?? []);
    return {
      directories: packages
        .flatMap((key) => this.#known.get(key) ?? [])
        .map(({ dir }) => `${PACKAGES}/${dir}`),
      modules: [
        ...new Set(
          own.flatMap(({ isLookedAt, asked, modules }) => (isLookedAt ? [...asked].sort() : modules)),
        ),
      ],
    };
  }

  #ownersOf(module: string, packages: readonly PackageKey[]): PackageKey[] {
    return packages.filter((key) => this.#known.get(key)?.modules.includes(topOf(module)));
  }

  async #learn({ packages }: Lock): Promise<ReadonlySet<PackageKey>> {
    const keys = new Set<PackageKey>();
    for (const one of packages) {
      const about = this.#keys.has(one.dir) ? null : await this.#about(one);
      // Another call may have been faster.
      const known = this.#keys.get(one.dir);
      if (known !== undefined) keys.add(known);
      else if (about !== null) keys.add(this.#remember(one, about));
    }
    return keys;
  }

  #noteLook(packages: Iterable<PackageKey>): void {
    for (const key of packages) {
      const known = this.#known.get(key);
      if (known !== undefined) known.isLookedAt = true;
    }
  }

  #remember({ name, version, dir }: LockedPackage, { modules, requires }: AboutPackage): PackageKey {
    const plain = `${name}==${version}`;
    // Same name and version, and other files: to us these are different packages.
    const key = this.#known.has(plain) ? `${plain} of ${dir}` : plain;
    this.#known.set(key, { dir, modules, asked: new Set(), isLookedAt: false });
    this.#keys.set(dir, key);
    this.#needs.add(key, requires);
    return key;
  }
}

function topOf(module: string): string {
  return module.split('.', 1)[0] ?? module;
}
