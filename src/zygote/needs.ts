/**
 * What a function loads when it imports some of its packages: those, and what these import in turn.
 *
 * A lock says which packages there are, and not who imports whom. Each package's own metadata names what it requires, which is
 * too much: much of it is imported late, in some cases, or never (jupyter requires some eighty packages, and imports none). So
 * each zygote tells what has been loaded in it. Where a package is loaded there, and another one that it requires could
 * have been and is not, the first one does not import the second.
 *
 * Zygotes run foreign code, which may lie. What it can reach by that is that functions with the same packages start slower.
 */
import { nameOf, type PackageKey } from './tree.ts';

interface Needed {
  /** Names; null where the package does not tell. */
  readonly required: ReadonlySet<string> | null;
  /** Those of them that were seen not to be imported. */
  readonly idle: Set<string>;
}

export class Needs {
  readonly #needed = new Map<PackageKey, Needed>();

  /** `required` has the names that its metadata tells, as PEP 503 normalises them; null where it has none. */
  add(key: PackageKey, required: readonly string[] | null): void {
    this.#needed.set(key, { required: required === null ? null : new Set(required), idle: new Set() });
  }

  /** What of `packages` a function loads that has them and imports `asked` itself. All of it, where that can't be told. */
  loadsOf(packages: ReadonlySet<PackageKey>, asked: ReadonlySet<PackageKey>): ReadonlySet<PackageKey> {
    const byName = new Map([...packages].map((key) => [nameOf(key), key]));
    const loads = new Set<PackageKey>();
    // What is added while it is walked over is walked over, too.
    for (const key of asked) loads.add(key);
    for (const key of loads) {
      const needed = this.#needed.get(key);
      if (needed === undefined || needed.required === null) return packages;
      for (const name of needed.required) {
        const other = needed.idle.has(name) ? undefined : byName.get(name);
        if (other !== undefined) loads.add(other);
      }
    }
    return loads;
  }

  /** Takes in what a process has loaded that had these packages. */
  noteLoaded(packages: Iterable<PackageKey>, loaded: ReadonlySet<PackageKey>): void {
    const unused = new Set([...packages].filter((key) => !loaded.has(key)).map(nameOf));
    for (const key of loaded) {
      const needed = this.#needed.get(key);
      for (const name of needed?.required ?? []) if (unused.has(name)) needed?.idle.add(name);
    }
  }

  /** They could not be imported: perhaps for want of what we took for idle. */
  forget(packages: Iterable<PackageKey>): void {
    for (const key of packages) this.#needed.get(key)?.idle.clear();
  }
}
