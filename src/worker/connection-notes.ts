import type { OlError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Whoever floods us must not flood the log as well: what is refused is summed up so often. */
const SUM_UP_EVERY_MS = 1000;

/** Tells the log and the metrics of connections that came to nothing. */
export class ConnectionNotes {
  readonly #log: Log;
  readonly #metrics: Metrics;
  #dropped = 0;

  constructor({ log, metrics }: { readonly log: Log; readonly metrics: Metrics }) {
    this.#log = log;
    this.#metrics = metrics;
  }

  /** What was not HTTP, or not in time, is answered. */
  broken(error: OlError): void {
    this.#metrics.refused(error.code);
    this.#log.debug({ code: error.code, reason: error.message }, 'connection refused');
  }

  /** There are as many connections as there may be. Nothing can be answered on one more: it is closed. */
  dropped(): void {
    this.#dropped++;
    if (this.#dropped > 1) return;
    setTimeout(() => {
      this.#log.warn({ connections: this.#dropped }, 'connections closed: there are too many');
      this.#dropped = 0;
    }, SUM_UP_EVERY_MS).unref();
  }
}
