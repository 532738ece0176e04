import { readdirSync, readFileSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { type FileStatus, statThrough } from '../../linux/beneath.ts';
import { deviceName } from '../../linux/device.ts';
import { isProcessGone } from '../../linux/process-gone.ts';

/** How many descriptors are looked at before others get their turn: a quarter of a millisecond. */
const SLICE = 64;
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
 * while the process does not change it, and one that forks again and again leaves little time for that.
 */
export async function* heldFiles(pid: number): AsyncIterable<HeldFile> {
  const pids = [...processTree(pid)];
  for (const one of pids) yield* openFiles(one);
  for (const one of pids) yield* mappedFiles(one);
}

async function* openFiles(pid: number): AsyncIterable<HeldFile> {
  let looked = 0;
  for (const fd of namesIn(`/proc/${pid}/fd`)) {
    if (++looked % SLICE === 0) await setImmediate();
    const file = statThrough(`/proc/${pid}/fd/${fd}`);
    if (file?.links === 0) yield file;
  }
}

/** Through the thread pool, because all of it may have to wait for the process. */
async function* mappedFiles(pid: number): AsyncIterable<HeldFile> {
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
function* processTree(pid: number): Iterable<number> {
  yield pid;
  for (const thread of namesIn(`/proc/${pid}/task`)) {
    const children =
      unlessMissing(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1')) ?? '';
    for (const child of children.split(' ').filter(Boolean)) yield* processTree(Number(child));
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
