const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
export type AskSignal = (typeof SIGNALS)[number];

/** Waits for the first request to end; the second one does not wait for anybody. */
export function untilAsked(): Promise<AskSignal> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = (signal: AskSignal) => {
      // 130, as a shell has it for a program that ctrl-C ended.
      if (asked) process.exit(130);
      asked = true;
      resolve(signal);
    };
    for (const signal of SIGNALS) process.on(signal, ask);
  });
}
