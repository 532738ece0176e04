import { connect } from 'node:net';
import { summarize } from './stats.ts';

/** What to put on a server. Each connection sends its next request when it has the answer to the last. */
export interface LoadOptions {
  readonly port: number;
  /** What each connection posts to: there are as many connections as paths. */
  readonly paths: readonly string[];
  /** After a fifth as long that does not count. */
  readonly seconds: number;
}

/** Times in ms. */
export interface LoadResult {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

interface Window {
  readonly from: number;
  readonly to: number;
  /** Of the requests that were answered in it. */
  readonly times: number[];
}

/** A program: takes the options as JSON, prints the result as JSON. It knows just enough of HTTP to cost little. */
async function run({ port, paths, seconds }: LoadOptions): Promise<LoadResult> {
  const from = performance.now() + seconds * 200;
  const window: Window = { from, to: from + seconds * 1000, times: [] };
  await Promise.all(paths.map((path) => drive(port, path, window)));
  const { p50, p99 } = summarize(window.times);
  return { perSecond: window.times.length / seconds, p50, p99 };
}

function drive(port: number, path: string, { from, to, times }: Window): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 2`;
  const request = Buffer.from(`${head}\r\n\r\n{}`);
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  let [answer, sentAt] = ['', 0];
  const send = () => {
    answer = '';
    sentAt = performance.now();
    socket.write(request);
  };
  socket.on('connect', send);
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
    if (!isWhole(answer)) return;
    const now = performance.now();
    if (now >= from && now < to) times.push(now - sentAt);
    if (now < to) return send();
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
