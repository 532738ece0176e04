import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  type Stats,
} from 'node:fs';
import { cp, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { openBeneath } from '../linux/beneath.ts';

/** A package that has what no package needs. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

/** So many files are looked at before others get their turn: about a millisecond. */
const SLICE = 64;
const MAX_PATH = 1024;
const OUT = Buffer.from('out\0');
const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;

/**
 * Moves the directory `out/<name>` of a scratch directory whose sandbox is gone to `target`. Whoever has made it may have
 * put a link anywhere: none is followed. Throws a Refusal where there is no such directory.
 */
export async function moveOut(scratchDir: string, name: string, target: string): Promise<void> {
  const root = openSync(scratchDir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const out = openBeneath(root, OUT);
    if (out === null) throw new Refusal('its installation made nothing');
    try {
      await move(`/proc/self/fd/${out}/${name}`, target);
    } finally {
      closeSync(out);
    }
  } finally {
    closeSync(root);
  }
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Refusal('its installation made nothing', { cause: error });
    if (code !== 'EXDEV') throw error;
    await cp(from, to, { recursive: true, verbatimSymlinks: true });
  }
}

/**
 * Makes a package's directory root's own, that all may read and nobody may change, and checks what is in it meanwhile.
 * No process may use it any more but this one. Throws a Refusal.
 */
export async function takeOver(dir: string): Promise<void> {
  if (!lstatSync(dir).isDirectory()) throw new Refusal('its installation made no directory');
  let seen = 0;
  const left = [dir];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    const found = lstatSync(path);
    if (found.isDirectory()) for (const name of readdirSync(path)) left.push(join(path, checkedName(name)));
    if (path.length - dir.length > MAX_PATH) throw new Refusal('it has too long a path in it');
    own(path, found, path.slice(dir.length + 1));
    if (++seen % SLICE === 0) await setImmediate();
  }
  if (!readdirSync(dir).some((name) => name.endsWith('.dist-info')))
    throw new Refusal('it has no metadata (a .dist-info directory)');
}

function own(path: string, found: Stats, shown: string): void {
  if (!found.isDirectory() && !found.isFile())
    throw new Refusal(`${JSON.stringify(shown)} in it is neither a file nor a directory`);
  // Taken from its maker first, with setuid and the like: then nobody but us can change it again.
  chownSync(path, 0, 0);
  const isProgram = found.isDirectory() || (found.mode & 0o100) !== 0;
  chmodSync(path, isProgram ? 0o755 : 0o644);
}

/** One that is not UTF-8 can't be asked for by the text that we read it as. */
function checkedName(name: string): string {
  if (name.includes('\ufffd')) throw new Refusal('it has a file name that is not UTF-8');
  return name;
}
