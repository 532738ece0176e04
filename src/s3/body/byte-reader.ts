import { S3Error } from '../errors.ts';

const NOTHING = Buffer.alloc(0);

/** Reads lines and bytes in turn from what comes in pieces of any size. */
export class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer = NOTHING;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Up to `\r\n`, without it, as Latin-1. Throws IncompleteBody where there is none within `maxBytes`. */
  async line(maxBytes: number): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf('\r\n');
      if (end > maxBytes || (end === -1 && this.#held.length > maxBytes + 1)) break;
      if (end !== -1) {
        const line = this.#held.toString('latin1', 0, end);
        this.#held = this.#held.subarray(end + 2);
        return line;
      }
      if (!(await this.#more())) break;
    }
    throw new S3Error('IncompleteBody', 'a line of aws-chunked is too long or cut off');
  }

  /** From 1 to `maxBytes` bytes. Throws IncompleteBody at the end. */
  async some(maxBytes: number): Promise<Buffer> {
    if (this.#held.length === 0 && !(await this.#more())) throw new S3Error('IncompleteBody');
    const taken = this.#held.subarray(0, maxBytes);
    this.#held = this.#held.subarray(taken.length);
    return taken;
  }

  async isAtEnd(): Promise<boolean> {
    return this.#held.length === 0 && !(await this.#more());
  }

  /** Adds the next piece that has something in it to what is held; false at the end. */
  async #more(): Promise<boolean> {
    for (;;) {
      const next = await this.#source.next();
      if (next.done === true) return false;
      if (next.value.length === 0) continue;
      this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
      return true;
    }
  }
}
