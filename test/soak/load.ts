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

/** How a call may end, besides, whose sandbox was killed, or went with the root zygote. */
const WITH_KILLED = ['502 ERR_SANDBOX_DIED', '503 ERR_SANDBOX_START', '502 ERR_SANDBOX_GONE'];
/** The same where one was stopped: nobody answers, and nobody tells of ends before the root zygote is another. */
const WITH_STOPPED = [...WITH_KILLED, '504 ERR_TIMEOUT', '502 ERR_BAD_RESPONSE'];

const KILLED_MS = 3000;
const STOPPED_MS = 15_000;

/** How calls ended, and those that ended otherwise than they may. */
export class Tally {
  readonly outcomes = new Map<string, number>();
  readonly wrong: string[] = [];
  #calls = 0;
  #killedAt = Number.NEGATIVE_INFINITY;
  #stoppedAt = Number.NEGATIVE_INFINITY;

  get calls(): number {
    return this.#calls;
  }

  /** A zygote, or a sandbox, is killed or stopped now: calls that are under way may go with it. */
  killing(signal: 'SIGKILL' | 'SIGSTOP'): void {
    if (signal === 'SIGKILL') this.#killedAt = performance.now();
    else this.#stoppedAt = performance.now();
  }

  add(name: string, outcome: string, since: number): void {
    this.#calls++;
    const key = `${name}: ${outcome}`;
    this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
    const allowed = FUNCTIONS[name]?.outcomes ?? [];
    // It takes some time to be seen, and an idle sandbox that was stopped is met by a later call.
    const isKilled = since < this.#killedAt + KILLED_MS && WITH_KILLED.includes(outcome);
    const isStopped = since < this.#stoppedAt + STOPPED_MS && WITH_STOPPED.includes(outcome);
    if (!allowed.includes(outcome) && !isKilled && !isStopped) this.wrong.push(key);
  }
}
