import { OlError } from '../../errors.ts';
import { signalName } from '../../linux/signals.ts';
import type { Log } from '../../telemetry/log.ts';
import {
  type Death,
  describeDeath,
  type MemoryBound,
  type Origin,
  type Sandbox,
  type SandboxRequest,
  type SandboxResponse,
} from '../sandbox.ts';
import { PipeError, type ServerPipe } from '../server-pipe.ts';
import { memoryOfTree } from './memory.ts';
import type { ProcessEnd, SandboxProcess } from './process.ts';
import type { ScratchBound } from './scratch-bound.ts';
import type { ScratchUsage } from './scratch-usage.ts';
import type { Watchable, Watched } from './scratch-watch.ts';
import type { Spare } from './spare.ts';

/** A process that closed its connection has this long to be gone; then it is ended for breaking the protocol. */
const CLOSING_MS = 1000;
const BYTES_PER_MB = 1024 * 1024;

export interface SockSandboxParts {
  readonly functionName: string;
  readonly instance: number;
  readonly origin: Origin;
  readonly spare: Spare;
  readonly bounds: NamedBounds;
  readonly log: Log;
}

/** Bounds that messages name. */
export interface NamedBounds {
  readonly memLimitMb: number;
  /** Of all sandboxes together. */
  readonly memPoolMb: number;
  readonly scratchMaxMb: number;
  readonly scratchMaxFiles: number;
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
  }

  async request(request: SandboxRequest): Promise<SandboxResponse> {
    this.unpause();
    try {
      const response = await this.#pipe.exchange(request);
      this.#hasAnswered = true;
      return response;
    } catch (error) {
      if (error instanceof PipeError) throw await this.#explain(error, request);
      throw error;
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

  overScratch({ bytes, files }: ScratchUsage): void {
    const { scratchMaxMb, scratchMaxFiles } = this.#bounds;
    const reason =
      files > scratchMaxFiles
        ? `it had more than ${scratchMaxFiles} files: make fewer, or raise scratch_max_files`
        : `it had more than ${scratchMaxMb} MB: write less, or raise scratch_max_mb`;
    const counted = { files, mb: Math.round(bytes / BYTES_PER_MB) };
    this.#endForScratch(reason, counted, 'its scratch space was used up');
  }

  hidesScratch(tookMs: number): void {
    const reason = `after ${tookMs} ms it was not known yet what its processes hold of it: start fewer, or let them rest`;
    this.#endForScratch(reason, {}, 'its scratch space could not be bounded');
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

  #endForScratch(reason: string, counted: object, why: string): void {
    this.#overScratch = reason;
    this.#log.warn({ sandboxId: this.id, ...counted, reason }, 'sandbox ended for its scratch space');
    void this.destroy(why);
  }

  /** What a broken exchange means for the client; the sandbox is on its way out after it. */
  async #explain(error: PipeError, request: SandboxRequest): Promise<OlError> {
    const name = this.functionName;
    const options = { cause: error };
    if (error.failure === 'closed' || error.failure === 'unread') return await this.#explainClosed(error);
    void this.destroy(error.message);
    switch (error.failure) {
      case 'timeout':
        return new OlError('ERR_TIMEOUT', { name, limitMs: request.timeoutMs }, options);
      case 'too-large': {
        const limitKb = Math.floor(request.responseMaxBytes / 1024);
        return new OlError('ERR_RESPONSE_TOO_LARGE', { name, limitKb }, options);
      }
      case 'protocol':
        return new OlError('ERR_BAD_RESPONSE', { name, reason: error.message }, options);
    }
  }

  async #explainClosed(cause: PipeError): Promise<OlError> {
    const name = this.functionName;
    const timer = Promise.withResolvers<null>();
    const timeout = setTimeout(() => timer.resolve(null), CLOSING_MS);
    // One that we have killed ends, however long that takes.
    const end = await (this.#reason === null
      ? Promise.race([this.#process.ended, timer.promise])
      : this.#process.ended);
    clearTimeout(timeout);
    if (end === null) {
      void this.destroy('it closed its connection');
      return new OlError(
        'ERR_BAD_RESPONSE',
        { name, reason: 'it closed its connection and went on' },
        { cause },
      );
    }
    // It died while it was idle, of whatever it had done before: this request is as good as never sent.
    if (cause.failure === 'unread' && this.#hasAnswered) return this.#died('ERR_SANDBOX_GONE', end, cause);
    if (this.#overScratch !== null)
      return new OlError('ERR_SCRATCH_FULL', { name, reason: this.#overScratch }, { cause });
    if (end.failure !== null)
      return new OlError('ERR_SANDBOX_START', { name, reason: end.failure }, { cause });
    if (end.outOfMemory !== null)
      return new OlError(
        'ERR_OUT_OF_MEMORY',
        { name, reason: this.#explainMemory(end.outOfMemory) },
        { cause },
      );
    return this.#died(cause.failure === 'unread' ? 'ERR_SANDBOX_GONE' : 'ERR_SANDBOX_DIED', end, cause);
  }

  #died(code: 'ERR_SANDBOX_GONE' | 'ERR_SANDBOX_DIED', end: ProcessEnd, cause: PipeError): OlError {
    return new OlError(code, { name: this.functionName, how: describeDeath(this.#death(end)) }, { cause });
  }

  #explainMemory(bound: MemoryBound): string {
    const { memLimitMb, memPoolMb } = this.#bounds;
    return bound === 'sandbox'
      ? `it used more than ${memLimitMb} MB: use less, or raise mem_limit_mb`
      : `all sandboxes together used more than ${memPoolMb} MB, and it was a large one: raise mem_pool_mb, or use less`;
  }
}
