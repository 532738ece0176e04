import { OlError } from '../errors.ts';
import { inTime } from '../in-time.ts';
import type { PipeError } from './pipe-error.ts';
import { type Death, describeDeath, type MemoryBound, type SandboxRequest } from './sandbox.ts';

/** Bounds that messages name. */
export interface NamedBounds {
  readonly memLimitMb: number;
  /** Of all sandboxes together. */
  readonly memPoolMb: number;
  readonly procsMax: number;
  readonly scratchMaxMb: number;
  readonly scratchMaxFiles: number;
}

/** A bound of its own that a sandbox is ended for by the worker, and why, for whoever waits for it. */
export interface OverBound {
  readonly code: 'ERR_SCRATCH_FULL' | 'ERR_TOO_MANY_PROCESSES';
  readonly reason: string;
}

/** How a sandbox's processes ended. */
export interface SandboxEnd {
  readonly death: Death;
  /** Why it never got as far as user code; null where it did. */
  readonly failure: string | null;
}

/** What an engine knows of a sandbox whose connection broke. */
export interface Broken {
  readonly functionName: string;
  readonly bounds: NamedBounds;
  readonly hasAnswered: boolean;
  /** True where we are ending it ourselves. */
  readonly isBeingEnded: boolean;
  /** What it had too much of, when it is ended for that. */
  readonly over: OverBound | null;
  /** How long it has to be gone once it has closed its connection; then it is ended for breaking the protocol. */
  readonly closingMs: number;
  readonly ended: Promise<SandboxEnd>;
  /** True where it has ended, and `ended` only waits for the word of it. */
  hasEnded(): boolean;
  destroy(reason: string): void;
}

/** What a broken exchange means for the client; the sandbox is on its way out after it. */
export async function explainBroken(error: PipeError, request: SandboxRequest, it: Broken): Promise<OlError> {
  const name = it.functionName;
  const options = { cause: error };
  if (error.failure === 'closed' || error.failure === 'unread') return await explainClosed(error, it);
  it.destroy(error.message);
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

async function explainClosed(cause: PipeError, it: Broken): Promise<OlError> {
  const name = it.functionName;
  // One that we have killed ends, however long that takes. Of one that has ended we are told, if only when its zygote is another.
  const late = () => (it.hasEnded() ? it.ended : null);
  const end = await (it.isBeingEnded ? it.ended : inTime(it.ended, it.closingMs, late));
  if (end === null) {
    it.destroy('it closed its connection');
    const reason = 'it closed its connection and went on';
    // It did so before this request, which no handler has seen.
    if (cause.failure === 'unread' && it.hasAnswered)
      return new OlError('ERR_SANDBOX_GONE', { name, how: reason }, { cause });
    return new OlError('ERR_BAD_RESPONSE', { name, reason }, { cause });
  }
  const { death, failure } = end;
  const died = (code: 'ERR_SANDBOX_GONE' | 'ERR_SANDBOX_DIED') =>
    new OlError(code, { name, how: describeDeath(death) }, { cause });
  // It died while it was idle, of whatever it had done before: this request is as good as never sent.
  if (cause.failure === 'unread' && it.hasAnswered) return died('ERR_SANDBOX_GONE');
  if (it.over !== null) return new OlError(it.over.code, { name, reason: it.over.reason }, { cause });
  if (failure !== null) return new OlError('ERR_SANDBOX_START', { name, reason: failure }, { cause });
  if (death.outOfMemory !== null) {
    const reason = explainMemory(death.outOfMemory, it.bounds);
    const bound = death.outOfMemory === 'sandbox' ? 'mem_limit_mb' : 'mem_pool_mb';
    return new OlError('ERR_OUT_OF_MEMORY', { name, reason, bound }, { cause });
  }
  return died(cause.failure === 'unread' ? 'ERR_SANDBOX_GONE' : 'ERR_SANDBOX_DIED');
}

function explainMemory(bound: MemoryBound, { memLimitMb, memPoolMb }: NamedBounds): string {
  return bound === 'sandbox'
    ? `it used more than ${memLimitMb} MB: use less, or raise mem_limit_mb`
    : `all sandboxes together used more than ${memPoolMb} MB, and it was a large one: raise mem_pool_mb, or use less`;
}

const BYTES_PER_MB = 1024 * 1024;

/** Why a sandbox with so much in its scratch space is ended. */
export function explainScratch(
  usage: { readonly bytes: number; readonly files: number },
  { scratchMaxMb, scratchMaxFiles }: NamedBounds,
): { reason: string; counted: { files: number; mb: number } } {
  const { bytes, files } = usage;
  const reason =
    files > scratchMaxFiles
      ? `it had more than ${scratchMaxFiles} files: make fewer, or raise scratch_max_files`
      : `it had more than ${scratchMaxMb} MB: write less, or raise scratch_max_mb`;
  return { reason, counted: { files, mb: Math.round(bytes / BYTES_PER_MB) } };
}

/** Why one is ended that did not stop forking. */
export function explainForks({ procsMax }: NamedBounds): string {
  return `it went on asking when it had ${procsMax} of them, threads included: start fewer, or raise procs_max`;
}

/** Why one is ended that can't be looked at. */
export function explainHidden(tookMs: number): string {
  return `after ${tookMs} ms it was not known yet what its processes hold of it: start fewer, or let them rest`;
}
