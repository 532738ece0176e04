import { afterAll, beforeAll, describe, test } from 'vitest';
import { NO_DOCKER, TestDockerd } from './test-dockerd.ts';

export { NO_DOCKER, TEST_IMAGE, TestDockerd } from './test-dockerd.ts';

/**
 * Tests that need a Docker daemon: one for all of them. Read `.current` in the tests. Without dockerd, one test stands for them
 * that is skipped.
 */
export function describeWithDocker(
  title: string,
  tests: (dockerd: { readonly current: TestDockerd }) => void,
): void {
  describe(title, () => {
    if (NO_DOCKER !== null) return test('runs', ({ skip }) => skip(NO_DOCKER ?? ''));
    let dockerd: TestDockerd | null = null;
    beforeAll(async () => {
      dockerd = await TestDockerd.start();
    });
    afterAll(async () => {
      await dockerd?.[Symbol.asyncDispose]();
    });
    tests({
      get current(): TestDockerd {
        if (dockerd === null) throw new Error('the Docker daemon did not start');
        return dockerd;
      },
    });
  });
}
