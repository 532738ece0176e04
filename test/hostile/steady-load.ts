import { setTimeout as sleep } from 'node:timers/promises';
import { WorkerClient } from '../../src/client/worker-client.ts';

const EVERY_MS = 10;
/** So many are enough to see what a case does to others, also beside what is over at once. */
const AT_LEAST = 20;

/** Calls the victim all the time, one call after another. */
export class SteadyLoad {
  /** In ms. */
  readonly times: number[] = [];
  /** Every answer that was not the right one. */
  readonly wrong: string[] = [];
  #isOver = false;
  #running: Promise<void>;

  static start(port: number): SteadyLoad {
    return new SteadyLoad(new WorkerClient(`http://127.0.0.1:${port}`));
  }

  private constructor(client: WorkerClient) {
    this.#running = this.#run(client).finally(() => client.close());
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(client: WorkerClient): Promise<void> {
    for (let call = 0; !this.#isOver || call < AT_LEAST; call++) {
      const start = performance.now();
      const { status, body } = await client.invoke('victim', call);
      this.times.push(performance.now() - start);
      if (status !== 200 || body !== String(call)) this.wrong.push(`${status} ${body}`);
      await sleep(EVERY_MS);
    }
  }
}
