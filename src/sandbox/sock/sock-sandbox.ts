import { signalName } from '../../linux/signals.ts';
import type { Log } from '../../telemetry/log.ts';
import {
  type Broken,
  explainBroken,
  explainHidden,
  explainScratch,
  inTime,
  type NamedBounds,
  type SandboxEnd,
} from '../explain.ts';
import { memoryOfTree } from '../memory.ts';
import type { Death, Origin, Sandbox, SandboxRequest, SandboxResponse } from '../sandbox.ts';
import type { ScratchBound } from '../scratch/scratch-bound.ts';
import type { ScratchUsage } from '../scratch/scratch-usage.ts';
import type { Watchable, Watched } from '../scratch/scratch-watch.ts';
import { PipeError, type ServerPipe } from '../server-pipe.ts';
import type { ProcessEnd, SandboxProcess } from './process.ts';
import type { Spare } from './spare.ts';

/** Of a process that has closed its connection we are told at once. */
const CLOSING_MS = 1000;

export interface SockSandboxParts {
  readonly functionName: string;
  readonly instance: number;
  readonly origin: Origin;
  readonly spare: Spare;
  readonly bounds: NamedBounds;
  readonly log: Log;
}

/** A sandbox of the `sock` engine: a process in namespaces of its own, reached over `server_pipe`. */
export class SockSandbox implements Sandbox, Watchable {
  readonly id: string;
  readonly functionName: string;
  readonly origin: Origin;
  readonly createdAt = performance.now();
  readonly dead: Promise<Death>;
  readonly #process: SandboxProcess;
  readonly #pipe: ServerPipe;
  readonly #spare: Spare;
  readonly #bounds: NamedBounds;
  readonly #log: Log;
  #watched: Watched | null = null;
  /** What it had too much of in its scratch space, when it is ended for that. */
  #overScratch: string | null = null;
  #hasAnswered = false;
  #isServing = false;
  #reason: string | null = null;
  #isDead = false;
  #isPaused = false;

  constructor({ functionName, instance, origin, spare, bounds, log }: SockSandboxParts) {
    this.id = `${functionName}/${instance}`;
    this.functionName = functionName;
    this.origin = origin;
    this.#spare = spare;
    this.#log = log;
    this.#process = spare.process;
    this.#pipe = spare.pipe;
    this.#bounds = bounds;
    void spare.process.ended.then(({ pidsRefused }) => {
      this.#isDead = true;
      if (pidsRefused > 0)
        log.warn({ sandboxId: this.id, pidsRefused }, 'sandbox wanted more processes than procs_max');
      this.#watched?.end();
    });
    this.dead = spare.gone.then((end) => this.#death(end));
    void this.#endUnheard();
  }

  async request(request: SandboxRequest): Promise<SandboxResponse> {
    this.unpause();
    this.#isServing = true;
    try {
      const response = await this.#pipe.exchange(request);
      this.#hasAnswered = true;
      return response;
    } catch (error) {
      if (error instanceof PipeError) throw await explainBroken(error, request, this.#broken());
      throw error;
    } finally {
      this.#isServing = false;
    }
  }

  isLoading(): boolean {
    return !this.#hasAnswered && this.#pipe.isUnread();
  }

  async pause(): Promise<void> {
    const { cgroup } = this.#process;
    if (this.#isPaused || this.#isDead || cgroup === null) return;
    this.#isPaused = true;
    const paused = cgroup.pause();
    this.#watched?.rest();
    await paused;
  }

  unpause(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#watched?.run();
    if (!this.#isDead) this.#process.cgroup?.unpause();
  }

  /** It runs its function's code from now on. */
  watchBy(bound: Pick<ScratchBound, 'watch'>): void {
    this.#watched = bound.watch(this);
  }

  get scratchDir(): string {
    return this.#spare.scratch.dir.path;
  }

  overScratch(usage: ScratchUsage): void {
    const { reason, counted } = explainScratch(usage, this.#bounds);
    this.#endForScratch(reason, counted, 'its scratch space was used up');
  }

  hidesScratch(tookMs: number): void {
    this.#endForScratch(explainHidden(tookMs), {}, 'its scratch space could not be bounded');
  }

  destroy(reason: string): Promise<Death> {
    this.#reason ??= reason;
    this.#process.kill();
    return this.dead;
  }

  pid(): number | null {
    return this.#process.pid();
  }

  async memoryKb(): Promise<number> {
    if (this.#isDead) return 0;
    const { cgroup } = this.#process;
    if (cgroup !== null) return cgroup.memoryKb();
    const pid = this.pid();
    return pid === null ? 0 : await memoryOfTree(pid);
  }

  #death({ code, signal, outOfMemory }: ProcessEnd): Death {
    return { code, signal: signal === null ? null : signalName(signal), reason: this.#reason, outOfMemory };
  }

  /** One that has closed its connection while it was idle, or has spoken unasked, can do nothing for anybody any more. */
  async #endUnheard(): Promise<void> {
    await this.#pipe.closed;
    // Whoever waits for an answer finds out what has become of it.
    if (this.#isServing || (await inTime(this.#process.ended, CLOSING_MS)) !== null) return;
    void this.destroy('its connection was closed, or it spoke unasked');
  }

  #endForScratch(reason: string, counted: object, why: string): void {
    this.#overScratch = reason;
    this.#log.warn({ sandboxId: this.id, ...counted, reason }, 'sandbox ended for its scratch space');
    void this.destroy(why);
  }

  #broken(): Broken {
    return {
      functionName: this.functionName,
      bounds: this.#bounds,
      hasAnswered: this.#hasAnswered,
      isBeingEnded: this.#reason !== null,
      overScratch: this.#overScratch,
      closingMs: CLOSING_MS,
      ended: this.#process.ended.then(
        (end): SandboxEnd => ({ death: this.#death(end), failure: end.failure }),
      ),
      destroy: (reason) => void this.destroy(reason),
    };
  }
}
