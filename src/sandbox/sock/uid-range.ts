import { UidPool } from '../uids.ts';

/** The largest range of a package zygote; the smallest that is of use to one. */
const LARGEST = 2 ** 19;
const SMALLEST = 16;
/** A range is at most such a part of what is free, by how many uids there are: trees of zygotes are broad at the top, and deep below. */
const SHARES = [
  { upTo: 128, share: 1.5 },
  { upTo: 1024, share: 3 },
  { upTo: 8192, share: 6 },
  { upTo: LARGEST, share: 4 },
  { upTo: Number.POSITIVE_INFINITY, share: 30 },
] as const;
/** The part of a range that is for sandboxes; the rest is for zygotes below. */
const SINGLES = 4;

export interface Uids {
  readonly base: number;
  readonly count: number;
}

/**
 * The host uids of a zygote: single ones for the sandboxes that are forked from it, and ranges for the zygotes below it. A
 * user namespace can only give away what it has itself, so the ranges of a tree of zygotes lie in one another. That bounds its
 * depth: a chain has ranges of 524288, 65536, 8192, 1024, 256, 64, 32 and 16 uids. (The kernel's own bound is 32 user namespaces.)
 */
export class UidRange implements Uids {
  readonly base: number;
  readonly count: number;
  readonly #singles: UidPool;
  readonly #firstRange: number;
  readonly #ranges = new Set<Uids>();
  readonly #onFree: (range: UidRange) => void;
  /** Its zygote has ended. */
  #isClosed = false;

  /** That of a whole worker. */
  static whole({ base, count }: Uids, singles: number): UidRange {
    return new UidRange({ base, count }, { base, count: singles }, () => {});
  }

  private constructor({ base, count }: Uids, singles: Uids, onFree: (range: UidRange) => void) {
    this.base = base;
    this.count = count;
    this.#singles = new UidPool(singles.base, singles.count);
    this.#firstRange = singles.base + singles.count;
    this.#onFree = onFree;
  }

  get isFull(): boolean {
    return this.#singles.isFull;
  }

  /** A single uid that nobody else has. */
  take(): number {
    return this.#singles.take();
  }

  giveBack(uid: number): void {
    this.#singles.giveBack(uid);
    this.#settle();
  }

  /** A range for a zygote below, whose first uid is that zygote's own; null where there is too little left. */
  takeRange(): UidRange | null {
    for (let size = this.#sizeOfNext(); size >= SMALLEST; size /= 2) {
      const base = this.#findGap(size);
      if (base === null) continue;
      const singles = { base: base + 1, count: Math.max(size / SINGLES, SMALLEST) - 1 };
      const range = new UidRange({ base, count: size }, singles, (free) => this.#giveBackRange(free));
      this.#ranges.add(range);
      return range;
    }
    return null;
  }

  /** Its zygote is gone. It is free for another one when all that is taken of it has been given back, too. */
  close(): void {
    this.#isClosed = true;
    this.#settle();
  }

  has(uid: number): boolean {
    return uid >= this.base && uid < this.base + this.count;
  }

  #settle(): void {
    if (this.#isClosed && this.#singles.isUnused && this.#ranges.size === 0) this.#onFree(this);
  }

  #giveBackRange(range: UidRange): void {
    this.#ranges.delete(range);
    this.#settle();
  }

  #sizeOfNext(): number {
    const taken = [...this.#ranges].reduce((sum, { count }) => sum + count, 0);
    const free = this.base + this.count - this.#firstRange - taken;
    const share = SHARES.find(({ upTo }) => this.count <= upTo)?.share ?? 1;
    return Math.max(SMALLEST, Math.min(LARGEST, 2 ** Math.floor(Math.log2(Math.max(1, free / share)))));
  }

  /** Where so many lie together that nobody has. */
  #findGap(size: number): number | null {
    const taken = [...this.#ranges].sort((one, other) => one.base - other.base);
    let start = this.#firstRange;
    for (const { base, count } of taken) {
      if (base - start >= size) return start;
      start = base + count;
    }
    return this.base + this.count - start >= size ? start : null;
  }
}
