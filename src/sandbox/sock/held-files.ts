import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type FileStatus, statThrough } from '../../linux/beneath.ts';

/** How many descriptors are looked at before others get their turn: a quarter of a millisecond. */
const SLICE = 64;
const CHUNK_BYTES = 64 * 1024;
/** `7f0c-7f0d rw-s 0000 fe:00 4711   /host/name (deleted)` */
const DELETED_MAPPING = /^0*([0-9a-f]+)-0*([0-9a-f]+) .* \(deleted\)$/gm;

/**
 * The files that have no name any more and still take space, because a process keeps them open or mapped: of `pid` and
 * all below it. A file may come more than once. (One that is only in a message between two sockets is not found.)
 */
export async function* heldFiles(pid: number): AsyncIterable<FileStatus> {
  for (const one of processTree(pid)) {
    yield* openFiles(one);
    yield* mappedFiles(one);
  }
}

async function* openFiles(pid: number): AsyncIterable<FileStatus> {
  let looked = 0;
  for (const fd of namesIn(`/proc/${pid}/fd`)) {
    if (++looked % SLICE === 0) await setImmediate();
    const file = statThrough(`/proc/${pid}/fd/${fd}`);
    if (file?.links === 0) yield file;
  }
}

async function* mappedFiles(pid: number): AsyncIterable<FileStatus> {
  for await (const text of mapsOf(pid)) {
    if (!text.includes(' (deleted)\n')) continue;
    for (const [, from, to] of text.matchAll(DELETED_MAPPING)) {
      const file = statThrough(`/proc/${pid}/map_files/${from}-${to}`);
      if (file?.links === 0) yield file;
    }
  }
}

/** The lines of a process's map, some at a time. */
async function* mapsOf(pid: number): AsyncIterable<string> {
  const fd = unlessGone(() => openSync(`/proc/${pid}/maps`, 'r'));
  if (fd === null) return;
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let rest = '';
    for (;;) {
      const length = unlessGone(() => readSync(fd, chunk, 0, CHUNK_BYTES, null)) ?? 0;
      if (length === 0) return;
      rest += chunk.toString('latin1', 0, length);
      const end = rest.lastIndexOf('\n') + 1;
      yield rest.slice(0, end);
      rest = rest.slice(end);
      if (length > CHUNK_BYTES / 2) await setImmediate();
    }
  } finally {
    closeSync(fd);
  }
}

/** A process and all that it has started, whichever of its threads did. Orphans are the first process's. */
function* processTree(pid: number): Iterable<number> {
  yield pid;
  for (const thread of namesIn(`/proc/${pid}/task`)) {
    const children = unlessGone(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1')) ?? '';
    for (const child of children.split(' ').filter(Boolean)) yield* processTree(Number(child));
  }
}

function namesIn(dir: string): string[] {
  return unlessGone(() => readdirSync(dir)) ?? [];
}

/** Null for a process that ends while it is looked at. */
function unlessGone<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw error;
  }
}
