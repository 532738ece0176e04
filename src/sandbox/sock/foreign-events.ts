import { Socket } from 'node:net';
import { z } from 'zod';

const id = z.int().min(0);
/** CLOCK_MONOTONIC in ns. */
const time = z.number();

/** What a package zygote may tell, and its sandboxes on their way; foreign code can write on the same stream. */
const foreignEvent = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('forked'), id }),
  z.strictObject({ event: z.literal('waiting'), id }),
  z.strictObject({ event: z.literal('started'), id, times: z.tuple([time, time, time]) }),
  z.strictObject({
    event: z.literal('failed'),
    id,
    step: z.string(),
    error: z.string(),
    module: z.int().min(0).optional(),
  }),
  z.strictObject({
    event: z.literal('imported'),
    id,
    us: z.int().min(0),
    tasks: z.int().min(1),
    loaded: z.array(z.array(z.int().min(0))),
  }),
]);

export type ForeignEvent = z.output<typeof foreignEvent>;

/** A line is at most as long as the text of an error, all of it escaped. */
const MAX_LINE = 64 * 1024;
const LINE_END = 0x0a;

export interface ForeignListener {
  event(event: ForeignEvent): void;
  /** What came is no event; nothing more is read. */
  broken(reason: string): void;
}

/** Reads the event stream of a package zygote, with suspicion. */
export class ForeignEvents {
  readonly #socket: Socket;
  readonly #listener: ForeignListener;
  #rest: Buffer = Buffer.alloc(0);

  /** Takes over `fd`, a connected stream socket. */
  constructor(fd: number, listener: ForeignListener) {
    this.#listener = listener;
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    // Its other end is closed by the death of whoever has it, which is told elsewhere.
    this.#socket.on('error', () => this.close());
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    let text = Buffer.concat([this.#rest, chunk]);
    for (let end = text.indexOf(LINE_END); end >= 0; end = text.indexOf(LINE_END)) {
      if (!this.#tell(text.toString('utf8', 0, end))) return;
      text = text.subarray(end + 1);
    }
    this.#rest = text;
    if (text.length > MAX_LINE) this.#break(`an event of more than ${MAX_LINE} bytes`);
  }

  #tell(line: string): boolean {
    const event = parse(line);
    if (event === null) this.#break(`'${line.slice(0, 100)}' is no event`);
    else this.#listener.event(event);
    return event !== null;
  }

  #break(reason: string): void {
    this.close();
    this.#listener.broken(reason);
  }
}

function parse(line: string): ForeignEvent | null {
  try {
    return foreignEvent.parse(JSON.parse(line));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return null;
    throw error;
  }
}
