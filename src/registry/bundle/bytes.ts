import { Refused } from './refused.ts';

const NOTHING = Buffer.alloc(0);

/** Reads a stream in the pieces that the reader wants. */
export class Bytes {
  readonly #source: AsyncIterator<Buffer>;
  #left: Buffer = NOTHING;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** From 1 to `length` bytes; null at the end. */
  async some(length: number): Promise<Buffer | null> {
    while (this.#left.length === 0) {
      const next = await this.#source.next();
      if (next.done) return null;
      this.#left = next.value;
    }
    const piece = this.#left.subarray(0, length);
    this.#left = this.#left.subarray(piece.length);
    return piece;
  }

  /** So many bytes. Throws Refused where there are fewer. */
  async exactly(length: number): Promise<Buffer> {
    if (this.#left.length >= length && length > 0) return (await this.some(length)) as Buffer;
    const pieces: Buffer[] = [];
    for await (const piece of this.stream(length)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** So many bytes, as they come. Throws Refused where there are fewer. */
  async *stream(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      const piece = await this.some(left);
      if (piece === null) throw new Refused(null, 'is cut off: send the whole file again');
      left -= piece.length;
      yield piece;
    }
  }

  /** Ends the source, also before its end. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
