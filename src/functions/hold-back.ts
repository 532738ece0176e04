import { isOlError, OlError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import {
  afterAnswer,
  afterStrikes,
  countAt,
  heldForMs,
  NO_STRIKES,
  STRIKES_OF,
  startsAllowed,
} from './back-off.ts';
import { Reminder } from './reminder.ts';

export interface HoldBackOptions {
  /** Of the function. */
  readonly name: string;
  readonly metrics: Pick<Metrics, 'heldBack'>;
  readonly log: Log;
  /** Called when a sandbox may be started again. */
  readonly onOver: () => void;
}

/** Errors of a call whose sandbox was ended for what it used up. */
type UsedUp = OlError<keyof typeof STRIKES_OF>;

/** What a function's sandboxes were ended for, for the policy in `back-off.ts`, and saying so. */
export class HoldBack {
  readonly #options: HoldBackOptions;
  readonly #over: Reminder;
  #strikes = NO_STRIKES;

  constructor(options: HoldBackOptions) {
    this.#options = options;
    this.#over = new Reminder(() => this.#remind());
  }

  /** True while no sandbox is started. */
  get isHeld(): boolean {
    return heldForMs(this.#strikes, performance.now()) > 0;
  }

  /** True where something would be lost if this was forgotten. */
  get hasStrikes(): boolean {
    return countAt(this.#strikes, performance.now()) > 0;
  }

  /** How many sandboxes may be started now at most, where so many are at work or being made. */
  startsAllowed(atWork: number): number {
    return startsAllowed(this.#strikes, performance.now(), atWork);
  }

  answered(): void {
    this.#strikes = afterAnswer(this.#strikes);
  }

  /** What there was, was with other code. */
  forget(): void {
    this.#strikes = NO_STRIKES;
  }

  /** Tells of a call that failed; returns what the client is to be told. */
  failed(error: unknown): unknown {
    if (!isStrike(error)) return error;
    const now = performance.now();
    this.#strikes = afterStrikes(this.#strikes, STRIKES_OF[error.code], now);
    const heldMs = heldForMs(this.#strikes, now);
    if (heldMs === 0) return error;
    this.#over.after(heldMs);
    const { name, metrics, log } = this.#options;
    const { code, fields, cause } = error;
    const [strikes, seconds] = [Math.floor(this.#strikes.count), Math.ceil(heldMs / 1000)];
    log.warn({ function: name, code, strikes, seconds }, 'function held back');
    metrics.heldBack();
    const reason = `${fields.reason}; its next sandbox is started in ${seconds} s`;
    return new OlError(code, { ...fields, name, reason }, { cause });
  }

  /** There may have been another strike since it was set. */
  #remind(): void {
    const heldMs = heldForMs(this.#strikes, performance.now());
    if (heldMs > 0) this.#over.after(heldMs);
    else this.#options.onOver();
  }
}

/** Where all sandboxes together had used up their memory, it was not this one's fault alone. */
function isStrike(error: unknown): error is UsedUp {
  if (isOlError(error, 'ERR_OUT_OF_MEMORY') && error.fields.bound !== 'mem_limit_mb') return false;
  return isOlError(error) && Object.hasOwn(STRIKES_OF, error.code);
}
