import type { Code } from '../registry/registry.ts';
import type { SandboxRequest, SandboxResponse } from './sandbox.ts';

/** What bounds a workshop, instead of what bounds a function's sandbox. */
export interface WorkshopBounds {
  readonly memLimitMb: number;
  readonly procsMax: number;
  readonly scratchMaxMb: number;
  readonly scratchMaxFiles: number;
}

/** A sandbox for a task of the worker's own, that makes files. What is in it is as little to be trusted as in any other. */
export interface Workshop {
  /** As that of a sandbox, and with the same errors. One at a time. */
  request(request: SandboxRequest): Promise<SandboxResponse>;
  /** Ends all its processes, so that a request that is under way rejects. `close` is still to be called. */
  abort(): void;
  /**
   * Ends all its processes, and lets `take` have what it likes from the scratch directory. Rejects with what `take` rejects with.
   * `close` is still to be called.
   */
  finish(take: (scratchDir: string) => Promise<void>): Promise<void>;
  /** Ends all its processes, and removes what is left. Never rejects, and may be called again. */
  close(): Promise<void>;
}

/** Makes workshops. */
export interface WorkshopEngine {
  /** What compiled files and binary packages depend on, `cpython-311-x64` for one. */
  readonly interpreter: string;
  /** Serves `code`, as a sandbox does, within other bounds. Rejects with ERR_SANDBOX_START. */
  openWorkshop(code: Code, bounds: WorkshopBounds): Promise<Workshop>;
}
