/** Something that needs CPU time, and what to do when it has had it. */
interface Job {
  leftMs: number;
  readonly done: () => void;
}

/** A machine with some cores that are shared fairly by whatever wants to run, in time that is only counted. */
export class Cores {
  readonly #count: number;
  readonly #jobs = new Set<Job>();
  #nowMs = 0;

  constructor(count: number) {
    this.#count = count;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Starts a job; `done` is called from `run` when its time has been had. */
  start(ms: number, done: () => void): void {
    this.#jobs.add({ leftMs: ms, done });
  }

  /** Runs until `isOver` says so, or nothing is left to run. */
  run(isOver: () => boolean): void {
    while (!isOver()) {
      const next = this.#shortest();
      if (next === null) return;
      this.#advance(next);
      this.#jobs.delete(next);
      next.done();
    }
  }

  #advance({ leftMs }: Job): void {
    const speed = Math.min(1, this.#count / this.#jobs.size);
    for (const job of this.#jobs) job.leftMs -= leftMs;
    this.#nowMs += leftMs / speed;
  }

  /** Everybody is equally fast, so the one with the least left ends first; of equals, the one that began first. */
  #shortest(): Job | null {
    let shortest: Job | null = null;
    for (const job of this.#jobs) if (shortest === null || job.leftMs < shortest.leftMs) shortest = job;
    return shortest;
  }
}
