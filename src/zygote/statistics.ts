import { type Cost, type Costs, learnCosts, type PackageCost } from './costs.ts';
import { type PackageKey, setKey } from './tree.ts';

/** Calls that are the same to the import cache: of all functions with these packages. */
export interface CallGroup {
  /** All that the function may import: its lock. */
  readonly packages: ReadonlySet<PackageKey>;
  /**
   * What it does import, whatever that imports included: a part of `packages`. Where nobody has looked yet, all of them.
   */
  readonly loads: ReadonlySet<PackageKey>;
  /** Cold starts, older ones counting less. A call that a paused sandbox answers needs no zygote, and is not counted. */
  readonly calls: number;
}

/** What importing a package imports, of these. */
export type Requires = (key: PackageKey, among: ReadonlySet<PackageKey>) => Iterable<PackageKey>;

/** What the policies know of the calls, and of the packages. */
export interface Statistics {
  readonly groups: readonly CallGroup[];
  readonly costs: Costs;
  /** Default: nobody knows of anything. */
  readonly requires?: Requires | undefined;
}

/** Every so many cold starts, all earlier ones count half: what was popular last week gives way. */
const HALVE_AFTER = 5000;
/** What counts less is forgotten, so that the memory for it is bounded: a single call after four halvings. */
const FORGET_BELOW = 0.1;

/** Gathers what is called. Owned by the import cache of a worker, or by a simulation. */
export class CallStatistics implements Statistics {
  readonly #groups = new Map<string, CallGroup>();
  readonly #costs: Map<PackageKey, PackageCost>;
  readonly requires: Requires | undefined;
  #sinceHalved = 0;

  constructor(costs: Costs = new Map(), requires?: Requires) {
    this.#costs = new Map(costs);
    this.requires = requires;
  }

  get groups(): readonly CallGroup[] {
    return [...this.#groups.values()];
  }

  get costs(): Costs {
    return this.#costs;
  }

  /** Counts a cold start. The latest word on what it loads holds. */
  noteCall(packages: ReadonlySet<PackageKey>, loads: ReadonlySet<PackageKey> = packages): void {
    const key = setKey(packages);
    const calls = (this.#groups.get(key)?.calls ?? 0) + 1;
    this.#groups.set(key, { packages, loads: packages.intersection(loads), calls });
    if (++this.#sinceHalved >= HALVE_AFTER) this.#halve();
  }

  /** Takes in what somebody else has measured, of packages that nobody has measured here. */
  noteCosts(costs: Costs): void {
    for (const [key, cost] of costs) if (!this.#costs.has(key)) this.#costs.set(key, cost);
  }

  /** Takes in what importing these packages was measured to cost where others were there, the zygote itself not counted. */
  noteImport(added: readonly PackageKey[], measured: Cost, there: Iterable<PackageKey> = []): void {
    for (const [key, cost] of learnCosts(this.#costs, added, measured, there)) this.#costs.set(key, cost);
  }

  #halve(): void {
    this.#sinceHalved = 0;
    for (const [key, group] of this.#groups) {
      const calls = group.calls / 2;
      if (calls < FORGET_BELOW) this.#groups.delete(key);
      else this.#groups.set(key, { ...group, calls });
    }
  }
}
