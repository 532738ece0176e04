import { defineConfig } from 'vitest/config';
import { SLOWNESS } from './test/helpers/poll.ts';

/** Guards against a test that hangs, so far above what any of them takes that a slow machine does not matter. */
const HANG_MS = 120_000 * SLOWNESS;

/**
 * `order` runs the kinds one after the other, the quickest to tell first. It starts at 1: at 0, vitest moves a kind that
 * has one worker to the end.
 */
function kind(name: string, order: number, maxWorkers: number | string) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      // Skips what means nothing in the cell of the matrix that is running; nothing outside of `npm run test:all`.
      setupFiles: name === 'integration' ? ['test/matrix/skips.ts'] : [],
      testTimeout: HANG_MS,
      hookTimeout: HANG_MS,
      expect: { poll: { timeout: HANG_MS / 2 } },
      maxWorkers,
      sequence: { groupOrder: order },
    },
  };
}

export default defineConfig({
  test: {
    globalSetup: ['test/helpers/dead-workers.ts'],
    pool: 'forks', // real processes: descriptors, signals and the working directory are each file's own
    // Only unit tests share the machine: the others make sandboxes and workers, and look whether anything is left.
    projects: [
      kind('unit', 1, '100%'),
      kind('contract', 2, 1),
      kind('integration', 3, 1),
      kind('hostile', 4, 1),
      kind('faults', 5, 1),
    ],
  },
});
