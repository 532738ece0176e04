import type { Code } from '../registry/registry.ts';
import type { Lock } from './lock.ts';
import type { Engine, Sandbox } from './sandbox.ts';

/** What is to be imported ahead of time. */
export interface ImportRequest {
  /** The zygote to start from, with its imports; null for the engine's own, which has none. */
  readonly parent: ImportZygote | null;
  /** Where its modules are to be found, in a sandbox's own paths: those of the parent's packages included. */
  readonly directories: readonly string[];
  /** In this order. Each is worth a try: it is no failure where one can't be imported, as long as another one can. */
  readonly modules: readonly string[];
}

/** From which directories modules have been loaded, of those that were asked for. */
export interface Loaded {
  /** By whom it was forked from. */
  readonly before: readonly string[];
  /** By each import, in their order: those that nothing had been loaded from before. What could not be imported has none. */
  readonly steps: readonly { readonly module: string; readonly directories: readonly string[] }[];
}

/** An interpreter with modules imported, that sandboxes are forked from. */
export interface ImportZygote {
  /** Resolves with how it ended. Never rejects. Sandboxes that were forked from it live on. */
  readonly gone: Promise<string>;
  /** Memory beyond its parent's, in kB, as measured when it had imported. */
  readonly memoryKb: number;
  readonly importMs: number;
  readonly loaded: Loaded;
  /** Ends it. Idempotent; resolves when it is gone. */
  close(): Promise<void>;
}

/** An engine that can fork sandboxes from interpreters with modules imported. */
export interface ZygoteEngine extends Engine {
  /** Rejects with ERR_IMPORT where none of the modules can be imported, or what they make can't be forked, with another error where that is not their fault; leaves nothing then. */
  importAhead(request: ImportRequest): Promise<ImportZygote>;
  /** As `create`, forked from this zygote; from the next one above it that lives and has room, at last the engine's own. */
  createFrom(zygote: ImportZygote, code: Code, lock: Lock | null): Promise<Sandbox>;
}
