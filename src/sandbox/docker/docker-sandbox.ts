import { OlError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import {
  type Broken,
  explainBroken,
  explainHidden,
  explainScratch,
  type NamedBounds,
  type SandboxEnd,
} from '../explain.ts';
import type { Death, Sandbox, SandboxRequest, SandboxResponse } from '../sandbox.ts';
import type { ScratchBound } from '../scratch/scratch-bound.ts';
import type { ScratchUsage } from '../scratch/scratch-usage.ts';
import type { Watchable, Watched } from '../scratch/scratch-watch.ts';
import { PipeError, type ServerPipe } from '../server-pipe.ts';
import type { Container, ContainerEnd } from './container.ts';

/** How long the daemon may take to tell that a container has ended whose connection is closed. */
const CLOSING_MS = 10_000;
/** How long what is under way on the connection of a container that has ended may take to arrive. */
const LAST_BYTES_MS = 1000;

export interface DockerSandboxParts {
  readonly functionName: string;
  readonly instance: number;
  readonly container: Container;
  readonly pipe: ServerPipe;
  readonly scratchDir: string;
  readonly bounds: NamedBounds;
  readonly log: Log;
  /** Called when all its processes are gone; resolves when what it had is given back or removed. Must not reject. */
  readonly release: () => Promise<void>;
}

/** A sandbox of the `docker` engine: a container, reached over `server_pipe`. */
export class DockerSandbox implements Sandbox, Watchable {
  readonly id: string;
  readonly functionName: string;
  readonly origin = 'cold';
  readonly createdAt = performance.now();
  readonly dead: Promise<Death>;
  /** Resolves when its processes are gone, and before its scratch space is. */
  readonly stopped: Promise<unknown>;
  readonly scratchDir: string;
  readonly #container: Container;
  readonly #pipe: ServerPipe;
  readonly #bounds: NamedBounds;
  readonly #log: Log;
  #watched: Watched | null = null;
  #overScratch: string | null = null;
  #hasAnswered = false;
  #reason: string | null = null;
  #isDead = false;

  constructor(parts: DockerSandboxParts) {
    this.id = `${parts.functionName}/${parts.instance}`;
    this.functionName = parts.functionName;
    this.scratchDir = parts.scratchDir;
    this.#container = parts.container;
    this.#pipe = parts.pipe;
    this.#bounds = parts.bounds;
    this.#log = parts.log;
    this.stopped = parts.container.ended;
    this.dead = this.#end(parts.release);
  }

  async request(request: SandboxRequest): Promise<SandboxResponse> {
    // The daemon takes a while to end it. Until then it would take requests, and lose them.
    if (this.#reason !== null) throw this.#gone(this.#reason);
    this.unpause();
    try {
      const response = await this.#pipe.exchange(request);
      this.#hasAnswered = true;
      return response;
    } catch (error) {
      if (error instanceof PipeError) throw await explainBroken(error, request, this.#broken());
      throw error;
    }
  }

  isLoading(): boolean {
    return !this.#hasAnswered && this.#pipe.isUnread();
  }

  async pause(): Promise<void> {
    if (this.#isDead) return;
    this.#watched?.rest();
    await this.#container.setPaused(true);
  }

  /** The request that comes next waits in the socket until it is done. */
  unpause(): void {
    if (this.#isDead || !this.#container.isPaused) return;
    this.#watched?.run();
    this.#container.setPaused(false).catch((error: unknown) => {
      this.#log.error({ err: error, sandboxId: this.id }, 'a container could not be unpaused');
      void this.destroy('it could not be unpaused');
    });
  }

  /** It runs its function's code from now on. */
  watchBy(bound: Pick<ScratchBound, 'watch'>): void {
    this.#watched = bound.watch(this);
  }

  overScratch(usage: ScratchUsage): void {
    const { reason, counted } = explainScratch(usage, this.#bounds);
    this.#endForScratch(reason, counted, 'its scratch space was used up');
  }

  hidesScratch(tookMs: number): void {
    this.#endForScratch(explainHidden(tookMs), {}, 'its scratch space could not be bounded');
  }

  destroy(reason: string): Promise<Death> {
    if (!this.#isDead) this.#reason ??= reason;
    this.#container.kill();
    return this.dead;
  }

  pid(): number | null {
    return this.#container.pid();
  }

  async memoryKb(): Promise<number> {
    return this.#container.memory.kb();
  }

  async #end(release: () => Promise<void>): Promise<Death> {
    const end = await this.#container.ended;
    this.#isDead = true;
    this.#watched?.end();
    await this.#pipeClosed();
    await this.#container.gone;
    await release();
    return this.#death(end);
  }

  /** With the last process that has it, the kernel closes the other end, and tells of it after all that was sent. */
  async #pipeClosed(): Promise<void> {
    const late = setTimeout(() => this.#pipe.close('unread'), LAST_BYTES_MS);
    await this.#pipe.closed;
    clearTimeout(late);
  }

  /** The daemon has one bound for each container, and none for all together. */
  #death({ code, signal, isOutOfMemory }: ContainerEnd): Death {
    return { code, signal, reason: this.#reason, outOfMemory: isOutOfMemory ? 'sandbox' : null };
  }

  #gone(how: string): OlError {
    return new OlError('ERR_SANDBOX_GONE', { name: this.functionName, how });
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
      ended: this.#container.ended.then((end): SandboxEnd => ({ death: this.#death(end), failure: null })),
      destroy: (reason) => void this.destroy(reason),
    };
  }
}
