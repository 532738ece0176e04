/** Something that is kept only as long as there is room. */
export interface Idle {
  readonly memoryKb: number;
  /** Called once, when it has to go; it is not in the list any more. */
  evict(): void;
}

/** The idle sandboxes of all functions, in the order of their last use, within a bound on their memory. */
export class IdleLru {
  readonly #maxKb: number;
  readonly #members = new Map<Idle, number>();
  #totalKb = 0;

  constructor(options: { readonly maxKb: number }) {
    this.#maxKb = options.maxKb;
  }

  get totalKb(): number {
    return this.#totalKb;
  }

  get size(): number {
    return this.#members.size;
  }

  oldestFirst(): Iterable<Idle> {
    return this.#members.keys();
  }

  /** Evicts so many, the ones used longest ago. */
  evictOldest(count: number): void {
    for (const oldest of this.#members.keys()) {
      if (count-- <= 0) return;
      this.remove(oldest);
      oldest.evict();
    }
  }

  /** Takes it in as the one used last, and evicts the oldest beyond the bound: the new one too, if it is too large. */
  add(idle: Idle): void {
    this.remove(idle);
    this.#members.set(idle, idle.memoryKb);
    this.#totalKb += idle.memoryKb;
    this.#evictBeyond();
  }

  /** Tells that its memory has been measured anew. Does nothing when it is not idle any more. */
  update(idle: Idle): void {
    const before = this.#members.get(idle);
    if (before === undefined) return;
    this.#members.set(idle, idle.memoryKb);
    this.#totalKb += idle.memoryKb - before;
    this.#evictBeyond();
  }

  /** Takes it out, because it is used or gone. Idempotent. */
  remove(idle: Idle): void {
    const kb = this.#members.get(idle);
    if (kb === undefined) return;
    this.#members.delete(idle);
    this.#totalKb -= kb;
  }

  #evictBeyond(): void {
    if (this.#totalKb <= this.#maxKb) return;
    for (const oldest of this.#members.keys()) {
      if (this.#totalKb <= this.#maxKb) return;
      this.remove(oldest);
      oldest.evict();
    }
  }
}
