/**
 * What a package imports of other packages, guessed from lists of requirements that were resolved: those lists are flat, and
 * do not say who brought whom. A package that another one needs is in every list that has the other one, though perhaps in
 * another version in each. Turned round, what is in every list with `pandas` is likely what pandas needs; the more lists, the
 * likelier. And what takes longer to import than pandas, all its own imports included, is not imported by pandas.
 *
 * So the guess is never too small for a package that is imported at all, and may be too large for one that few ask for.
 */
import { nameOf, type PackageKey } from './tree.ts';

/** How long each package takes to import, in ms, with all that it imports itself. */
export type ImportTimes = ReadonlyMap<PackageKey, number>;

type List = readonly PackageKey[];

export class Dependencies {
  readonly #times: ImportTimes;
  /** For each package, the names that are in every list with it. */
  readonly #names = new Map<PackageKey, ReadonlySet<string>>();
  readonly #firstList = new Map<PackageKey, List>();

  constructor(lists: readonly List[], times: ImportTimes) {
    this.#times = times;
    for (const list of lists) {
      const names = new Set(list.map(nameOf));
      for (const key of list) {
        this.#names.set(key, this.#names.get(key)?.intersection(names) ?? names);
        if (!this.#firstList.has(key)) this.#firstList.set(key, list);
      }
    }
  }

  /** What of a list the package is likely to import, itself not included. */
  of(key: PackageKey, list: List): PackageKey[] {
    const names = this.#names.get(key);
    const bound = this.#times.get(key) ?? Number.POSITIVE_INFINITY;
    return list.filter(
      (one) => one !== key && names?.has(nameOf(one)) === true && (this.#times.get(one) ?? 0) <= bound,
    );
  }

  /** The same where no list is at hand: of the first one that has it. */
  usual(key: PackageKey): PackageKey[] {
    return this.of(key, this.#firstList.get(key) ?? []);
  }
}
