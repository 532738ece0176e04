import { WorkerClient } from '../../src/client/worker-client.ts';
import { errorOf } from '../faults/stage.ts';

import { FUNCTIONS } from './functions.ts';

/** One client that calls one function after another, which ones a seed says. */
export class Load {
  readonly #names: readonly string[];
  readonly #client: WorkerClient;
  readonly #random: () => number;
  readonly #tally: Tally;
  #isOver = false;
  readonly #running: Promise<void>;

  constructor(url: string, random: () => number, tally: Tally) {
    this.#names = Object.entries(FUNCTIONS).flatMap(([name, { weight }]) => Array<string>(weight).fill(name));
    this.#client = new WorkerClient(url);
    this.#random = random;
    this.#tally = tally;
    this.#running = this.#run();
    // Whoever stops it is told.
    this.#running.catch(() => {
      this.#isOver = true;
    });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    try {
      await this.#running;
    } finally {
      this.#client.close();
    }
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const name = this.#names[Math.floor(this.#random() * this.#names.length)] ?? 'echo';
      const event = Math.floor(this.#random() * 1000);
      const since = performance.now();
      const { status, body } = await this.#client.invoke(name, event);
      const isTable = status !== 200 && body.startsWith('{"error"');
      const outcome = isTable ? errorOf({ status, body, statusText: '', headers: {} }) : String(status);
      this.#tally.add(name, outcome, since);
    }
  }
}

/** Sandboxes that went with a root zygote that was killed are told of as such. */
const WITH_ZYGOTE = ['502 ERR_SANDBOX_DIED', '503 ERR_SANDBOX_START', '502 ERR_SANDBOX_GONE'];

/** How calls ended, and those that ended otherwise than they may. */
export class Tally {
  readonly outcomes = new Map<string, number>();
  readonly wrong: string[] = [];
  #calls = 0;
  #killedAt = Number.NEGATIVE_INFINITY;

  get calls(): number {
    return this.#calls;
  }

  /** A zygote, or a sandbox, is killed now: calls that are under way may go with it. */
  killing(): void {
    this.#killedAt = performance.now();
  }

  add(name: string, outcome: string, since: number): void {
    this.#calls++;
    const key = `${name}: ${outcome}`;
    this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
    const allowed = FUNCTIONS[name]?.outcomes ?? [];
    // From a moment before: the kill itself takes some time to be seen.
    const wasKilling = since < this.#killedAt + 3000;
    if (!allowed.includes(outcome) && !(wasKilling && WITH_ZYGOTE.includes(outcome))) this.wrong.push(key);
  }
}
