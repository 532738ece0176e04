export interface AllCalled {
  /** Of each call, in ms. */
  readonly times: readonly number[];
  /** From the first call to the last answer. */
  readonly seconds: number;
}

/** Calls each of `all` once, in order, by so many clients at the same time. Rejects with the first failure. */
export async function callAll<T>(
  all: readonly T[],
  clients: number,
  call: (one: T) => Promise<void>,
): Promise<AllCalled> {
  const times: number[] = [];
  const left = all.values();
  const start = performance.now();
  const client = async () => {
    for (const one of left) {
      const from = performance.now();
      await call(one);
      times.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { times, seconds: (performance.now() - start) / 1000 };
}
