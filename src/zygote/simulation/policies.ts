import type { Costs } from '../costs.ts';
import { fitTree } from '../fit.ts';
import { type TreeFileNode, toTreeFile } from '../tree-file.ts';
import { statisticsOf, type Workload } from '../workload-file.ts';

/** What a worker would do with zygotes. */
export interface Policy {
  readonly name: string;
  /** False: each call starts an interpreter. */
  readonly forks: boolean;
  /** Zygotes are made as calls come in: beside them, or each first, with the call waiting for it; or not at all. */
  readonly learns: 'beside' | 'first' | null;
  /** Zygotes that are there from the start. */
  readonly tree: TreeFileNode | null;
  /** What is known of packages beforehand; what is not is learned when zygotes are made. */
  readonly known: Costs;
}

interface Kind {
  readonly about: string;
  make(workload: Workload, budgetKb: number, given: TreeFileNode | null): Omit<Policy, 'name'>;
}

const FRESH = { forks: true, learns: null, tree: null, known: new Map() };

/** The policies by name, with what each is, the simplest first. */
const KINDS = {
  none: { about: 'each call starts an interpreter', make: () => ({ ...FRESH, forks: false }) },
  root: { about: 'each call is forked from the root zygote', make: () => FRESH },
  learned: {
    about: 'a call makes the zygote that it is missing, and is forked from it',
    make: () => ({ ...FRESH, learns: 'first' }),
  },
  'learned-beside': {
    about: 'calls do not wait: zygotes are made beside them, one at a time',
    make: () => ({ ...FRESH, learns: 'beside' }),
  },
  fitted: {
    about: 'the tree of `admin fit` for this workload is there from the start',
    make: (workload, budgetKb) => ({ ...FRESH, tree: fitted(workload, budgetKb) }),
  },
  'fitted-learned': {
    about: 'that tree, and calls make what it is missing',
    make: (workload, budgetKb) => {
      const tree = fitted(workload, budgetKb);
      return { forks: true, learns: 'first', tree, known: workload.costs };
    },
  },
  tree: { about: 'the tree that --tree names', make: (_workload, _budgetKb, tree) => ({ ...FRESH, tree }) },
} as const satisfies Record<string, Kind>;

export type PolicyName = keyof typeof KINDS;

export const POLICY_NAMES = Object.keys(KINDS) as readonly PolicyName[];

/** One line about each policy, for the help. */
export const ABOUT_POLICIES: readonly (readonly [PolicyName, string])[] = POLICY_NAMES.map((name) => [
  name,
  KINDS[name].about,
]);

/** True where the budget makes a difference. */
export function usesBudget(name: PolicyName): boolean {
  return name.startsWith('learned') || name.startsWith('fitted');
}

/** `given` is the tree of the policy `tree`. */
export function makePolicy(
  name: PolicyName,
  workload: Workload,
  budgetKb: number,
  given: TreeFileNode | null,
): Policy {
  const kind: Kind = KINDS[name];
  return { name, ...kind.make(workload, budgetKb, given) };
}

function fitted(workload: Workload, budgetKb: number): TreeFileNode {
  return toTreeFile(fitTree(statisticsOf(workload), budgetKb));
}
