import type { Code } from '../registry/registry.ts';
import type { Sandbox, SandboxRequest, SandboxResponse } from '../sandbox/sandbox.ts';
import type { StartKind } from '../telemetry/metrics.ts';
import type { SandboxReport } from '../telemetry/sandbox-report.ts';
import type { Idle } from './idle-lru.ts';

/** Before it has been measured: what a sandbox without packages takes. */
const FIRST_GUESS_KB = 5 * 1024;
/** Measuring walks the page tables; once in so many ms a sandbox is enough. */
const MEASURE_EVERY_MS = 5000;

/** One serving slot of a function: a sandbox, the version of the code that it runs, and what we know of it. */
export class Instance implements Idle {
  readonly sandbox: Sandbox;
  readonly code: Code;
  readonly #onEvict: (instance: Instance) => void;
  #memoryKb = FIRST_GUESS_KB;
  #measuredAt = Number.NEGATIVE_INFINITY;
  #served = 0;
  #state: SandboxReport['state'] = 'idle';

  constructor(sandbox: Sandbox, code: Code, onEvict: (instance: Instance) => void) {
    this.sandbox = sandbox;
    this.code = code;
    this.#onEvict = onEvict;
  }

  get memoryKb(): number {
    return this.#memoryKb;
  }

  get state(): SandboxReport['state'] {
    return this.#state;
  }

  /** How the next request will find it. */
  get start(): StartKind {
    return this.#served === 0 ? 'cold' : 'warm';
  }

  async serve(request: SandboxRequest): Promise<SandboxResponse> {
    this.#state = 'busy';
    this.#served++;
    try {
      return await this.sandbox.request(request);
    } finally {
      this.#state = 'idle';
    }
  }

  evict(): void {
    this.#onEvict(this);
  }

  /** Measures its memory where that is due; true when there is a new figure. */
  async measure(): Promise<boolean> {
    const now = performance.now();
    if (now - this.#measuredAt < MEASURE_EVERY_MS) return false;
    this.#measuredAt = now;
    const kb = await this.sandbox.memoryKb();
    if (kb === 0) return false;
    this.#memoryKb = kb;
    return true;
  }
}
