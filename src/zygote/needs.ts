/**
 * What a function loads when it imports some of its packages: those, and what these import in turn.
 *
 * A lock says which packages there are, and not who imports whom. Each package's own metadata names what it requires, which is
 * too much: much of it is imported late, in some cases, or never (jupyter requires some eighty packages, and imports none). So
 * each zygote tells what each of its imports has loaded. Packages are imported before those that they require (`inOrder`): what
 * could have been loaded with a package, and was not, it does not import. What was not there at all it can do without: until
 * both are seen loaded together, that counts the same. What was loaded before tells nothing.
 *
 * Zygotes run foreign code, which may lie. What it can reach by that is that functions with the same packages start slower.
 */
import { nameOf, type PackageKey } from './tree.ts';

/** One import. */
export interface Loading {
  /** All packages that were there. */
  readonly packages: Iterable<PackageKey>;
  /** Those of them that had been loaded before. */
  readonly before: ReadonlySet<PackageKey>;
  /** Those that it has loaded. */
  readonly loaded: Iterable<PackageKey>;
}

type Use = 'could not be seen' | 'perhaps' | 'never';

interface Needed {
  /** Names; null where the package does not tell. */
  readonly required: ReadonlySet<string> | null;
  /** Whether they are imported, as far as somebody has looked. */
  readonly uses: Map<string, Use>;
}

const NOTHING: Needed = { required: null, uses: new Map() };
const WEAKEST_FIRST: readonly Use[] = ['could not be seen', 'perhaps', 'never'];

export class Needs {
  readonly #needed = new Map<PackageKey, Needed>();
  readonly #told = new Map<PackageKey, ReadonlySet<string>>();

  /** `required` has the names that its metadata tells, as PEP 503 normalises them; null where it has none. */
  add(key: PackageKey, required: readonly string[] | null): void {
    this.#needed.set(key, { required: required === null ? null : new Set(required), uses: new Map() });
  }

  /** Takes in what somebody else has found out that packages import, by name. It holds until somebody has looked here. */
  know(imports: ReadonlyMap<PackageKey, readonly string[]>): void {
    for (const [key, names] of imports) this.#told.set(key, new Set(names));
  }

  /** The names of what a package imports, as far as that is known; null where it does not tell. */
  importedBy(key: PackageKey): readonly string[] | null {
    const { required, uses } = this.#needed.get(key) ?? NOTHING;
    const told = uses.size === 0 ? this.#told.get(key) : undefined;
    if (required === null) return told === undefined ? null : [...told];
    const isImported = (name: string) =>
      (uses.get(name) ?? 'perhaps') === 'perhaps' && told?.has(name) !== false;
    return [...required].filter(isImported);
  }

  /** What of `packages` a function loads that has them and imports `asked` itself. All of it, where that can't be told. */
  loadsOf(packages: ReadonlySet<PackageKey>, asked: ReadonlySet<PackageKey>): ReadonlySet<PackageKey> {
    const byName = new Map([...packages].map((key) => [nameOf(key), key]));
    const loads = new Set(asked);
    // What is added while it is walked over is walked over, too.
    for (const key of loads) {
      const names = this.importedBy(key);
      if (names === null) return packages;
      for (const name of names) {
        const other = byName.get(name);
        if (other !== undefined) loads.add(other);
      }
    }
    return loads;
  }

  /** The packages, each before those that it requires, as far as they do not require each other; else as they come. */
  inOrder(packages: readonly PackageKey[]): PackageKey[] {
    const byName = new Map(packages.map((key) => [nameOf(key), key]));
    const lastFirst: PackageKey[] = [];
    const seen = new Set<PackageKey>();
    const visit = (key: PackageKey): void => {
      if (seen.has(key)) return;
      seen.add(key);
      for (const name of this.#needed.get(key)?.required ?? []) {
        const other = byName.get(name);
        if (other !== undefined) visit(other);
      }
      lastFirst.push(key);
    };
    for (const key of packages.toReversed()) visit(key);
    return lastFirst.reverse();
  }

  noteLoaded({ packages, before, loaded }: Loading): void {
    const now = new Set(loaded);
    const there = new Map([...packages].map((key) => [nameOf(key), key]));
    for (const key of now) {
      const { required, uses } = this.#needed.get(key) ?? NOTHING;
      for (const name of required ?? []) {
        const other = there.get(name);
        if (other === undefined || !before.has(other))
          uses.set(name, strongest(uses.get(name), useOf(other, now)));
      }
    }
  }

  /** They could not be imported: perhaps for want of what we took for not used. */
  forget(packages: Iterable<PackageKey>): void {
    for (const key of packages) this.#needed.get(key)?.uses.clear();
  }
}

function useOf(other: PackageKey | undefined, loaded: ReadonlySet<PackageKey>): Use {
  if (other === undefined) return 'could not be seen';
  return loaded.has(other) ? 'perhaps' : 'never';
}

function strongest(known: Use | undefined, seen: Use): Use {
  return known !== undefined && WEAKEST_FIRST.indexOf(known) > WEAKEST_FIRST.indexOf(seen) ? known : seen;
}
