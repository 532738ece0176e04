import { writeSync } from 'node:fs';

const NEWLINE = Buffer.from('\n');
const WARN = 40;
/** A pipe whose reader is slow. */
const PIPE_PATIENCE_MS = 100;

/**
 * Where the lines of a log go. One that can't be written, as on a full disk, is no reason to end: it is lost, and how many
 * were is told as soon as there is room again. So no line is held back, and a reader that hangs holds up nobody for long.
 */
export class LogDestination {
  readonly #fd: number;
  #lost = 0;
  /** The last line was cut off in the middle. */
  #isCut = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    if ((this.#lost === 0 || this.#put(this.#lostLine())) && this.#put(Buffer.from(line))) return;
    this.#lost++;
  }

  #lostLine(): Buffer {
    const msg = 'lines of the log are lost: it could not be written';
    const text = `${JSON.stringify({ level: WARN, time: Date.now(), lost: this.#lost, msg })}\n`;
    return Buffer.from(text);
  }

  /** True where all of it is written; then nothing is lost any more. */
  #put(line: Buffer): boolean {
    let rest = this.#isCut ? Buffer.concat([NEWLINE, line]) : line;
    const length = rest.length;
    const end = performance.now() + PIPE_PATIENCE_MS;
    while (rest.length > 0) {
      const written = this.#try(rest, end);
      if (written === null) break;
      rest = rest.subarray(written);
    }
    const isWhole = rest.length === 0;
    if (rest.length < length) this.#isCut = !isWhole;
    if (isWhole) this.#lost = 0;
    return isWhole;
  }

  /** How much of it was written; null where it can't be. */
  #try(data: Buffer, end: number): number | null {
    try {
      return writeSync(this.#fd, data);
    } catch (error) {
      const isFull = (error as NodeJS.ErrnoException).code === 'EAGAIN';
      if (isFull && performance.now() < end) return 0;
      return null;
    }
  }
}
