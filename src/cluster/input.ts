import { readFileSync } from 'node:fs';

/**
 * How a process in the background is given what others must not see: on its standard input. So it is in no list of processes,
 * in no environment, and on no disk.
 */
const INPUT_ENV = 'OL_INPUT';

/** For the environment of a process that is given something. */
export const HAS_INPUT = { [INPUT_ENV]: 'stdin' } as const;

/** What this process was given; null for nothing. Takes the variable out of the environment. */
export function takeInput(env: NodeJS.ProcessEnv): string | null {
  const isGiven = env[INPUT_ENV] !== undefined;
  delete env[INPUT_ENV];
  return isGiven ? readFileSync(0, 'utf8') : null;
}
