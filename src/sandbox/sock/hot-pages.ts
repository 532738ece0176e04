import { type FileHandle, open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { openAnonymous } from '../../linux/anonymous-file.ts';
import { isProcessGone } from '../../linux/process-gone.ts';
import type { Log } from '../../telemetry/log.ts';

/**
 * Which pages the sandboxes of a zygote write to. A fork shares all pages until somebody writes, and then copies them one by one, at
 * some us each: with pandas that is 1,100 times in a call, two thirds of what the call takes. All calls write to much the same
 * pages, those with the reference counts, caches and counters of what they use. So what the first sandboxes were seen to have
 * written to, later spares copy ahead of time, when nobody else wants the core (`runtime/python/hot_pages.py`).
 *
 * The idea is that of REAP ("Benchmarking, Analysis, and Optimization of Serverless Function Snapshots", ASPLOS 2021), which
 * records the pages that a function of a snapshot needs, and brings them in ahead. There they come from a disk; here they are there,
 * and it is the copying that is done ahead. Two sandboxes have to agree on a page, so that one odd call does not fill those of all others.
 */

/** From the first page, so many pages. */
export interface PageRange {
  readonly page: number;
  readonly count: number;
}

const PAGE_BYTES = 4096;
const ENTRY_BYTES = 8;
/** A sandbox may have no use for what it is given: 16 MB is a large part of its memory. */
const MAX_PAGES = 4096;
/** What was reserved and is not used may be large: the table has 8 bytes a page. */
const MAX_TABLE_PAGES = 1 << 20;

export interface HotPagesOptions {
  readonly zygote: { warmUp(file: number): void };
  readonly log: Log;
}

/** Learns from the first sandboxes of a zygote, and tells it. */
export class HotPages {
  readonly #options: HotPagesOptions;
  /** Those of the first sandbox that was looked at. */
  #first: readonly number[] | null = null;
  /** True while one is looked at, and when two have been. */
  #isBusy = false;

  constructor(options: HotPagesOptions) {
    this.#options = options;
  }

  /** One of its sandboxes has answered for the first time. Resolves when it has been looked at; null where nobody looks. */
  answered(pid: number): Promise<void> | null {
    return this.#isBusy ? null : this.#learn(pid);
  }

  async #learn(pid: number): Promise<void> {
    this.#isBusy = true;
    const pages = await this.#look(pid);
    if (pages !== null && this.#first !== null) {
      void this.#tell(inBoth(this.#first, pages));
      return;
    }
    this.#first ??= pages;
    this.#isBusy = false;
  }

  /** Null where it can't be seen: it has ended, or nobody may look. */
  async #look(pid: number): Promise<readonly number[] | null> {
    try {
      return await pagesWritten(pid);
    } catch (err) {
      if (!isProcessGone(err))
        this.#options.log.warn({ err, pid }, 'pages of a sandbox could not be looked at');
      return null;
    }
  }

  async #tell(pages: readonly number[]): Promise<void> {
    const ranges = toRanges(pages);
    if (ranges.length === 0) return;
    try {
      await using file = await openAnonymous(tmpdir());
      await file.write(encodeRanges(ranges), 0);
      // It runs foreign code: nothing of the machine's is for it to write to.
      await using readable = await open(`/proc/self/fd/${file.fd}`, 'r');
      this.#options.zygote.warmUp(readable.fd);
    } catch (err) {
      this.#options.log.warn({ err }, 'a zygote could not be told which pages are written to');
    }
  }
}

/** The pages that a process has for itself, in order: it has written to them. Rejects where it is gone, or can't be looked at. */
export async function pagesWritten(pid: number): Promise<number[]> {
  const areas = writableAreas(await readFile(`/proc/${pid}/maps`, 'latin1'));
  if (areas.length === 0) throw gone();
  await using table = await open(`/proc/${pid}/pagemap`);
  const found: number[] = [];
  let left = MAX_TABLE_PAGES;
  for (const { page, count } of areas) {
    left -= count;
    if (left < 0) break;
    addWritten(found, page, await readTable(table, page, count));
  }
  return found;
}

/** What is private and may be written to, of the text of `/proc/<pid>/maps`. */
export function writableAreas(maps: string): PageRange[] {
  return [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) .w.p /gm)].map(([, start = '', end = '']) => {
    const page = Number.parseInt(start, 16) / PAGE_BYTES;
    return { page, count: Number.parseInt(end, 16) / PAGE_BYTES - page };
  });
}

async function readTable(table: FileHandle, page: number, count: number): Promise<Buffer> {
  const entries = Buffer.allocUnsafe(count * ENTRY_BYTES);
  const { bytesRead } = await table.read(entries, 0, entries.length, page * ENTRY_BYTES);
  // Of a process that has ended meanwhile there is nothing more.
  if (bytesRead < entries.length) throw gone();
  return entries;
}

/** As the kernel says it where a file of the process is opened. */
function gone(): Error {
  return Object.assign(new Error('the process has ended'), { code: 'ESRCH' });
}

/** Of an entry of `/proc/<pid>/pagemap`, the high half: in memory; of a file; mapped by this process alone (Linux 4.2). */
const PRESENT = 0x8000_0000;
const OF_FILE = 0x2000_0000;
const EXCLUSIVE = 0x0100_0000;

/** Adds the pages of these entries that were written to; the first entry is that of `page`. */
export function addWritten(found: number[], page: number, entries: Buffer): void {
  for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
    const high = entries.readUInt32LE(at + 4);
    if (high & PRESENT && high & EXCLUSIVE && !(high & OF_FILE)) found.push(page + at / ENTRY_BYTES);
  }
}

/** Of two lists in order, what is in both. */
export function inBoth(some: readonly number[], others: readonly number[]): number[] {
  const set = new Set(others);
  return some.filter((page) => set.has(page));
}

/** The pages as ranges; the first ones where they are too many. */
export function toRanges(pages: readonly number[]): PageRange[] {
  const ranges: { page: number; count: number }[] = [];
  for (const page of pages.slice(0, MAX_PAGES)) {
    const last = ranges.at(-1);
    if (last !== undefined && page === last.page + last.count) last.count++;
    else ranges.push({ page, count: 1 });
  }
  return ranges;
}

/** Address and length of each in bytes, 64 bits each, little-endian as x86-64 and arm64 are. */
export function encodeRanges(ranges: readonly PageRange[]): Buffer {
  const bytes = Buffer.alloc(ranges.length * 16);
  for (const [index, { page, count }] of ranges.entries()) {
    bytes.writeBigUInt64LE(BigInt(page) * BigInt(PAGE_BYTES), index * 16);
    bytes.writeBigUInt64LE(BigInt(count) * BigInt(PAGE_BYTES), index * 16 + 8);
  }
  return bytes;
}
