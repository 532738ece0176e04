import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** A client with one connection that is kept; the same for what is measured and for its floor. */
export class BenchClient {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #url: URL;

  constructor(url: string) {
    // The address, so that no look-up of a name is measured.
    this.#url = new URL(url.replace('localhost', '127.0.0.1'));
  }

  /** Posts a body; resolves with the time to the whole response, in ms. Rejects when the status is not 200. */
  post(path: string, body: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const { hostname, port } = this.#url;
    const start = performance.now();
    const sent = request(
      { agent: this.#agent, hostname, port, path, method: 'POST', headers },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          if (response.statusCode === 200) resolve(performance.now() - start);
          else reject(new Error(`${path}: ${response.statusCode} ${Buffer.concat(chunks)}`));
        });
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
    return promise;
  }

  /** Posts `count` times, one after another with a gap between them, after so many that do not count, or a tenth as many. */
  async postMany(
    path: string,
    count: number,
    gapMs = 0,
    uncounted = Math.ceil(count / 10),
  ): Promise<number[]> {
    const times: number[] = [];
    for (let i = 0; i < uncounted; i++) await this.post(path, '{}');
    for (let i = 0; i < count; i++) {
      if (gapMs > 0) await sleep(gapMs);
      times.push(await this.post(path, '{}'));
    }
    return times;
  }

  close(): void {
    this.#agent.destroy();
  }
}
