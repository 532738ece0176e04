/**
 * When to make which zygote, from what a worker has seen so far.
 *
 * Making one takes as long as its imports do, and saves each later call as much. Nobody knows how many will come. That is
 * the question whether to rent or to buy skis, and its answer is known (Karlin et al., "Competitive snoopy caching", 1988):
 * buy when the rent paid so far has reached the price. So a zygote is made when the calls that it would have served have
 * lost PAYBACK times what it takes to make it. With 1 that is never more than twice of what knowing the future would have cost.
 *
 * Better still is not to pay twice. A call that finds no zygote for what it needs has to import it anyway: let it wait until
 * that is imported in a new zygote, and fork it from there (`forCall`). Then the price of a zygote is a fork and not an
 * import: for most packages the first call has lost more than that already, for those that are imported in 5 ms the fifth. In the simulation of 869 real functions, each called once, that answers a quarter
 * more requests a second than making the same zygotes beside the calls does (docs/import-cache.md).
 *
 * Of those that have paid, the one with the best ratio of ms saved to kB held is made; this is SOCK's measure of an entry
 * (Oakes et al., USENIX ATC '18), used to choose what comes in and not only what goes. SOCK makes an entry for the
 * packages of the function at hand; here the sets come from all calls since (`candidates.ts`), so that what many functions
 * have in common is found to be theirs. Forklift finds such sets offline (`fit.ts`); this is the same split, one at a time,
 * below the zygotes that there are.
 *
 * Where the budget is used up, others have to go (`evict.ts`), and they do only for something clearly better: what they
 * save, by the same count of calls, is less by a margin. Without that, two sets of the same worth would take turns and
 * each would be imported again and again.
 */
import { type Candidate, candidatesAt, type Place, ratio } from './candidates.ts';
import type { Costs } from './costs.ts';
import { benefitsByUses, evict } from './evict.ts';
import { type Asked, match, matcher } from './match.ts';
import type { CallGroup, Statistics } from './statistics.ts';
import { type PackageKey, setKey, sumsBelow, type ZygoteNode } from './tree.ts';

export interface GrowOptions {
  /** Sets (`setKey` of all packages of a zygote) that could not be imported, and are not tried again. */
  readonly avoid?: ReadonlySet<string>;
  /** Only what a call of a function with exactly these packages would be forked from: it waits. Note the call before. */
  readonly forCall?: Asked;
}

/** A zygote to make. */
export interface Growth {
  /** Id of the zygote to fork it from; null is the root zygote. */
  readonly parent: number | null;
  /** All that it will hold, the parent's packages included, sorted. */
  readonly packages: readonly PackageKey[];
  /** What to import in it beyond the parent. */
  readonly added: readonly PackageKey[];
  /** What importing that is expected to take, and the memory; they count until they have been measured. */
  readonly importMs: number;
  readonly kb: number;
  /** Zygotes to end first, children before their parents. */
  readonly evict: readonly number[];
}

/** What making a zygote takes beyond its imports, in ms: namespaces, a cgroup, a fork, a first sandbox of it. */
const MAKING_MS = 25;
/** How many times the price the calls have to have lost. */
const PAYBACK = 1;
/** How much better the new one has to be than those that go for it. */
const MARGIN = 1.25;

/**
 * The next zygote to make so that all together take no more than `budgetKb`, or null where none is worth it. `tree` has
 * those that are being made as well, busy, with what they are expected to take.
 */
export function grow(
  tree: readonly ZygoteNode[],
  statistics: Statistics,
  budgetKb: number,
  options: GrowOptions = {},
): Growth | null {
  const places = placesOf(tree, statistics);
  const freeKb = budgetKb - tree.reduce((sum, { kb }) => sum + kb, 0);
  const benefits = benefitsOf(tree, places);
  const here = placesFor(tree, places, statistics.costs, options);
  for (const { parent, place, candidate } of offersAt(here, statistics, options)) {
    const gone = roomFor(tree, benefits, candidate, parent, freeKb);
    if (gone === null) continue;
    const packages = allOf(place, candidate).sort();
    const { ms: importMs, kb } = candidate.cost;
    return { parent, packages, added: candidate.added, importMs, kb, evict: gone };
  }
  return null;
}

type Places = ReadonlyMap<number | null, Place>;

interface Offer {
  readonly parent: number | null;
  readonly place: Place;
  readonly candidate: Candidate;
}

