const LATE = Symbol('late');

/**
 * What is awaited, or what `late` returns (or throws) where that has not come within `ms`. What is awaited goes on all the
 * same; nobody is told then if it fails.
 */
export async function inTime<T, L>(awaited: Promise<T>, ms: number, late: () => L): Promise<T | L> {
  const timer = Promise.withResolvers<typeof LATE>();
  const timeout = setTimeout(timer.resolve, ms, LATE);
  try {
    const first = await Promise.race([awaited, timer.promise]);
    return first === LATE ? late() : first;
  } finally {
    clearTimeout(timeout);
  }
}
