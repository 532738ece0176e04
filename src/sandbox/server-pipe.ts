import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { OlError } from '../errors.ts';
import { inTime } from '../in-time.ts';
import { hasUnread } from '../linux/sockets.ts';
import { type AnswerHead, parseAnswerHead } from './answer-head.ts';
import type { SandboxRequest, SandboxResponse } from './sandbox.ts';

const MAX_HEAD_BYTES = 16 * 1024;
/** Up to this size, copying a body costs less than a second buffer in the system call. */
const JOINED_BYTES = 16 * 1024;
/** How long what is under way on the connection of processes that have ended may take to arrive. */
const LAST_BYTES_MS = 1000;
const HEAD_END = Buffer.from('\r\n\r\n');
/** What comes in is read into this, one chunk at a time, of whichever connection. What is kept of it is copied. */
const chunkBuffer = Buffer.allocUnsafeSlow(64 * 1024);

interface Exchange {
  readonly request: SandboxRequest;
  readonly resolve: (response: SandboxResponse) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
  /** What came so far: first the head's parts, then the body's. */
  chunks: Buffer[];
  received: number;
  head: AnswerHead | null;
}

/**
 * What ended a connection. `closed` is how a dying sandbox looks from here; `unread`, one that died before it had read the
 * whole request, so that no handler has seen it.
 */
export type PipeFailure = 'closed' | 'unread' | 'timeout' | 'too-large' | 'protocol';

/** A connection's end, with what the sandbox did. */
export class PipeError extends Error {
  readonly failure: PipeFailure;

  constructor(failure: PipeFailure, detail: string) {
    super(detail);
    this.name = 'PipeError';
    this.failure = failure;
  }
}

/**
 * The worker's end of `server_pipe`: HTTP/1.1 over a connection that is kept, one exchange at a time.
 *
 * What comes back is written by code that is not trusted. So only the answers that the runtime gives are understood
 * (three statuses, a Content-Length, nothing before the question and nothing after the answer), everything is
 * bounded, and the first thing that does not fit ends the connection for good.
 */
export class ServerPipe {
  /** Resolves when the connection is closed, by whichever end, and its last exchange is settled. Never rejects. */
  readonly closed: Promise<void>;
  readonly #fd: number;
  readonly #socket: Socket;
  #exchange: Exchange | null = null;
  #hasAnswered = false;
  #failure: PipeError | null = null;

