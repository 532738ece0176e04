import { closeSync, constants, openSync, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type FileStatus, isTooDeep, openBeneath, readNames, statIn } from '../../linux/beneath.ts';
import { deviceName } from '../../linux/device.ts';
import { heldFiles } from './held-files.ts';

/** What a scratch directory may hold. */
export interface ScratchLimits {
  readonly bytes: number;
  /** Files, directories and all else that has a name. */
  readonly files: number;
}

const BYTES_PER_MB = 1024 * 1024;

export function scratchLimits(maxMb: number, maxFiles: number): ScratchLimits {
  return { bytes: maxMb * BYTES_PER_MB, files: maxFiles };
}

/** What takes space, or a part of it; not all of it where one of the limits is exceeded. */
export interface ScratchUsage {
  readonly bytes: number;
  readonly files: number;
}

/** What has a name in a scratch directory. */
export interface TreeUsage extends ScratchUsage {
  /** When a name in it last came or went, in ns. */
  readonly changed: bigint;
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
/** A hundred names or two: looking at them takes less than half a millisecond, and then others get their turn. */
const BUFFER_BYTES = 4096;
const HERE = Buffer.from('.\0');

/**
 * Counts what is in the scratch directory `dir`. It stops at the limits, so it never takes longer for a sandbox that has
 * more. No link is followed, and no path that the sandbox could turn into another one meanwhile. A directory that is moved
 * while it is looked at may be missed once.
 */
export async function measureTree(dir: string, limits: ScratchLimits): Promise<TreeUsage> {
  const root = openSync(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const count = new Count(limits);
    await addTree(root, count);
    return count;
  } finally {
    closeSync(root);
  }
}

/**
 * Counts what the sandbox whose first process is `pid` has removed from its scratch directory `dir` and keeps open or mapped.
 * How long that takes is for the sandbox to say: it may have to wait for each of its processes.
 * Once `isOver` says so, it does not go on.
 */
export async function measureHeld(
  dir: string,
  pid: number,
  limits: ScratchLimits,
  isOver: () => boolean = () => false,
): Promise<ScratchUsage> {
  const count = new Count(limits);
  const device = deviceName(statSync(dir, { bigint: true }).dev);
  const seen = new Set<bigint>();
  for await (const file of heldFiles(pid, isOver)) {
    if (file.device !== device || seen.has(file.inode)) continue;
    seen.add(file.inode);
    count.addHeld(file.bytes);
    if (count.isOver) break;
  }
  return count;
}

async function addTree(root: number, count: Count): Promise<void> {
  // One for each look: several may be under way.
  const buffer = Buffer.alloc(BUFFER_BYTES);
  const left: Buffer[] = [HERE];
  count.noteChange(statIn(root, HERE)?.changed ?? 0n);
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    const found = openDirectory(root, path, count);
    if (found === null) continue;
    try {
      for (let names = readNames(found, buffer); names !== null; names = readNames(found, buffer)) {
        for (const name of names) {
          const file = statIn(found, name);
          if (file === null) continue;
          count.add(file);
          if (file.isDirectory) left.push(join(path, name));
        }
        if (count.isOver) return;
        if (names.length > 0 && count.files > SMALL) await setImmediate();
      }
    } finally {
      closeSync(found);
    }
  }
}

/** What is no more than this is looked at in one go. */
const SMALL = 50;

function openDirectory(root: number, path: Buffer, count: Count): number | null {
  try {
    return openBeneath(root, path);
  } catch (error) {
    if (!isTooDeep(error)) throw error;
    // Nobody needs directories that deep; we could not tell what is in them.
    count.exceed();
    return null;
  }
}

/** `name` ends in the first NUL, and may have more behind it. */
function join(path: Buffer, name: Buffer): Buffer {
  return Buffer.concat([path.subarray(0, -1), Buffer.from('/'), name.subarray(0, name.indexOf(0) + 1)]);
}

class Count implements TreeUsage {
  readonly #limits: ScratchLimits;
  bytes = 0;
  files = 0;
  changed = 0n;

  constructor(limits: ScratchLimits) {
    this.#limits = limits;
  }

  get isOver(): boolean {
    return this.bytes > this.#limits.bytes || this.files > this.#limits.files;
  }

  /** A file with several names comes once for each: all are in here, because there is nowhere else to link it to. */
  add({ bytes, links, isDirectory, changed }: FileStatus): void {
    this.files++;
    if (isDirectory) this.noteChange(changed);
    this.bytes += isDirectory ? bytes : bytes / Math.max(1, links);
  }

  addHeld(bytes: number): void {
    this.files++;
    this.bytes += bytes;
  }

  noteChange(changed: bigint): void {
    if (changed > this.changed) this.changed = changed;
  }

  exceed(): void {
    this.files = this.#limits.files + 1;
  }
}
