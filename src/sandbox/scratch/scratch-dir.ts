import {
  chmodSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { attributesOf } from '../../linux/inode.ts';
import { removeTree } from '../../linux/remove-tree.ts';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

export const SOCKET = 'server_pipe';
/** What `print` writes to. They are there before the sandbox is, and stay for the next one. */
const OUTPUTS = ['stderr', 'stdout'];
const CONTENT = [SOCKET, ...OUTPUTS];

/**
 * A scratch directory on the host, for one user after another of the same uid: making its inodes anew for each sandbox
 * costs more than everything else that the worker does for it (ext4 looks past each inode that was freed within the last
 * minute). Between two users it is made like new, or, where that is not certain, removed.
 */
export class ScratchDir {
  readonly uid: number;
  readonly #home: string;
  #dir: string;
  /** As they were made: the directory and its outputs. */
  readonly #born: readonly string[];
  readonly #bornSize: number;

  /**
   * Makes `home`, which must not exist yet, for the sandboxes whose user is `uid`. `bound` is called for it before anything
   * is made in it. Leaves nothing when it fails.
   */
  constructor(home: string, uid: number, bound: (dir: string) => void = () => {}) {
    using undo = new DisposableStack();
    this.uid = uid;
    this.#home = home;
    this.#dir = home;
    mkdirSync(home, { mode: 0o700 });
    undo.defer(() => rmSync(home, { recursive: true }));
    bound(home);
    for (const name of OUTPUTS) makeOutput(`${home}/${name}`, uid);
    chmodSync(home, 0o700);
    using dir = openDirectory(home);
    fchownSync(dir.fd, uid, uid);
    this.#bornSize = fstatSync(dir.fd).size;
    this.#born = [attributesOf(dir.fd), ...OUTPUTS.map((name) => attributesOfOutput(`${home}/${name}`))];
    undo.move();
  }

  get path(): string {
    return this.#dir;
  }

  /** Gives it another name; the sandbox, which has it mounted, does not notice. Makes the directory around it. */
  moveTo(dir: string): void {
    try {
      renameSync(this.#dir, dir);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      mkdirSync(dirname(dir), { recursive: true, mode: 0o755 });
      renameSync(this.#dir, dir);
    }
    this.#dir = dir;
  }

  /**
   * Makes it as it was when it was made, and gives it its first name. False where what was left in it makes that uncertain:
   * then it is of no more use. No process may use it any more. Follows no link.
   */
  renew(): boolean {
    using dir = openDirectory(this.#dir);
    const here = `/proc/self/fd/${dir.fd}`;
    if (readdirSync(here).some((name) => !CONTENT.includes(name))) return false;
    if (!this.#isDirectoryAsBorn(dir.fd)) return false;
    for (const [index, name] of OUTPUTS.entries()) {
      if (!renewOutput(`${here}/${name}`, this.#born[index + 1] ?? '')) return false;
    }
    if (!unlinkSocket(`${here}/${SOCKET}`)) return false;
    touch(dir.fd);
    this.moveTo(this.#home);
    return true;
  }

  /** Removes it when no process uses it any more; follows no link. */
  async remove(): Promise<void> {
    await removeTree(this.#dir);
  }

  /** A directory that has held many files stays large on ext4, and so tells of them. */
  #isDirectoryAsBorn(fd: number): boolean {
    return fstatSync(fd).size === this.#bornSize && attributesOf(fd) === this.#born[0];
  }
}

interface Open extends Disposable {
  readonly fd: number;
}

function opened(path: string, flags: number, mode?: number): Open {
  const fd = openSync(path, flags | O_NOFOLLOW, mode);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

export function openDirectory(path: string): Open {
  return opened(path, O_RDONLY | O_DIRECTORY);
}

function makeOutput(path: string, uid: number): void {
  using file = opened(path, O_WRONLY | O_CREAT | O_EXCL, 0o644);
  fchownSync(file.fd, uid, uid);
}

function attributesOfOutput(path: string): string {
  using file = opened(path, O_RDONLY);
  return attributesOf(file.fd);
}

/** False where it is not the file that was made, or has anything that it did not have then. */
function renewOutput(path: string, born: string): boolean {
  try {
    // Never waits for the other end of what may be a FIFO by now.
    using file = opened(path, O_WRONLY | O_NONBLOCK);
    if (attributesOf(file.fd) !== born) return false;
    const { size, blocks } = fstatSync(file.fd);
    if (size + blocks > 0) ftruncateSync(file.fd);
    touch(file.fd);
    return true;
  } catch (error) {
    // Gone, a link, a FIFO or socket, a directory.
    if (['ENOENT', 'ELOOP', 'ENXIO', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return false;
    throw error;
  }
}

/** Times are a message, too. */
function touch(fd: number): void {
  const now = new Date();
  futimesSync(fd, now, now);
}

/** Whatever stands in its place goes as well; false where that is a directory. */
function unlinkSocket(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'EISDIR') return false;
    throw error;
  }
}
