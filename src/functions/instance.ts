import type { Code } from '../registry/registry.ts';
import type { Sandbox, SandboxRequest, SandboxResponse } from '../sandbox/sandbox.ts';
import type { StartKind } from '../telemetry/metrics.ts';
import type { SandboxReport } from '../telemetry/sandbox-report.ts';
import type { Idle } from './idle-lru.ts';
import type { Place } from './memory-place.ts';
import type { Pausable } from './pauser.ts';

/** Before it has been measured: what a sandbox without packages takes. */
const FIRST_GUESS_KB = 1536;
/** Measuring costs some microseconds; once in so many ms a sandbox is enough. */
const MEASURE_EVERY_MS = 5000;

/** One serving slot of a function: a sandbox, the version of the code that it runs, and what we know of it. */
export class Instance implements Idle, Pausable {
  readonly sandbox: Sandbox;
  readonly code: Code;
  readonly place: Place;
  /** It takes no more requests. */
  isRetired = false;
  readonly #onEnd: (instance: Instance, reason: 'evicted' | 'unpausable') => void;
  #memoryKb = FIRST_GUESS_KB;
  #measuredAt = Number.NEGATIVE_INFINITY;
  #served = 0;
  #idleSince: number | null = performance.now();
  #isPaused = false;

  constructor(
    sandbox: Sandbox,
    code: Code,
    place: Place,
    onEnd: (instance: Instance, reason: 'evicted' | 'unpausable') => void,
  ) {
    this.sandbox = sandbox;
    this.code = code;
    this.place = place;
    this.#onEnd = onEnd;
  }

  get memoryKb(): number {
    return this.#memoryKb;
  }

  get idleSince(): number | null {
    return this.#idleSince;
  }

  get state(): SandboxReport['state'] {
    if (this.#idleSince === null) return 'busy';
    return this.#isPaused ? 'paused' : 'idle';
  }

  /** How the next request will find it. */
  get start(): StartKind {
    return this.#served === 0 ? this.sandbox.origin : 'warm';
  }

  /** True while it can't serve the request that it was given, because it still loads its code. */
  get isLoading(): boolean {
    return this.#idleSince === null && this.#served === 1 && this.sandbox.isLoading();
  }

  /** Gives it a request; `answered` has to be called then, unless it is ended. */
  serve(request: SandboxRequest): Promise<SandboxResponse> {
    this.#idleSince = null;
    this.#isPaused = false;
    this.#served++;
    return this.sandbox.request(request);
  }

  /** It has answered, and may be given the next request. */
  answered(now: number): void {
    this.#idleSince = now;
  }

  /** Pauses the sandbox; one that does not stop is of no use any more. */
  pause(): void {
    this.#isPaused = true;
    this.sandbox.pause().catch(() => this.#onEnd(this, 'unpausable'));
  }

  evict(): void {
    this.#onEnd(this, 'evicted');
  }

  get isMeasuringDue(): boolean {
    return performance.now() - this.#measuredAt >= MEASURE_EVERY_MS;
  }

  /** Measures its memory where that is due; true when there is a new figure. */
  async measure(): Promise<boolean> {
    if (!this.isMeasuringDue) return false;
    this.#measuredAt = performance.now();
    const kb = await this.sandbox.memoryKb();
    if (kb === 0) return false;
    this.#memoryKb = kb;
    return true;
  }
}
