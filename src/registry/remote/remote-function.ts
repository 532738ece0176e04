import { isOlError, OlError } from '../../errors.ts';
import { inTime } from '../../in-time.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Code } from '../registry.ts';
import type { Outcome, Pulled, Puller } from './puller.ts';
import { Trouble } from './trouble.ts';

export interface RemoteFunctionOptions {
  readonly name: string;
  readonly puller: Puller;
  readonly log: Log;
  /** How long what is known counts as new. */
  readonly checkMs: number;
  /** How long a call waits for a check where there is code that could be used. */
  readonly patienceMs: number;
  /** How long a call waits for code that is not here. */
  readonly timeoutMs: number;
  readonly now: () => number;
  /** Called where another version, or none, is the newest now. */
  readonly changed: () => void;
}

/** A check is this many times `checkMs` old when calls begin to wait for the next one. */
const STALE = 2;

/**
 * One function of a bucket: its newest version, and when that was looked at.
 *
 * Fresh code, looked at within `checkMs`, is answered at once. Code that was looked at within twice that time is answered
 * at once as well, while the bucket is asked: a function that is called all the time never waits for the bucket. Later
 * than that, the call waits, but not long: so an upload is seen by the calls that come 2 × `checkMs` after it, as long as the
 * bucket answers, and calls go on when it doesn't.
 */
export class RemoteFunction {
  readonly #options: RemoteFunctionOptions;
  #pulled: Pulled | null;
  #refusal: Extract<Outcome, { kind: 'refused' }> | null = null;
  /** When the last check began that came to an end. */
  #checkedAt = Number.NEGATIVE_INFINITY;
  #check: Promise<Code> | null = null;
  /** When that began. */
  #startedAt = Number.NEGATIVE_INFINITY;
  /** The one after it, for calls that it began too early for. */
  #nextCheck: Promise<Code> | null = null;
  #isTroubled = false;

  /** With what an earlier worker had pulled, or null. */
  constructor(options: RemoteFunctionOptions, pulled: Pulled | null) {
    this.#options = options;
    this.#pulled = pulled;
  }

  get pulled(): Pulled | null {
    return this.#pulled;
  }

  /** True where there is nothing to keep it for: no version, and nobody looking for one. */
  get idle(): boolean {
    return this.#pulled === null && this.#refusal === null && this.#check === null;
  }

  /** As `Registry.pull`. */
  pull(): Code | Promise<Code> {
    const { checkMs, patienceMs, now } = this.#options;
    const age = now() - this.#checkedAt;
    if (age < checkMs) {
      if (this.#pulled !== null) return this.#pulled.code;
      if (this.#refusal !== null) throw this.#refusal.error;
    }
    // Whatever comes first is better than none.
    if (this.#pulled === null) return this.#inTime(this.#check ?? this.#begin());
    const check = this.#checkFor(now() - STALE * checkMs);
    // Nobody may wait for it: what comes of it is in the next pull.
    check.catch(() => {});
    const { code } = this.#pulled;
    return age < STALE * checkMs ? code : inTime(check, patienceMs, () => code);
  }

  /** A check that began then or later: one that began before may have seen less than the call was promised. */
  #checkFor(earliest: number): Promise<Code> {
    if (this.#check === null) return this.#begin();
    if (this.#startedAt >= earliest) return this.#check;
    this.#nextCheck ??= this.#beginAfter(this.#check);
    return this.#nextCheck;
  }

  async #beginAfter(check: Promise<Code>): Promise<Code> {
    await Promise.allSettled([check]);
    this.#nextCheck = null;
    return await (this.#check ?? this.#begin());
  }

  #begin(): Promise<Code> {
    this.#check = this.#checkOnce();
    return this.#check;
  }

  /** Its copy had to go: the next pull gets it again. */
  evicted(): void {
    this.#pulled = null;
    this.#checkedAt = Number.NEGATIVE_INFINITY;
    this.#options.changed();
  }

  /** Returns when no check is under way, whatever came of it. */
  async settled(): Promise<void> {
    while (this.#check !== null) await Promise.allSettled([this.#check, this.#nextCheck]);
  }

  async #checkOnce(): Promise<Code> {
    const { name, puller, now } = this.#options;
    const startedAt = now();
    this.#startedAt = startedAt;
    try {
      const outcome = await puller.pull(name, this.#refusal?.etag ?? this.#pulled?.etag ?? null);
      this.#checkedAt = startedAt;
      this.#troubled(null);
      return this.#accept(outcome);
    } catch (error) {
      return this.#failed(error);
    } finally {
      this.#check = null;
    }
  }

  #accept(outcome: Outcome): Code {
    if (outcome.kind !== 'unchanged') {
      this.#refusal = outcome.kind === 'refused' ? outcome : null;
      this.#become(outcome.kind === 'pulled' ? outcome : null);
    }
    if (this.#refusal !== null) throw this.#refusal.error;
    if (this.#pulled !== null) return this.#pulled.code;
    throw new Trouble('the copy that was here is gone: call again', { isGeneral: false });
  }

  #become(pulled: Pulled | null): void {
    const { name, log, changed } = this.#options;
    const version = pulled?.code.version;
    if (version !== undefined && version !== this.#pulled?.code.version)
      log.info({ function: name, version }, 'function code pulled');
    this.#pulled = pulled;
    changed();
  }

  #failed(error: unknown): Code {
    if (isOlError(error, 'ERR_NO_FUNCTION')) {
      this.#troubled(null);
      this.#refusal = null;
      if (this.#pulled !== null) this.#become(null);
    }
    if (!(error instanceof Trouble)) throw error;
    this.#troubled(error);
    const { name, puller, now } = this.#options;
    if (this.#pulled === null)
      throw new OlError(
        'ERR_REGISTRY',
        { name, server: puller.place, reason: error.message },
        { cause: error },
      );
    this.#checkedAt = now();
    return this.#pulled.code;
  }

  /** One line when it begins, and one when it is over. */
  #troubled(trouble: Trouble | null): void {
    const { name, log, puller } = this.#options;
    if (this.#isTroubled === (trouble !== null)) return;
    this.#isTroubled = trouble !== null;
    if (trouble === null) return log.info({ function: name }, 'the registry answers again');
    const used = this.#pulled === null ? 'there is no code to use' : 'the code that is here is used';
    log.warn(
      { function: name, server: puller.place, reason: trouble.message },
      `no answer of the registry: ${used}`,
    );
  }

  /** The pull goes on when the call has given up. */
  async #inTime(check: Promise<Code>): Promise<Code> {
    const { name, puller, timeoutMs } = this.#options;
    return await inTime(check, timeoutMs, () => {
      const reason = `it has not come within ${timeoutMs} ms, and is still being waited for: call again later`;
      throw new OlError('ERR_REGISTRY', { name, server: puller.place, reason });
    });
  }
}
