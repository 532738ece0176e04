/**
 * What ended a connection. `closed` is how a dying sandbox looks from here; `unread`, one that died before it had read the
 * whole request, so that no handler has seen it.
 */
export type PipeFailure = 'closed' | 'unread' | 'timeout' | 'too-large' | 'protocol';

/** A connection's end, with what the sandbox did. */
export class PipeError extends Error {
  readonly failure: PipeFailure;

  constructor(failure: PipeFailure, detail: string) {
    super(detail);
    this.name = 'PipeError';
    this.failure = failure;
  }
}
