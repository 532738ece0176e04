/** To be told of what a sandbox does; each may be told again. */
export interface Watched {
  run(): void;
  rest(): void;
  end(): void;
}

export const NOT_WATCHED: Watched = { run: () => {}, rest: () => {}, end: () => {} };

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
