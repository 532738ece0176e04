import { readdirSync, readFileSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FileStatus, statThrough } from '../../linux/beneath.ts';
import { deviceName } from '../../linux/device.ts';
import { isProcessGone } from '../../linux/process-gone.ts';

/** How many looks are taken in one go, a quarter of a millisecond, and how long others have their turn then. */
const LOOKS_IN_A_GO = 32;
const REST_MS = 2;
/** What else takes time, in looks at a descriptor: finding the children of a process, and reading its map. */
const CHILDREN_LOOKS = 4;
const MAP_LOOKS = 16;
const CHUNK_BYTES = 64 * 1024;
const BLOCK_BYTES = 512;
/** `7f0c-7f0d rw-s 0000 fe:00 4711   /host/name (deleted)` */
const DELETED_MAPPING = /^0*([0-9a-f]+)-0*([0-9a-f]+) .* \(deleted\)$/gm;

/** Of a file that a process holds: what the kernel tells of it. */
export type HeldFile = Pick<FileStatus, 'bytes' | 'inode' | 'device'>;

/**
 * The files that have no name any more and still take space, because a process keeps them open or mapped: of `pid` and
 * all below it. A file may come more than once. (One that is only in a message between two sockets is not found.)
 *
 * What is mapped comes last, because that takes time: the kernel shows a process's memory map, and what is behind it, only
 * while the process does not change it, and one that forks again and again leaves little time for that. All of it is done a
 * little at a time: there may be a hundred processes, and requests of others come in between. Once `isOver` says so, nothing
 * more is looked at.
 */
export async function* heldFiles(pid: number, isOver: () => boolean): AsyncIterable<HeldFile> {
  const pace = new Pace(isOver);
  const pids: number[] = [];
  for await (const one of processTree(pid, pace)) pids.push(one);
  for (const one of pids) yield* openFiles(one, pace);
  for (const one of pids) yield* mappedFiles(one, pace);
}

/** How much is looked at in one go. */
class Pace {
  readonly #isOver: () => boolean;
  #looks = 0;

  constructor(isOver: () => boolean) {
    this.#isOver = isOver;
  }

  /** Call it before so many looks. Resolves when it is time for them; false where it is over. */
  async next(looks: number): Promise<boolean> {
    this.#looks += looks;
    if (this.#looks > LOOKS_IN_A_GO) {
      this.#looks = looks;
      await sleep(REST_MS);
    }
    return !this.#isOver();
  }
}

async function* openFiles(pid: number, pace: Pace): AsyncIterable<HeldFile> {
  for (const fd of namesIn(`/proc/${pid}/fd`)) {
    if (!(await pace.next(1))) return;
    const file = statThrough(`/proc/${pid}/fd/${fd}`);
    if (file?.links === 0) yield file;
  }
}

/** Through the thread pool, because all of it may have to wait for the process. */
async function* mappedFiles(pid: number, pace: Pace): AsyncIterable<HeldFile> {
  if (!(await pace.next(MAP_LOOKS))) return;
  for await (const text of mapsOf(pid)) {
    if (!text.includes(' (deleted)\n')) continue;
    for (const [, from, to] of text.matchAll(DELETED_MAPPING)) {
      const file = await unlessGone(stat(`/proc/${pid}/map_files/${from}-${to}`, { bigint: true }));
      if (file?.nlink === 0n)
        yield {
          bytes: Number(file.blocks) * BLOCK_BYTES,
          inode: file.ino,
          device: deviceName(file.dev),
        };
    }
  }
}

/** The lines of a process's map, some at a time. */
async function* mapsOf(pid: number): AsyncIterable<string> {
  const file = await unlessGone(open(`/proc/${pid}/maps`));
  if (file === null) return;
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let rest = '';
    for (;;) {
      const { bytesRead = 0 } = (await unlessGone(file.read(chunk, 0, CHUNK_BYTES, null))) ?? {};
      if (bytesRead === 0) return;
      rest += chunk.toString('latin1', 0, bytesRead);
      const end = rest.lastIndexOf('\n') + 1;
      yield rest.slice(0, end);
      rest = rest.slice(end);
    }
  } finally {
    await file.close();
  }
}

/** A process and all that it has started, whichever of its threads did. Orphans are the first process's. */
async function* processTree(pid: number, pace: Pace): AsyncIterable<number> {
  if (!(await pace.next(CHILDREN_LOOKS))) return;
  yield pid;
  for (const thread of namesIn(`/proc/${pid}/task`)) {
    const children =
      unlessMissing(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1')) ?? '';
    for (const child of children.split(' ').filter(Boolean)) yield* processTree(Number(child), pace);
  }
}

function namesIn(dir: string): string[] {
  return unlessMissing(() => readdirSync(dir)) ?? [];
}

/** Null for a process that ends while it is looked at. */
function unlessMissing<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (isProcessGone(error)) return null;
    throw error;
  }
}

async function unlessGone<T>(looking: Promise<T>): Promise<T | null> {
  try {
    return await looking;
  } catch (error) {
    if (isProcessGone(error)) return null;
    throw error;
  }
}
