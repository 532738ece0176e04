/** What `promise` gives, or the error of `late` where that takes longer than `limitMs`; `promise` goes on then. */
export async function withinWait<T>(promise: Promise<T>, limitMs: number, late: () => Error): Promise<T> {
  const { promise: limit, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), limitMs);
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
