import { connect } from 'node:net';
import { summarize } from './stats.ts';

/** What to put on a server. Each connection sends its next request when it has the answer to the last. */
export interface LoadOptions {
  readonly port: number;
  /** What each connection posts to: there are as many connections as paths. */
  readonly paths: readonly string[];
  /** Once each connection has had an answer, and after a fifth as long that does not count. */
  readonly seconds: number;
}

/** Times in ms. */
export interface LoadResult {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

/** What counts. */
class Window {
  /** Of the requests that were answered in it. */
  readonly times: number[] = [];
  readonly #ms: number;
  #from = Number.POSITIVE_INFINITY;
  /** Connections that have had no answer yet. */
  #silent: number;

  constructor(connections: number, ms: number) {
    this.#silent = connections;
    this.#ms = ms;
  }

  /** False where it was over by then. */
  add(sentAt: number, answeredAt: number): boolean {
    if (answeredAt >= this.#from + this.#ms) return false;
    if (answeredAt >= this.#from) this.times.push(answeredAt - sentAt);
    return true;
  }

  hasFirst(): void {
    this.#silent -= 1;
    if (this.#silent === 0) this.#from = performance.now() + this.#ms / 5;
  }
}

/** A program: takes the options as JSON, prints the result as JSON. It knows just enough of HTTP to cost little. */
async function run({ port, paths, seconds }: LoadOptions): Promise<LoadResult> {
  const window = new Window(paths.length, seconds * 1000);
  await Promise.all(paths.map((path) => drive(port, path, window)));
  const { p50, p99 } = summarize(window.times);
  return { perSecond: window.times.length / seconds, p50, p99 };
}

function drive(port: number, path: string, window: Window): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 2`;
  const request = Buffer.from(`${head}\r\n\r\n{}`);
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  let [answer, sentAt, isFirst] = ['', 0, true];
  const send = () => {
    answer = '';
    sentAt = performance.now();
    socket.write(request);
  };
  socket.on('connect', send);
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
    if (!isWhole(answer)) return;
    if (isFirst) window.hasFirst();
    isFirst = false;
    if (window.add(sentAt, performance.now())) return send();
    resolve();
    socket.destroy();
  });
  socket.on('error', reject);
  socket.on('close', () => reject(new Error(`${path}: the server closed the connection`)));
  return promise;
}

/** Throws where it is not an answer that can be counted. */
function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /\r\nContent-Length: (\d+)/i.exec(answer)?.[1];
  if (length === undefined || !answer.startsWith('HTTP/1.1 200 ')) throw new Error(`unexpected: ${answer}`);
  return answer.length >= end + 4 + Number(length);
}

process.stdout.write(JSON.stringify(await run(JSON.parse(process.argv[2] ?? ''))));
