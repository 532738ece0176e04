/**
 * What a function loads when it imports some of its packages: those, and what these import in turn.
 *
 * A lock says which packages there are, and not who imports whom. Each package's own metadata names what it requires, and so on,
 * which is too much: much of it is imported late, in some cases, or never (jupyter requires some eighty packages, and imports
 * none). So each zygote tells what each of its imports has loaded. What could have been loaded with a package, and was not, it does
 * not bring. What was not there at all it can do without: until it is seen to bring it, that counts the same. What was loaded
 * before tells nothing: so packages are imported before those that they require (`inOrder`).
 *
 * All that is about a package that a function imports itself. What it brings can't be told from its parts: who imports dateutil
 * gets no six, and who imports pandas gets both, as pandas imports dateutil.parser.
 *
 * Zygotes run foreign code, which may lie. What it can reach by that is that functions with the same packages start slower.
 */
import { nameOf, type PackageKey } from './tree.ts';

/** What importing a package has done. */
export interface Loading {
  readonly key: PackageKey;
  /** All packages that were there. */
  readonly packages: Iterable<PackageKey>;
  /** Those of them that had been loaded by something else. */
  readonly before: ReadonlySet<PackageKey>;
  /** Those that it has loaded. */
  readonly loaded: ReadonlySet<PackageKey>;
}

interface Needed {
  /** Names, by its metadata; null where it does not tell. */
  readonly required: readonly string[] | null;
  /** Of names, whether importing it brings them, as far as somebody has looked. */
  readonly brings: Map<string, boolean>;
}

const NOTHING: Needed = { required: null, brings: new Map() };

export class Needs {
  readonly #needed = new Map<PackageKey, Needed>();
  readonly #told = new Map<PackageKey, ReadonlySet<string>>();

  /** `required` has the names that its metadata tells, as PEP 503 normalises them; null where it has none. */
  add(key: PackageKey, required: readonly string[] | null): void {
    this.#needed.set(key, { required, brings: new Map() });
  }

  /** Takes in what somebody else has found out that packages bring, by name. Of each it holds until it is seen here. */
  know(imports: ReadonlyMap<PackageKey, readonly string[]>): void {
    for (const [key, names] of imports) this.#told.set(key, new Set(names));
  }

  /** What of `packages` a function loads that has them and imports `asked` itself. All of it, where that can't be told. */
  loadsOf(packages: ReadonlySet<PackageKey>, asked: ReadonlySet<PackageKey>): ReadonlySet<PackageKey> {
    const byName = new Map([...packages].map((key) => [nameOf(key), key]));
    const loads = new Set(asked);
    for (const key of asked) {
      const brought = this.#broughtBy(key, byName);
      if (brought === null) return packages;
      for (const other of brought) loads.add(other);
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

  /** Takes in what importing a package has loaded. */
  noteLoaded({ key, packages, before, loaded }: Loading): void {
    const { brings } = this.#needed.get(key) ?? NOTHING;
    const there = new Map([...packages].map((one) => [nameOf(one), one]));
    for (const name of this.#closure(key, there) ?? []) {
      const other = there.get(name);
      // That it once was brought stays true: more of its modules may have been imported then.
      if (other !== undefined && loaded.has(other)) brings.set(name, true);
      else if (other === undefined || !before.has(other)) brings.set(name, brings.get(name) ?? false);
    }
  }

  /** It could not be imported: perhaps for want of what we think that it does not bring. */
  forget(key: PackageKey): void {
    this.#needed.get(key)?.brings.clear();
  }

  /** What importing a package brings, of those that are there; null where that can't be told. */
  #broughtBy(key: PackageKey, there: ReadonlyMap<string, PackageKey>): PackageKey[] | null {
    const { brings } = this.#needed.get(key) ?? NOTHING;
    const told = this.#told.get(key);
    const names = this.#closure(key, there) ?? told;
    if (names === undefined) return null;
    const isBrought = (name: string) => brings.get(name) ?? told?.has(name) ?? true;
    return [...names].flatMap((name) => (isBrought(name) ? (there.get(name) ?? []) : []));
  }

  /**
   * The names of all that it requires, and so on, by way of those that are there; null where one of these does not tell. With those
   * that are not there, which lead no further.
   */
  #closure(key: PackageKey, there: ReadonlyMap<string, PackageKey>): ReadonlySet<string> | null {
    const required = this.#needed.get(key)?.required ?? null;
    if (required === null) return null;
    const names = new Set(required);
    // What is added while it is walked over is walked over, too.
    for (const name of names) {
      const other = there.get(name);
      if (other === undefined) continue;
      const more = this.#needed.get(other)?.required ?? null;
      if (more === null) return null;
      for (const one of more) names.add(one);
    }
    names.delete(nameOf(key));
    return names;
  }
}
