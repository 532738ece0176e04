import type { Code } from '../registry/registry.ts';
import type { Lock } from './lock.ts';

/** How an invocation in a sandbox was answered; the body is what the client gets. */
export interface SandboxResponse {
  /** 200: the function's result; 400: the event is not JSON; 500: the function failed, the body says how. */
  readonly status: 200 | 400 | 500;
  readonly body: Buffer;
  /**
   * When the sandbox had loaded its code and could serve, in ms of `performance.now()`. The first answer tells it, later
   * ones and engines that can't say have null. The code itself may have made it up.
   */
  readonly loadedAt: number | null;
  /** How long the call took in the sandbox, in ms; null where the engine can't say. The code may have made it up. */
  readonly tookMs: number | null;
}

/** One request for a sandbox; all limits are counted from the call. */
export interface SandboxRequest {
  readonly body: Buffer;
  readonly timeoutMs: number;
  readonly responseMaxBytes: number;
}

/** Which bound on memory ended a sandbox: its own, or that of all sandboxes together. */
export type MemoryBound = 'sandbox' | 'pool';

/** How a sandbox ended: with an exit code, by a signal, or because we destroyed it (`reason`). */
export interface Death {
  readonly code: number | null;
  readonly signal: string | null;
  readonly reason: string | null;
  /** Which bound the kernel ended it for; null where it did not end for want of memory. */
  readonly outOfMemory: MemoryBound | null;
}

/**
 * An isolated process tree that serves one version of one function.
 *
 * States: alive, then dead for ever. At most one request at a time; a second one before the first is answered is the
 * caller's error and throws. After death `request` rejects with ERR_SANDBOX_GONE; everything else is safe to call.
 */
export interface Sandbox {
  /** `<function>/<instance number>`, unique in the worker while it runs. */
  readonly id: string;
  readonly functionName: string;
  readonly origin: Origin;
  /** When it was made, in ms of `performance.now()`. */
  readonly createdAt: number;
  /** Resolves when all its processes are gone and its scratch space is removed. Never rejects. */
  readonly dead: Promise<Death>;

  /**
   * Resolves when it is to be given no more requests, because what it was made from is gone, and another one there; what it was
   * given it finishes, and is for its owner to destroy then. Never rejects; may never resolve.
   */
  readonly retired: Promise<void>;

  /**
   * Sends the event and waits for the answer. Rejects with ERR_TIMEOUT, ERR_RESPONSE_TOO_LARGE, ERR_BAD_RESPONSE,
   * ERR_OUT_OF_MEMORY, ERR_TOO_MANY_PROCESSES, ERR_SCRATCH_FULL, ERR_SANDBOX_START, ERR_SANDBOX_DIED, or ERR_SANDBOX_GONE
   * where the request is as good as never sent; after each of these the sandbox is destroyed.
   */
  request(request: SandboxRequest): Promise<SandboxResponse>;
  /** True while it has been sent its first request and has not read it: it starts, and loads its code. */
  isLoading(): boolean;
  /**
   * Stops all its processes until `unpause`: they use no CPU time, and keep their memory. Resolves when they have stopped,
   * or `unpause` or `destroy` came first. Idempotent. A request to a paused sandbox unpauses it.
   */
  pause(): Promise<void>;
  unpause(): void;
  /** Ends it and all its processes at once. Idempotent; resolves with `dead`. */
  destroy(reason: string): Promise<Death>;
  /** Pid of its first process as the machine sees it; null when that is not known yet, or any more. */
  pid(): number | null;
  /** Memory that its end would free, in kB (its share of what it shares with others counted in); 0 when dead. */
  memoryKb(): Promise<number>;
}

/** What a sandbox was made from: an interpreter as it starts, or one with the function's packages imported. */
export type Origin = 'cold' | 'zygote';

/** Makes sandboxes of one kind. */
export interface Engine {
  /** What `sandbox` is in the config: `sock`. */
  readonly name: string;
  /**
   * A sandbox for this code, ready for a request; it finds the packages of the lock, and no others. Rejects with
   * ERR_SANDBOX_START, and leaves nothing then.
   */
  create(code: Code, lock: Lock | null): Promise<Sandbox>;
  /** Destroys all sandboxes, waits until they are gone, and frees what the engine holds. Idempotent. */
  close(): Promise<void>;
}

/** Death in words for messages: `exit code 3`, `signal SIGSEGV`. */
export function describeDeath(death: Death): string {
  if (death.reason !== null) return death.reason;
  return death.signal === null ? `exit code ${death.code}` : `signal ${death.signal}`;
}
