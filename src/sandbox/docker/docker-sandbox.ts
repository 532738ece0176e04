import { OlError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { NamedBounds, SandboxEnd } from '../explain.ts';
import { PipedSandbox } from '../piped-sandbox.ts';
import type { Death, SandboxRequest, SandboxResponse } from '../sandbox.ts';
import type { ServerPipe } from '../server-pipe.ts';
import type { Container, ContainerEnd } from './container.ts';

/** How long the daemon may take to tell that a container has ended whose connection is closed. */
const CLOSING_MS = 10_000;

export interface DockerSandboxParts {
  readonly functionName: string;
  readonly instance: number;
  /** When its container was asked for: that is part of what a start takes. */
  readonly createdAt: number;
  readonly container: Container;
  readonly pipe: ServerPipe;
  readonly scratchDir: string;
  readonly bounds: NamedBounds;
  readonly log: Log;
  /** Called when all its processes are gone; resolves when what it had is given back or removed. Must not reject. */
  readonly release: () => Promise<void>;
}

/** A sandbox of the `docker` engine: a container. */
export class DockerSandbox extends PipedSandbox {
  readonly dead: Promise<Death>;
  /** Resolves when its processes are gone, and before its scratch space is. */
  readonly stopped: Promise<unknown>;
  readonly scratchDir: string;
  readonly #container: Container;

  constructor({ container, release, ...parts }: DockerSandboxParts) {
    super({ ...parts, origin: 'cold', closingMs: CLOSING_MS });
    this.scratchDir = parts.scratchDir;
    this.#container = container;
    this.stopped = container.ended;
    this.dead = this.#end(parts.pipe, release);
  }

  override async request(request: SandboxRequest): Promise<SandboxResponse> {
    // The daemon takes a while to end it. Until then it would take requests, and lose them.
    if (this.reason !== null) throw this.#gone(this.reason);
    return await super.request(request);
  }

  async pause(): Promise<void> {
    if (this.isDead) return;
    this.watched.rest();
    await this.#container.setPaused(true);
  }

  /** The request that comes next waits in the socket until it is done. */
  unpause(): void {
    if (this.isDead || !this.#container.isPaused) return;
    this.watched.run();
    this.#container.setPaused(false).catch((error: unknown) => {
      this.log.error({ err: error, sandboxId: this.id }, 'a container could not be unpaused');
      void this.destroy('it could not be unpaused');
    });
  }

  pid(): number | null {
    return this.#container.pid();
  }

  async memoryKb(): Promise<number> {
    return this.#container.memory.kb();
  }

  forksRefused(): number {
    return this.#container.forksRefused();
  }

  protected kill(): void {
    this.#container.kill();
  }

  protected async ended(): Promise<SandboxEnd> {
    return { death: this.#death(await this.#container.ended), failure: null };
  }

  async #end(pipe: ServerPipe, release: () => Promise<void>): Promise<Death> {
    const end = await this.#container.ended;
    this.isDead = true;
    this.watched.end();
    await pipe.closedByPeer();
    await this.#container.gone;
    await release();
    return this.#death(end);
  }

  /** The daemon has one bound for each container, and none for all together. */
  #death({ code, signal, isOutOfMemory }: ContainerEnd): Death {
    return { code, signal, reason: this.reason, outOfMemory: isOutOfMemory ? 'sandbox' : null };
  }

  #gone(how: string): OlError {
    return new OlError('ERR_SANDBOX_GONE', { name: this.functionName, how });
  }
}
