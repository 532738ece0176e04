import { createHash, type Hash } from 'node:crypto';
import { chmod, type FileHandle, mkdir, open, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Writers, writersOf } from '../linux/lease.ts';
import { eachOf, handlePath, openFile } from './files.ts';
import { Interrupted } from './interrupted.ts';
import { type Entry, type FileEntry, type Survey, stampOf } from './survey.ts';
import { versionOf } from './version.ts';

/** Read, hashed and written at once: hashing it blocks the event loop for 0.2 ms. */
const CHUNK_BYTES = 256 * 1024;
/** Files at a time: the four threads of libuv serve other functions as well. */
const WIDTH = 3;

/**
 * How long a file has to be left alone where nothing but its times tells of a change. The kernel's clock for them moves
 * every 1 to 10 ms, so a second write within that time leaves no trace.
 */
export const QUIET_MS = 50;

export interface CopyOptions {
  readonly name: string;
  readonly root: FileHandle;
  readonly survey: Survey;
  /** An empty directory, there already. */
  readonly target: string;
}

/**
 * Copies what was surveyed, and returns its version. The owner is the worker, and modes are 0644 or 0755, so that neither a set-user-id bit nor a missing permission comes along.
 * Nothing is synced to disk: this is a cache, emptied when the worker starts.
 *
 * Throws Interrupted where a file is being written, or is not as surveyed.
 */
export async function copyCode(options: CopyOptions): Promise<string> {
  const { survey, target } = options;
  const contents = new Map<string, string>();
  for (const entry of survey.entries) await copyOther(entry, target);
  const files = survey.entries.filter((entry) => entry.kind === 'file');
  await eachOf(files, WIDTH, async (file) => {
    contents.set(file.path, await copyFile(file, options));
  });
  return versionOf(survey.entries, contents);
}

/** Directories come before what is in them, by the order of the entries. */
async function copyOther(entry: Entry, target: string): Promise<void> {
  const to = join(target, entry.path);
  if (entry.kind === 'link') await symlink(entry.target, to);
  if (entry.kind !== 'directory') return;
  await mkdir(to);
  // The mode of mkdir is subject to the umask.
  await chmod(to, 0o755);
}

/** Copies one file and returns the sha256 of what was read. */
async function copyFile(entry: FileEntry, { name, root, survey, target }: CopyOptions): Promise<string> {
  // A link on the way may lead anywhere; the stamp has the inode, so that nothing but the surveyed file passes.
  const from = await openFile(`${handlePath(root)}/${entry.path}`, { name, path: entry.path });
  try {
    await checkSame(from, entry);
    checkWriters(from, entry, survey.atMs);
    const content = await transfer(from, entry, join(target, entry.path));
    // Asked before and after: a writer that came in between has left a new stamp, one that is still writing has not
    // for certain, and stores through a mapping that was there before leave none at all.
    checkWriters(from, entry, survey.atMs);
    await checkSame(from, entry);
    return content;
  } finally {
    await from.close();
  }
}

async function checkSame(file: FileHandle, entry: FileEntry): Promise<void> {
  if (stampOf(await file.stat({ bigint: true })) === entry.stamp) return;
  throw new Interrupted('changed', entry.path);
}

function checkWriters(file: FileHandle, entry: FileEntry, atMs: number): void {
  const writers: Writers = writersOf(file.fd, entry.path);
  if (writers === 'some') throw new Interrupted('writer', entry.path);
  if (writers === 'unknown') checkQuiet(entry.path, entry.changedMs, atMs);
}

/** Throws Interrupted where the change is younger than QUIET_MS. One from a clock ahead of ours is not: a write now would show. */
export function checkQuiet(path: string, changedMs: number, atMs: number): void {
  const ageMs = atMs - changedMs;
  if (ageMs >= 0 && ageMs < QUIET_MS) throw new Interrupted('quiet', path, QUIET_MS - ageMs);
}

async function transfer(from: FileHandle, entry: FileEntry, path: string): Promise<string> {
  const mode = entry.executable ? 0o755 : 0o644;
  const to = await open(path, 'wx', mode);
  try {
    await to.chmod(mode);
    const hash = createHash('sha256');
    await pump(from, to, entry, hash);
    return hash.digest('hex');
  } finally {
    await to.close();
  }
}

async function pump(from: FileHandle, to: FileHandle, entry: FileEntry, hash: Hash): Promise<void> {
  // One byte more than there should be, so that the end is seen, and growth too.
  const buffer = Buffer.allocUnsafe(Math.min(entry.size + 1, CHUNK_BYTES));
  for (let done = 0; ; ) {
    const { bytesRead } = await from.read(buffer, 0, buffer.length, done);
    done += bytesRead;
    if (done > entry.size || (bytesRead === 0 && done < entry.size)) {
      throw new Interrupted('changed', entry.path);
    }
    if (bytesRead === 0) return;
    hash.update(buffer.subarray(0, bytesRead));
    await to.writeFile(buffer.subarray(0, bytesRead));
    if (done === entry.size) return;
  }
}
