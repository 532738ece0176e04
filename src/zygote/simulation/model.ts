/**
 * What a call and a zygote take in the simulation: CPU time and memory. The import times are those of the workload; the rest
 * is constants, of the size that they are measured to have (docs/benchmarks.md). The model is there to tell policies
 * apart, and knows nothing of disks, page caches or the noise of a machine.
 */
import { type Cost, type Costs, costOfAdding, sharedCost, ZYGOTE_KB } from '../costs.ts';
import type { PackageKey } from '../tree.ts';

/** A cold call of a function that imports nothing, from a zygote. */
const CALL_MS = 6;
/** The same without a zygote: an interpreter and the runtime are started. */
const INTERPRETER_MS = 25;
/** A larger process takes longer to fork: page tables are copied, and pages when they are written to. */
const FORK_MS_PER_MB = 0.2;
/** A zygote beyond its imports: namespaces, a fork, telling the worker. */
const ZYGOTE_MS = 25;

/** What a zygote shows of itself: what is imported in it, all in all. */
export interface Origin {
  readonly packages: readonly PackageKey[];
  /** With all that it shares with its parents. */
  readonly totalKb: number;
}

export const ROOT: Origin = { packages: [], totalKb: 0 };

/** CPU time of a call of a function that loads these packages; a null origin starts an interpreter. */
export function callMs(costs: Costs, loads: Iterable<PackageKey>, origin: Origin | null): number {
  if (origin === null) return INTERPRETER_MS + CALL_MS + importing(costs, loads, ROOT.packages).ms;
  const forking = (origin.totalKb / 1024) * FORK_MS_PER_MB;
  return CALL_MS + forking + importing(costs, loads, origin.packages).ms;
}

/** What importing takes where some packages are there already. */
export function importing(costs: Costs, loads: Iterable<PackageKey>, there: readonly PackageKey[]): Cost {
  const known = new Set(there);
  const missing = [...loads].filter((key) => !known.has(key));
  return costOfAdding(costs, missing, sharedCost(costs, there));
}

/** What a zygote saves each call, and the memory that it holds. */
export function zygoteCost(costs: Costs, added: readonly PackageKey[], parent: Origin): Cost {
  const { ms, kb } = importing(costs, added, parent.packages);
  return { ms, kb: kb + ZYGOTE_KB };
}

/** CPU time to make a zygote whose imports take so long. */
export function makeMs(importMs: number): number {
  return importMs + ZYGOTE_MS;
}
