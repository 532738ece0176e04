import type { WriteStream } from 'node:tty';

/** Does `work` and returns its result, with one line on `stream` (stderr) that says `label` and how it went. */
export function step<T>(
  label: string,
  work: () => T | Promise<T>,
  options?: { stream?: WriteStream; env?: NodeJS.ProcessEnv },
): Promise<T>;
