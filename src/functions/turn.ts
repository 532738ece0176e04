/**
 * Tells requests that came in one turn of the event loop from those of another: what came in one turn had all been sent when
 * the turn began. So what has been looked up for the first of them is as good for the others.
 *
 * A turn begins right before the event loop waits, and ends when it does so again. (The kernel hands over 1024 ready connections
 * at once; with more of them the event loop takes the rest in the same turn.)
 */
export class Turn {
  /** The same number again for as long as the turn lasts. */
  get number(): number {
    return performance.nodeTiming.uvMetricsInfo.loopCount;
  }
}