  /** Takes over `fd`, a connected stream socket. */
  constructor(fd: number) {
    this.#fd = fd;
    const callback = (length: number) => this.#receive(chunkBuffer.subarray(0, length));
    this.#socket = new Socket({
      fd,
      readable: true,
      writable: true,
      onread: { buffer: chunkBuffer, callback },
    });
    this.#socket.resume();
    this.#socket.on('error', (error) => this.#fail(new PipeError(meaningOf(error), error.message)));
    this.#socket.on('end', () => this.#peerClosed());
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#socket.on('close', () => {
      this.#fail(new PipeError('closed', 'the connection was closed'));
      resolve();
    });
  }

  /** Sends the event; rejects with a PipeError, after which the connection is closed. */
  exchange(request: SandboxRequest): Promise<SandboxResponse> {
    if (this.#failure !== null) return Promise.reject(new PipeError('unread', this.#failure.message));
    if (this.#exchange !== null)
      throw new OlError('ERR_INTERNAL', { reason: 'two requests at once for one sandbox' });
    return new Promise((resolve, reject) => {
      const late = () => this.#fail(new PipeError('timeout', `no answer within ${request.timeoutMs} ms`));
      const timer = setTimeout(late, request.timeoutMs);
      this.#exchange = { request, resolve, reject, timer, chunks: [], received: 0, head: null };
      this.#send(request.body);
    });
  }

  /** True while there is a request that the sandbox has not read yet. */
  isUnread(): boolean {
    // A connection that is being closed has no descriptor any more, and its number may be another's.
    return this.#exchange !== null && !this.#socket.destroyed && hasUnread(this.#fd);
  }

  /** `failure` is what the exchange that is under way rejects with. */
  close(failure: PipeFailure = 'closed'): void {
    this.#fail(new PipeError(failure, 'the worker closed the connection'));
  }

  /**
   * To be called when the sandbox's processes have ended. With the last process that has it, the kernel closes the other end, and
   * tells of it after all that was sent: an answer, or that the request was never read. None of it must be lost because the
   * processes' end is told first.
   */
  async closedByPeer(): Promise<void> {
    await inTime(this.closed, LAST_BYTES_MS, () => this.close('unread'));
    await this.closed;
  }

  /**
   * An exchange that is under way by now is settled by what the socket tells next: that nobody was there to take its request, or
   * no more. One that begins before `close` comes would be told of nothing, and must not be begun.
   */
  #peerClosed(): void {
    if (this.#exchange === null) this.#fail(new PipeError('closed', 'the connection was closed'));
  }

  #send(body: Buffer): void {
    const head = `POST / HTTP/1.1\r\nHost: sandbox\r\nContent-Length: ${body.length}\r\n\r\n`;
    // Latin-1 keeps every byte as it is; one string is one system call, which wakes the sandbox once.
    if (body.length <= JOINED_BYTES) return this.#sendText(head + body.toString('latin1'));
    this.#socket.cork();
    this.#socket.write(head, 'latin1');
    this.#socket.write(body);
    this.#socket.uncork();
  }

  /** Straight to the kernel, which has room for it: a stream would take as long again. */
  #sendText(text: string): void {
    // Of a large request that was answered before it was read, some may still be on its way.
    const written = this.#socket.writableLength > 0 ? 0 : this.#writeNow(text);
    if (this.#failure === null && written < text.length) this.#socket.write(text.slice(written), 'latin1');
  }

  /** How much the kernel took; where there is nobody to take it, that is the end of the connection. */
  #writeNow(text: string): number {
    try {
      return writeSync(this.#fd, text, null, 'latin1');
    } catch (error) {
      const known = error as NodeJS.ErrnoException;
      if (known.code !== 'EAGAIN') this.#fail(new PipeError(meaningOf(known), known.message));
      return 0;
    }
  }

  /** True where more may come; `chunk` is overwritten by the next one. */
  #receive(chunk: Buffer): boolean {
    const exchange = this.#exchange;
    if (exchange === null) {
      this.#protocolError('it sent bytes that nobody had asked for');
      return false;
    }
    // An answer to an earlier question, sent twice, would be taken for the one to this: each call from then on would get
    // that of the call before.
    if (exchange.received === 0 && hasUnread(this.#fd)) {
      this.#protocolError('it answered before it had read the question');
      return false;
    }
    exchange.chunks.push(Buffer.from(chunk));
    exchange.received += chunk.length;
    if (exchange.head !== null || this.#readHead(exchange)) this.#readBody(exchange);
    return this.#failure === null;
  }

  /** True when the head is complete and understood. */
  #readHead(exchange: Exchange): boolean {
    const data = joined(exchange.chunks);
    const end = data.indexOf(HEAD_END);
    if (end < 0) {
      if (data.length > MAX_HEAD_BYTES)
        this.#protocolError(`its header is longer than ${MAX_HEAD_BYTES} bytes`);
      exchange.chunks = [data];
      return false;
    }
    exchange.head = this.#parseHead(data.toString('latin1', 0, end), exchange.request);
    const body = data.subarray(end + HEAD_END.length);
    exchange.chunks = [body];
    exchange.received = body.length;
    return exchange.head !== null;
  }

  #parseHead(text: string, { responseMaxBytes }: SandboxRequest): AnswerHead | null {
    const head = parseAnswerHead(text, !this.#hasAnswered);
    if (head === null) {
      this.#protocolError('its header is not an answer of ours');
      return null;
    }
    if (head.bodyBytes <= responseMaxBytes) return head;
    this.#fail(new PipeError('too-large', `a response of ${head.bodyBytes} bytes`));
    return null;
  }

  #readBody(exchange: Exchange): void {
    const { head, received } = exchange;
    if (head === null || received < head.bodyBytes) return;
    if (received > head.bodyBytes) return this.#protocolError('it sent more than the answer');
    this.#exchange = null;
    this.#hasAnswered = true;
    clearTimeout(exchange.timer);
    const { status, loadedAt, tookMs } = head;
    exchange.resolve({ status, body: joined(exchange.chunks), loadedAt, tookMs });
  }

  #protocolError(detail: string): void {
    this.#fail(new PipeError('protocol', detail));
  }

  #fail(error: PipeError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#socket.destroy();
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange === null) return;
    clearTimeout(exchange.timer);
    exchange.reject(error);
  }
}

/** The kernel says EPIPE where nobody was left to take the request, ECONNRESET where some of it was never read. */
function meaningOf({ code }: NodeJS.ErrnoException): PipeFailure {
  return code === 'EPIPE' || code === 'ECONNRESET' ? 'unread' : 'closed';
}

function joined(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}
