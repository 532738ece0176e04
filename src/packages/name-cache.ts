import { lookup } from 'node:dns/promises';

/** A name that is looked up again and again while packages are fetched has not moved meanwhile. */
const KEPT_MS = 30_000;
/** Names of package indexes are few; a build that makes up others must not fill our memory. */
const MAX_NAMES = 100;

interface Known {
  readonly addresses: Promise<readonly string[]>;
  readonly until: number;
}

/** Remembers the addresses of names for a short while: one that is lost on its way takes the resolver 5 s to ask for again. */
export class NameCache {
  readonly #known = new Map<string, Known>();

  /** Rejects as `dns.lookup` does, and then nothing is remembered. */
  addressesOf(host: string): Promise<readonly string[]> {
    const known = this.#known.get(host);
    if (known !== undefined && performance.now() < known.until) return known.addresses;
    const addresses = lookup(host, { all: true }).then((found) => found.map(({ address }) => address));
    if (this.#known.size >= MAX_NAMES) this.#known.clear();
    this.#known.set(host, { addresses, until: performance.now() + KEPT_MS });
    addresses.catch(() => this.#known.delete(host));
    return addresses;
  }
}
