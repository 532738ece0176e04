/**
 * Why one reading of a function's code came to nothing, although the next may not: control flow inside this room, which
 * never leaves it.
 *
 * - writer: somebody has the file open for writing
 * - changed: it changed while it was read
 * - quiet: it was written so recently that a change could not be told by its time; read it again after `waitMs`
 */
export type Why = 'writer' | 'changed' | 'quiet';

export class Interrupted extends Error {
  readonly why: Why;
  readonly path: string;
  readonly waitMs: number;

  constructor(why: Why, path: string, waitMs = 0, options?: { cause?: unknown }) {
    super(`${path}: ${why}`, options);
    this.name = 'Interrupted';
    this.why = why;
    this.path = path;
    this.waitMs = waitMs;
  }
}
