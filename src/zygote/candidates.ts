/**
 * Which zygotes are worth thinking about below one that is there. Both `grow` and `fit` choose among them.
 *
 * Forklift ("Forklift: Fitting Zygote Trees for Faster Package Initialization", WoSC10; open-lambda/forklift) splits a node
 * by one package, as a decision tree is split by one feature: the calls that have the package move to the new child, the
 * rest stays. Then a package that is always there with another one needs a node of its own below it, or a list of
 * dependencies that says what to bring along.
 *
 * Here, too, a split starts at one package; but the child gets all that the calls with this package have in common. By that
 * no call is lost: each one that could use the package alone can use all of it. It saves more, in one process and not in a
 * chain of them. And a set that is common to calls holds what its packages import, because each call has that too. Where they
 * have it in different versions it is not common: then what requires it can't be imported without it, and is left out as well.
 * Nodes below then split by what some of these calls have and others have not.
 */
import { type Cost, costOfAdding, sharedCost, ZYGOTE_KB } from './costs.ts';
import type { CallGroup, Requires, Statistics } from './statistics.ts';
import { nameOf, type PackageKey, setKey } from './tree.ts';

/** A zygote, or the root zygote with no packages, and the calls that are forked from it today. */
export interface Place {
  readonly packages: readonly PackageKey[];
  readonly groups: readonly CallGroup[];
}

/** A zygote that could be made below a place. */
export interface Candidate {
  /** What it imports beyond the place's packages, sorted. */
  readonly added: readonly PackageKey[];
  /** The calls that would be forked from it. */
  readonly groups: readonly CallGroup[];
  readonly calls: number;
  /** What making it takes, and the memory that it holds then. Each of its calls saves the ms. */
  readonly cost: Cost;
  readonly benefitMs: number;
}

/** A zygote that saves a call less is not worth a process. */
export const MIN_SAVED_MS = 1;

/**
 * All candidates below a place, the same ones in the same order for the same input; with `seeds`, only those that import
 * one of these packages.
 */
export function candidatesAt(
  place: Place,
  { costs, requires }: Omit<Statistics, 'groups'>,
  seeds?: ReadonlySet<PackageKey>,
): Candidate[] {
  const base = sharedCost(costs, place.packages);
  const there = new Set(place.packages);
  const byPackage = groupsByPackage(place.groups, there);
  const done = new Set<PackageKey>();
  const found: [string, Candidate][] = [];
  for (const [seed, groups] of byPackage) {
    if (done.has(seed) || seeds?.has(seed) === false) continue;
    const common = inCommon(groups).filter((key) => !there.has(key));
    const added = requires === undefined ? common : importable(common, place.packages, groups, requires);
    if (!added.includes(seed)) continue;
    // A package that all these calls load, and no other call does, would lead to the same set.
    for (const key of added) if (byPackage.get(key)?.length === groups.length) done.add(key);
    const candidate = makeCandidate(added.sort(), groups, costOfAdding(costs, added, base));
    if (candidate.cost.ms >= MIN_SAVED_MS) found.push([setKey(added), candidate]);
  }
  return found.sort(([a], [b]) => compareKeys(a, b)).map(([, candidate]) => candidate);
}

function makeCandidate(added: PackageKey[], groups: readonly CallGroup[], { ms, kb }: Cost): Candidate {
  const calls = groups.reduce((sum, group) => sum + group.calls, 0);
  return { added, groups, calls, cost: { ms, kb: kb + ZYGOTE_KB }, benefitMs: calls * ms };
}

function groupsByPackage(
  groups: readonly CallGroup[],
  without: ReadonlySet<PackageKey>,
): Map<PackageKey, CallGroup[]> {
  const found = new Map<PackageKey, CallGroup[]>();
  for (const group of groups) {
    for (const key of group.loads) {
      if (without.has(key)) continue;
      const those = found.get(key);
      if (those === undefined) found.set(key, [group]);
      else those.push(group);
    }
  }
  return found;
}

/** The packages that every one of the groups loads. */
function inCommon(groups: readonly CallGroup[]): PackageKey[] {
  const [first, ...rest] = groups;
  return [...(first?.loads ?? [])].filter((key) => rest.every(({ loads }) => loads.has(key)));
}

/** Without what requires something that each group has, but not all in the same version. */
function importable(
  added: readonly PackageKey[],
  there: readonly PackageKey[],
  groups: readonly CallGroup[],
  requires: Requires,
): PackageKey[] {
  const loads = groups[0]?.loads ?? new Set();
  const required = new Map(added.map((key) => [key, [...requires(key, loads)].map(nameOf)]));
  for (let kept: readonly PackageKey[] = added; ; ) {
    const present = new Set([...there, ...kept].map(nameOf));
    const isLacking = (name: string) =>
      !present.has(name) && groups.every((group) => namesOf(group).has(name));
    const next = kept.filter((key) => required.get(key)?.some(isLacking) !== true);
    if (next.length === kept.length) return next;
    // What requires something that is left out now goes as well.
    kept = next;
  }
}

const knownNames = new WeakMap<CallGroup, ReadonlySet<string>>();

function namesOf(group: CallGroup): ReadonlySet<string> {
  const names = knownNames.get(group) ?? new Set([...group.loads].map(nameOf));
  knownNames.set(group, names);
  return names;
}

/** What a candidate is worth: ms saved for each kB held. */
export function ratio({ benefitMs, cost }: Candidate): number {
  return benefitMs / cost.kb;
}

/** The order of strings by code units, the same on every machine. */
function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
