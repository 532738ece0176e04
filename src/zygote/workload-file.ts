import { z } from 'zod';
import { OlError } from '../errors.ts';
import type { Costs, PackageCost } from './costs.ts';
import { Dependencies, type ImportTimes } from './dependencies.ts';
import { packageKey, readInput } from './input-file.ts';
import type { CallGroup, Requires, Statistics } from './statistics.ts';
import { nameOf, type PackageKey, setKey } from './tree.ts';

/** Functions and what their packages cost to import, as the policies take it. */
export interface Workload {
  readonly functions: readonly WorkloadFunction[];
  readonly costs: Costs;
  readonly requires: Requires;
  /** The names of what packages import, as `Dependencies` guesses it. */
  readonly imports: ReadonlyMap<PackageKey, readonly string[]>;
  /** Packages that the costs have nothing of, sorted. */
  readonly unknown: readonly PackageKey[];
}

export interface WorkloadFunction extends CallGroup {
  readonly name: string;
}

const text = z.string('a text is expected').min(1, 'a text is expected');
const figure = z.number('a number is expected').min(0, 'a number from 0 on is expected');

const functionsSchema = z.array(
  z.strictObject({
    name: text,
    requirements: z.array(packageKey, 'a list of `<name>==<version>` is expected'),
    imports: z.array(text, 'a list of modules is expected').default([]),
    calls: figure.default(1),
  }),
  'a list of functions is expected',
);

/** Other keys may be there, for other readers. */
const costsSchema = z.record(
  packageKey,
  z.object({ top: z.array(text), import_ms: figure, self_ms: figure, import_mb: figure }),
  'an object with a key for each package is expected',
);

type Costed = z.output<typeof costsSchema>;
type Listed = z.output<typeof functionsSchema>[number];

/** Reads a list of functions, and what is known of their packages. Throws ERR_FILE_INVALID. */
export function readWorkload(functionsFile: string, costsFile: string | null): Workload {
  const functions = readInput(functionsFile, functionsSchema);
  if (functions.length === 0) {
    throw new OlError('ERR_FILE_INVALID', {
      path: functionsFile,
      reason: 'at least one function is expected',
    });
  }
  const costed = costsFile === null ? {} : readInput(costsFile, costsSchema);
  const lists = functions.map(({ requirements }) => requirements);
  const times: ImportTimes = new Map(Object.entries(costed).map(([key, { import_ms }]) => [key, import_ms]));
  const dependencies = new Dependencies(lists, times);
  const asked = new Set(lists.flat());
  return {
    functions: functions.map((one) => ({
      name: one.name,
      packages: new Set(one.requirements),
      loads: new Set(costsFile === null ? one.requirements : loadsOf(one, costed, dependencies)),
      calls: one.calls,
    })),
    costs: costsOf(costed, dependencies),
    requires: (key, among) => dependencies.of(key, [...among]),
    imports: new Map(Object.keys(costed).map((key) => [key, dependencies.usual(key).map(nameOf).sort()])),
    unknown: [...asked].filter((key) => costed[key] === undefined).sort(),
  };
}

/** What the policies are told of a workload: functions with the same packages and imports as one group. */
export function statisticsOf({ functions, costs, requires }: Workload): Statistics {
  const groups = new Map<string, CallGroup>();
  for (const { packages, loads, calls } of functions) {
    const key = `${setKey(packages)} / ${setKey(loads)}`;
    groups.set(key, { packages, loads, calls: calls + (groups.get(key)?.calls ?? 0) });
  }
  return { groups: [...groups.values()], costs, requires };
}

/** The packages that its imports bring, as far as they are among its own. */
function loadsOf(
  { requirements, imports }: Listed,
  costed: Costed,
  dependencies: Dependencies,
): PackageKey[] {
  const modules = new Set(imports);
  const wanted = requirements.filter(
    (key) => costed[key] === undefined || costed[key].top.some((one) => modules.has(one)),
  );
  const loaded = new Set(wanted.flatMap((key) => [key, ...dependencies.of(key, requirements)]));
  return requirements.filter((key) => loaded.has(key));
}

/**
 * Importing is said to take so many MB, measured in a process by itself. So much of that is a zygote's own; the rest is of files,
 * which all processes share, or was there before. It is a straight line (with `ZYGOTE_KB`) through what 224 zygotes took.
 */
const OWN_KB_PER_MB = 0.75 * 1024;

/** Takes each package's time apart into its own share, its dependencies', and the rest: the standard library's. */
function costsOf(costed: Costed, dependencies: Dependencies): Costs {
  const costs = new Map<PackageKey, PackageCost>();
  for (const [key, { import_ms: ms, self_ms: selfMs, import_mb: mb }] of Object.entries(costed)) {
    const others = dependencies.usual(key).reduce((sum, one) => sum + (costed[one]?.self_ms ?? 0), 0);
    const sharedMs = Math.max(0, ms - selfMs - others);
    // Memory is measured with all that an import brings; it is taken to go with the time.
    const part = (share: number) => (ms === 0 ? 0 : Math.min(1, share / ms) * mb * OWN_KB_PER_MB);
    costs.set(key, { selfMs, sharedMs, selfKb: part(selfMs), sharedKb: part(sharedMs) });
  }
  return costs;
}
