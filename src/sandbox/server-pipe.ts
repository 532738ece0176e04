import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { OlError } from '../errors.ts';
import { inTime } from '../in-time.ts';
import { hasUnread } from '../linux/sockets.ts';
import { AnswerReader } from './answer-reader.ts';
import { Deadline } from './deadline.ts';
import { PipeError, type PipeFailure } from './pipe-error.ts';
import { nextRequestId } from './request-id.ts';
import type { SandboxRequest, SandboxResponse } from './sandbox.ts';

/** Up to this size, copying a body costs less than a second buffer in the system call. */
const JOINED_BYTES = 16 * 1024;
/** How long what is under way on the connection of processes that have ended may take to arrive. */
const LAST_BYTES_MS = 1000;
/** What comes in is read into this, one chunk at a time, of whichever connection. What is kept of it is copied. */
const chunkBuffer = Buffer.allocUnsafeSlow(64 * 1024);

interface Exchange {
  readonly answer: AnswerReader;
  readonly resolve: (response: SandboxResponse) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The worker's end of `server_pipe`: HTTP/1.1 over a connection that is kept, one exchange at a time.
 *
 * What comes back is written by code that is not trusted. So only the answers that the runtime gives are understood
 * (three statuses, a Content-Length, the id of the request, nothing before the question and nothing after the answer),
 * everything is bounded, and the first thing that does not fit ends the connection for good.
 */
export class ServerPipe {
  /** Resolves when the connection is closed, by whichever end, and its last exchange is settled. Never rejects. */
  readonly closed: Promise<void>;
  readonly #fd: number;
  readonly #socket: Socket;
  readonly #deadline = new Deadline((ms) =>
    this.#fail(new PipeError('timeout', `no answer within ${ms} ms`)),
  );
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
    const { body, timeoutMs, responseMaxBytes: maxBytes } = request;
    const { promise, resolve, reject } = Promise.withResolvers<SandboxResponse>();
    const requestId = nextRequestId();
    const answer = new AnswerReader({ requestId, maxBytes, isFirst: !this.#hasAnswered });
    this.#exchange = { answer, resolve, reject };
    this.#deadline.set(timeoutMs);
    this.#send(requestId, body);
    return promise;
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

  #send(requestId: string, body: Buffer): void {
    const head = `POST / HTTP/1.1\r\nHost: sandbox\r\nX-Request-Id: ${requestId}\r\nContent-Length: ${body.length}\r\n\r\n`;
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
    if (this.#exchange === null)
      this.#fail(new PipeError('protocol', 'it sent bytes that nobody had asked for'));
    else this.#read(this.#exchange, chunk);
    return this.#failure === null;
  }

  #read({ answer, resolve }: Exchange, chunk: Buffer): void {
    try {
      const response = answer.add(chunk);
      if (response === null) return;
      this.#exchange = null;
      this.#hasAnswered = true;
      this.#deadline.clear();
      resolve(response);
    } catch (error) {
      if (!(error instanceof PipeError)) throw error;
      this.#fail(error);
    }
  }

  #fail(error: PipeError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#deadline.close();
    this.#socket.destroy();
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.reject(error);
  }
}

/** The kernel says EPIPE where nobody was left to take the request, ECONNRESET where some of it was never read. */
function meaningOf({ code }: NodeJS.ErrnoException): PipeFailure {
  return code === 'EPIPE' || code === 'ECONNRESET' ? 'unread' : 'closed';
}
