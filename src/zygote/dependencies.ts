/**
 * What a package imports of other packages, guessed from lists of requirements that were resolved: those lists are flat, and
 * do not say who brought whom. A package that another one needs is in every list that has the other one. Turned round, what
 * is in every list with `pandas` is likely what pandas needs; the more lists, the likelier. And what takes longer to import
 * than pandas, all its own imports included, is not imported by pandas.
 *
 * So the guess is never too small for a package that is imported at all, and may be too large for one that few ask for.
 */
import type { PackageKey } from './tree.ts';

/** How long each package takes to import, in ms, with all that it imports itself. */
export type ImportTimes = ReadonlyMap<PackageKey, number>;

/** For each package that is in a list, what it is likely to import: itself not included. */
export function dependenciesOf(
  lists: readonly (readonly PackageKey[])[],
  times: ImportTimes,
): Map<PackageKey, ReadonlySet<PackageKey>> {
  const common = new Map<PackageKey, Set<PackageKey>>();
  for (const list of lists) {
    const these = new Set(list);
    for (const key of these) common.set(key, common.get(key)?.intersection(these) ?? these);
  }
  return new Map([...common].map(([key, those]) => [key, quickerThan(key, those, times)]));
}

function quickerThan(key: PackageKey, those: ReadonlySet<PackageKey>, times: ImportTimes): Set<PackageKey> {
  const bound = times.get(key) ?? Number.POSITIVE_INFINITY;
  return new Set([...those].filter((one) => one !== key && (times.get(one) ?? 0) <= bound));
}
