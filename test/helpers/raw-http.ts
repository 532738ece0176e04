import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { WorkerResponse } from '../../src/client/worker-client.ts';

/** A connection that says just what the test says, byte by byte. */
export class RawConnection implements Disposable {
  readonly #socket: Socket;
  #received = '';
  #ended = false;

  static async open(port: number, host = '127.0.0.1'): Promise<RawConnection> {
    const socket = connect({ host, port });
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.#received += text;
    });
    // A reset is an end as well; what came before it counts.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#ended = true;
    });
  }

  /** Lines end in \r\n on the wire; write \n. */
  sendHead(head: string): void {
    this.#socket.write(`${head.trim().replaceAll(/\r?\n\s*/g, '\r\n')}\r\n\r\n`);
  }

  send(data: string | Buffer): void {
    this.#socket.write(data);
  }

  /** What came until now holds what is asked for; returns all of it. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#received)) {
      if (this.#ended) throw new Error(`the connection ended, ${pattern} did not come: ${this.#received}`);
      await Promise.race([once(this.#socket, 'data'), once(this.#socket, 'close')]);
    }
    return this.#received;
  }

  /** All that comes before the other side closes. */
  async untilClosed(): Promise<string> {
    // Not `once` of node:events, for which a reset is an error.
    if (!this.#ended) await new Promise((resolve) => this.#socket.once('close', resolve));
    return this.#received;
  }

  /** Says that nothing more will come; then as `untilClosed`. */
  async untilClosedAfterEnd(): Promise<string> {
    this.#socket.end();
    return await this.untilClosed();
  }

  /** Goes away without a word. */
  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** The one response in what came, as the client would give it. */
export function parseResponse(text: string): WorkerResponse {
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const [, status, statusText = ''] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(statusLine) ?? [];
  const fields = lines.map((line) => /^([^:]+):[ \t]*(.*)$/.exec(line) ?? []);
  const headers = Object.fromEntries(fields.map(([, name = '', value = '']) => [name.toLowerCase(), value]));
  return { status: Number(status), statusText, headers, body: text.slice(end + 4) };
}
