import { closeSync, openSync, writeSync } from 'node:fs';
import type { Log } from './log.ts';

/** Where timed steps go: a name such as `cold:scratch`, and how long it took in microseconds. */
export interface Timing {
  record(step: string, us: number): void;
  close(): void;
}

export interface TimingOptions {
  /** True: every step is a line of the worker's log. */
  readonly toLog: boolean;
  /** A file that gets one line a step, `<name>: <n> us`; null for none. */
  readonly file: string | null;
  readonly log: Log;
}

/** Makes the timing that the config asks for; null where it asks for none, so that nothing is spent on it. */
export function createTiming({ toLog, file, log }: TimingOptions): Timing | null {
  if (!toLog && file === null) return null;
  const fd = file === null ? null : openSync(file, 'a', 0o644);
  return {
    record(step, us) {
      const whole = Math.round(us);
      if (toLog) log.info({ step, us: whole }, 'timing');
      if (fd !== null) writeSync(fd, `${step}: ${whole} us\n`);
    },
    close() {
      if (fd !== null) closeSync(fd);
    },
  };
}

/** Times one step after another. */
export class Stopwatch {
  readonly #timing: Timing;
  #last: number;

  constructor(timing: Timing, sinceNs = monotonicNs()) {
    this.#timing = timing;
    this.#last = sinceNs;
  }

  /** Records the time since the last lap, or since the start. */
  lap(step: string): void {
    this.lapAt(step, monotonicNs());
  }

  /** As `lap`, for a moment that another process has told: it may have got so far before we noticed that we were done. */
  lapAt(step: string, ns: number): void {
    this.#timing.record(step, Math.max(0, ns - this.#last) / 1000);
    this.#last = ns;
  }
}

/** The clock that all processes of a machine share (CLOCK_MONOTONIC), in ns; exact to 2 ns for 200 days of uptime. */
export function monotonicNs(): number {
  return Number(process.hrtime.bigint());
}

/** Where the clock of `performance.now()`, which is the same one, begins. */
const ORIGIN_NS = monotonicNs() - performance.now() * 1e6;

/** A moment of `monotonicNs`, of this process or another, in ms of `performance.now()`. */
export function toPerformanceMs(ns: number): number {
  return (ns - ORIGIN_NS) / 1e6;
}
