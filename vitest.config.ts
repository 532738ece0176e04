import { defineConfig } from 'vitest/config';

/** Guards against a test that hangs, so far above what any of them takes that a slow machine does not matter. */
const HANG_MS = 120_000;

/**
 * `order` runs the kinds one after the other, the quickest to tell first. Only unit tests share the machine: the
 * others make sandboxes and workers, and look afterwards whether anything is left.
 */
function kind(name: string, order: number, maxWorkers?: number) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: HANG_MS,
      hookTimeout: HANG_MS,
      sequence: { groupOrder: order },
      ...(maxWorkers === undefined ? {} : { maxWorkers }),
    },
  };
}

export default defineConfig({
  test: {
    pool: 'forks', // real processes: descriptors, signals and the working directory are each file's own
    projects: [kind('unit', 0), kind('contract', 1, 1), kind('integration', 2, 1)],
  },
});