/** Where to look. */
function placesFor(
  tree: readonly ZygoteNode[],
  places: Places,
  costs: Costs,
  { forCall }: GrowOptions,
): Places {
  if (forCall === undefined) return places;
  const id = match(tree, forCall, costs)?.id ?? null;
  return new Map([...places].filter(([parent]) => parent === id));
}

/** What has paid, the best first. */
function offersAt(places: Places, statistics: Statistics, { avoid, forCall }: GrowOptions): Offer[] {
  const offers: Offer[] = [];
  for (const [parent, place] of places) {
    for (const candidate of candidatesAt(place, statistics, forCall?.loads)) {
      const isOffered =
        candidate.calls >= 1 &&
        candidate.benefitMs >= PAYBACK * priceOf(candidate, statistics.costs, forCall !== undefined) &&
        (forCall === undefined || serves(candidate, forCall.packages)) &&
        !avoid?.has(setKey(allOf(place, candidate)));
      if (isOffered) offers.push({ parent, place, candidate });
    }
  }
  return offers.sort((a, b) => ratio(b.candidate) - ratio(a.candidate));
}

/**
 * What making it takes in ms. A call that waits for it does not pay for the imports: it would have made them itself. And where
 * nobody knows what they take, it pays nothing: that is how it comes to be known.
 */
function priceOf({ added, cost }: Candidate, costs: Costs, isWaitedFor: boolean): number {
  if (!isWaitedFor) return MAKING_MS + cost.ms;
  return added.every((key) => costs.has(key)) ? MAKING_MS : 0;
}

/** True where a call of a function with exactly these packages would be forked from it. */
function serves({ groups }: Candidate, packages: ReadonlySet<PackageKey>): boolean {
  return groups.some((group) => group.packages.size === packages.size && group.packages.isSubsetOf(packages));
}

function allOf(place: Place, { added }: Candidate): PackageKey[] {
  return [...place.packages, ...added];
}

/** Which calls are forked from which zygote today; null is the root zygote. */
function placesOf(tree: readonly ZygoteNode[], { groups, costs }: Statistics): Map<number | null, Place> {
  const forkedFrom = matcher(tree, costs);
  const places = new Map<number | null, { packages: readonly PackageKey[]; groups: CallGroup[] }>();
  places.set(null, { packages: [], groups: [] });
  for (const { id, packages } of tree) places.set(id, { packages, groups: [] });
  for (const group of groups) {
    places.get(forkedFrom(group)?.id ?? null)?.groups.push(group);
  }
  return places;
}

/**
 * What is lost with each zygote, and with those below it gone before: by the calls that are forked there today, or by its
 * uses where that is more.
 */
function benefitsOf(tree: readonly ZygoteNode[], places: Places): Map<number, number> {
  // Calls that its uses stand for may be forgotten, or be those of a list that a tree was fitted to.
  const byUses = benefitsByUses(tree);
  const callsAt = ({ id }: ZygoteNode) =>
    places.get(id)?.groups.reduce((sum, { calls }) => sum + calls, 0) ?? 0;
  const calls = sumsBelow(tree, callsAt);
  const benefitOf = ({ id, importMs }: ZygoteNode) =>
    Math.max((calls.get(id) ?? 0) * importMs, byUses.get(id) ?? 0);
  return new Map(tree.map((node) => [node.id, benefitOf(node)]));
}

/** Whom to end so that the candidate has room; null where that is not possible, or not worth it. */
function roomFor(
  tree: readonly ZygoteNode[],
  benefits: ReadonlyMap<number, number>,
  candidate: Candidate,
  parent: number | null,
  freeKb: number,
): number[] | null {
  const overKb = candidate.cost.kb - freeKb;
  if (overKb <= 0) return [];
  const benefitOf = ({ id }: ZygoteNode) => benefits.get(id) ?? 0;
  const gone = new Set(evict(tree, overKb, { benefitOf, keep: new Set(parent === null ? [] : [parent]) }));
  const nodes = tree.filter(({ id }) => gone.has(id));
  const freedKb = nodes.reduce((sum, { kb }) => sum + kb, 0);
  const lostMs = nodes.reduce((sum, node) => sum + benefitOf(node), 0);
  return freedKb >= overKb && candidate.benefitMs > lostMs * MARGIN ? [...gone] : null;
}
