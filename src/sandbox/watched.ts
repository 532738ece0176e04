/** To be told of what a sandbox does; each may be told again. */
export interface Watched {
  run(): void;
  rest(): void;
  end(): void;
}

export const NOT_WATCHED: Watched = { run: () => {}, rest: () => {}, end: () => {} };

/** It runs no more once it has ended: who gives it a request may not know of its end yet. */
export function untilEnd(run: () => void, rest: () => void): Watched {
  let hasEnded = false;
  return {
    run: () => {
      if (!hasEnded) run();
    },
    rest,
    end: () => {
      hasEnded = true;
      rest();
    },
  };
}

/** Tells each of them. */
export function together(all: readonly Watched[]): Watched {
  return {
    run: () => {
      for (const one of all) one.run();
    },
    rest: () => {
      for (const one of all) one.rest();
    },
    end: () => {
      for (const one of all) one.end();
    },
  };
}
