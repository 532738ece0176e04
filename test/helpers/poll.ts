/** How many times as long as on a usual machine things take; test/vm sets it. */
export const SLOWNESS = Number(process.env.OL_TEST_SLOWNESS ?? 1);

/** Far above what anything here takes, so that a slow machine does not matter. */
const LONG_MS = 30_000 * SLOWNESS;
const EVERY_MS = 10;

/** Asks again and again until the answer is there (neither null nor false), and returns it. Fails after half a minute or more. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null | false> | T | null | false,
): Promise<T> {
  const end = performance.now() + LONG_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`after ${LONG_MS} ms there is still no ${what}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
