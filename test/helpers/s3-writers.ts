import type { TestBucket } from './s3-client.ts';

const MB = 1024 * 1024;

/** What an object may hold after a kill: what was acknowledged last, or what was under way. Null is nothing. */
interface Known {
  readonly acknowledged: Buffer | null;
  readonly underWay: Buffer | null;
}

/** Writes to some keys without end, each of which it alone writes, and knows what may be in them. */
export class Writer {
  readonly #bucket: TestBucket;
  readonly #known: Map<string, Known>;
  #version = 0;

  /** `known` goes on from one server to the next. */
  constructor(bucket: TestBucket, known: Map<string, Known>) {
    this.#bucket = bucket;
    this.#known = known;
  }

  /** Puts and deletes until the connection breaks. Throws what a living server answers. */
  async small(name: string): Promise<void> {
    await this.#untilBroken(async () => {
      const key = `${name}-${this.#version % 3}`;
      if (Math.random() < 0.2) await this.#change(key, null, () => this.#bucket.remove(key));
      else {
        const data = this.#data(Math.floor(Math.random() * 2 * MB));
        await this.#change(key, data, () => this.#bucket.put(key, data));
      }
    });
  }

  /** Uploads in parts until the connection breaks. */
  async large(key: string): Promise<void> {
    await this.#untilBroken(async () => {
      const id = await this.#bucket.begin(key);
      const data = [this.#data(5 * MB), this.#data(100)];
      const etags: string[] = [];
      for (const [at, part] of data.entries()) etags.push(await this.#bucket.part(key, id, at + 1, part));
      await this.#change(key, Buffer.concat(data), () => this.#bucket.complete(key, id, etags));
    });
  }

  async #change(key: string, data: Buffer | null, work: () => Promise<void>): Promise<void> {
    const before = this.#known.get(key)?.acknowledged ?? null;
    this.#known.set(key, { acknowledged: before, underWay: data });
    await work();
    this.#known.set(key, { acknowledged: data, underWay: data });
  }

  #data(size: number): Buffer {
    this.#version++;
    return Buffer.alloc(size, `${this.#version} ${Math.random()} `);
  }

  async #untilBroken(work: () => Promise<void>): Promise<void> {
    try {
      for (;;) await work();
    } catch (error) {
      const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
      if ($metadata?.httpStatusCode !== undefined) throw error;
    }
  }
}

/** Looks whether every key holds something that it may hold; takes that for acknowledged from then on. */
export async function checkKnown(bucket: TestBucket, known: Map<string, Known>): Promise<string[]> {
  const there: string[] = [];
  for (const [key, { acknowledged, underWay }] of known) {
    const found = await bucket.get(key);
    const isKnown = [acknowledged, underWay].some((one) =>
      one === null || found === null ? one === found : one.equals(found),
    );
    if (!isKnown) throw new Error(`${key} holds ${found?.length ?? 'nothing'}: ${found?.subarray(0, 60)}`);
    known.set(key, { acknowledged: found, underWay: found });
    if (found !== null) there.push(key);
  }
  return there.sort();
}
