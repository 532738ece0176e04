import type { Log } from '../telemetry/log.ts';
import {
  type Broken,
  explainBroken,
  explainForks,
  explainHidden,
  explainScratch,
  type NamedBounds,
  type OverBound,
  type SandboxEnd,
} from './explain.ts';
import type { Forking } from './forks/fork-watch.ts';
import { PipeError } from './pipe-error.ts';
import type { Death, Origin, Sandbox, SandboxRequest, SandboxResponse } from './sandbox.ts';
import type { ScratchUsage } from './scratch/scratch-usage.ts';
import type { Watchable } from './scratch/scratch-watch.ts';
import type { ServerPipe } from './server-pipe.ts';
import { NOT_WATCHED, together, type Watched } from './watched.ts';

export interface PipedSandboxParts {
  readonly functionName: string;
  readonly instance: number;
  /** In ms of `performance.now()`; left out for now. */
  readonly createdAt?: number;
  readonly origin: Origin;
  readonly pipe: ServerPipe;
  readonly bounds: NamedBounds;
  /** How long the engine may take to tell that a sandbox has ended whose connection is closed. */
  readonly closingMs: number;
  readonly log: Log;
}

/**
 * A sandbox that is reached over `server_pipe`, whichever engine has made it: exchanges and what it means when they break,
 * what is told of its scratch space, and why it was ended. The engine's part is processes: pausing, killing, counting them.
 */
export abstract class PipedSandbox implements Sandbox, Watchable, Forking {
  readonly id: string;
  readonly functionName: string;
  readonly origin: Origin;
  readonly createdAt: number;
  /** Its scratch directory on the host; it may get another name. */
  abstract readonly scratchDir: string;
  abstract readonly dead: Promise<Death>;
  protected readonly log: Log;
  /** True when its processes have ended; the engine sets it. */
  protected isDead = false;
  /** True while somebody waits for its answer. */
  protected isServing = false;
  protected watched: Watched = NOT_WATCHED;
  /** Why we end it; null where we don't. */
  protected reason: string | null = null;
  readonly #retired = Promise.withResolvers<void>();
  readonly #pipe: ServerPipe;
  readonly #bounds: NamedBounds;
  readonly #closingMs: number;
  /** What it had too much of, when it is ended for that. */
  #over: OverBound | null = null;
  #hasAnswered = false;

  constructor(parts: PipedSandboxParts) {
    this.id = `${parts.functionName}/${parts.instance}`;
    this.functionName = parts.functionName;
    this.createdAt = parts.createdAt ?? performance.now();
    this.origin = parts.origin;
    this.log = parts.log;
    this.#pipe = parts.pipe;
    this.#bounds = parts.bounds;
    this.#closingMs = parts.closingMs;
  }

  get retired(): Promise<void> {
    return this.#retired.promise;
  }

  /** Tells its owner. */
  retire(): void {
    this.#retired.resolve();
  }

  async request(request: SandboxRequest): Promise<SandboxResponse> {
    this.unpause();
    this.isServing = true;
    try {
      const response = await this.#pipe.exchange(request);
      if (!this.#hasAnswered) this.answeredFirst();
      this.#hasAnswered = true;
      return response;
    } catch (error) {
      if (error instanceof PipeError) throw await explainBroken(error, request, this.#broken());
      throw error;
    } finally {
      this.isServing = false;
    }
  }

  isLoading(): boolean {
    return !this.#hasAnswered && this.#pipe.isUnread();
  }

  destroy(reason: string): Promise<Death> {
    if (!this.isDead) this.reason ??= reason;
    this.kill();
    return this.dead;
  }

  abstract pause(): Promise<void>;
  abstract unpause(): void;
  abstract pid(): number | null;
  abstract memoryKb(): Promise<number>;
  protected abstract kill(): void;
  protected answeredFirst(): void {}
  /** Resolves when its processes have ended, and before its scratch space is given back. */
  protected abstract ended(): Promise<SandboxEnd>;

  /** True where its processes have ended, though nobody may have told so yet. */
  protected hasEnded(): boolean {
    return this.isDead;
  }

  /** It runs its function's code from now on. */
  watchBy(...watchers: readonly { watch(sandbox: Watchable & Forking): Watched }[]): void {
    this.watched = together(watchers.map((one) => one.watch(this)));
  }

  abstract forksRefused(): number;

  asksOnAndOn(refused: number): void {
    if (this.reason !== null) return; // its end may take a while, but has another cause
    const reason = explainForks(this.#bounds);
    this.log.warn({ sandboxId: this.id, refused, reason }, 'sandbox ended for wanting too many processes');
    this.#endFor({ code: 'ERR_TOO_MANY_PROCESSES', reason }, 'it wanted more and more processes');
  }

  overScratch(usage: ScratchUsage): void {
    const { reason, counted } = explainScratch(usage, this.#bounds);
    this.#endForScratch(reason, counted, 'its scratch space was used up');
  }

  hidesScratch(tookMs: number): void {
    this.#endForScratch(explainHidden(tookMs), {}, 'its scratch space could not be bounded');
  }

  #endForScratch(reason: string, counted: object, why: string): void {
    this.log.warn({ sandboxId: this.id, ...counted, reason }, 'sandbox ended for its scratch space');
    this.#endFor({ code: 'ERR_SCRATCH_FULL', reason }, why);
  }

  #endFor(over: OverBound, why: string): void {
    this.#over ??= over;
    void this.destroy(why);
  }

  #broken(): Broken {
    return {
      functionName: this.functionName,
      bounds: this.#bounds,
      hasAnswered: this.#hasAnswered,
      isBeingEnded: this.reason !== null,
      over: this.#over,
      closingMs: this.#closingMs,
      ended: this.ended(),
      hasEnded: () => this.hasEnded(),
      destroy: (reason) => void this.destroy(reason),
    };
  }
}
