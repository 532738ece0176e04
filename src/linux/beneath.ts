import { constants } from 'node:fs';
import { isOlError } from '../errors.ts';
import { check, errnoName, libc } from './libc.ts';

/**
 * Looks at files below a directory that somebody else changes meanwhile, and may want to lead us out of it. Names are
 * bytes that end in NUL, as the kernel gives them. The numbers of openat2 and what it is told are the same on x86-64 and
 * arm64.
 */
const SYS_OPENAT2 = 437;
const RESOLVE_NO_XDEV = 0x1n;
const RESOLVE_NO_MAGICLINKS = 0x2n;
const RESOLVE_NO_SYMLINKS = 0x4n;
const RESOLVE_BENEATH = 0x8n;
/** struct open_how: flags, mode, resolve. */
const HOW = bigints(
  BigInt(constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW) | 0o2000000n, // O_CLOEXEC
  0n,
  RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
);

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BASIC_STATS = 0x7ff;
/** struct statx, and where in it the fields are that we read. */
const STATX_BYTES = 256;
const STATX = {
  nlink: 16,
  mode: 28,
  inode: 32,
  blocks: 48,
  changed: 96,
  deviceMajor: 136,
  deviceMinor: 140,
} as const;
const BLOCK_BYTES = 512;
const S_IFMT = 0xf000;
const S_IFDIR = 0x4000;

/** struct linux_dirent64: inode, offset, length of the record, type, name. */
const ENTRY = { length: 16, name: 19 } as const;
const [DOT, NUL] = [0x2e, 0];

const openat2C = libc('long syscall(long, int, const void *, const void *, size_t)');
const getdentsC = libc('long getdents64(int, void *, size_t)');
const statxC = libc('int statx(int, const void *, int, uint32_t, void *)');

function bigints(...values: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length);
  for (const [at, value] of values.entries()) bytes.writeBigUInt64LE(value, 8 * at);
  return bytes;
}

/** What went away or was replaced between being listed and being looked at. */
const MOVED = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV', 'EAGAIN'];

/**
 * The descriptor of a directory below the one at `root`, with no link followed on the way; null where it is not there
 * any more. The caller closes it. Throws ERR_SYSCALL; ENAMETOOLONG where it is too deep for a path.
 */
export function openBeneath(root: number, path: Buffer): number | null {
  const fd = openat2C(SYS_OPENAT2, root, path, HOW, HOW.length);
  if (fd < 0 && MOVED.includes(errnoName())) return null;
  return check(fd, 'openat2', path.toString());
}

export function isTooDeep(error: unknown): boolean {
  return isOlError(error, 'ERR_SYSCALL') && error.fields.errno === 'ENAMETOOLONG';
}

/**
 * Some of the names in an open directory, without `.` and `..`; null at its end. They are views of `buffer`, valid until
 * it is used again.
 */
export function readNames(dir: number, buffer: Buffer): Buffer[] | null {
  const length = getdentsC(dir, buffer, buffer.length);
  // It was removed while it was open.
  if (length === 0 || (length < 0 && errnoName() === 'ENOENT')) return null;
  check(length, 'getdents64', `descriptor ${dir}`);
  const names: Buffer[] = [];
  for (let at = 0; at < length; at += buffer.readUInt16LE(at + ENTRY.length)) {
    const name = buffer.subarray(at + ENTRY.name, at + buffer.readUInt16LE(at + ENTRY.length));
    if (!isDots(name)) names.push(name);
  }
  return names;
}

function isDots(name: Buffer): boolean {
  return name[0] === DOT && (name[1] === NUL || (name[1] === DOT && name[2] === NUL));
}

export interface FileStatus {
  /** On the disk, at most until the next call. */
  readonly bytes: number;
  readonly isDirectory: boolean;
  /** How many names it has; 0 for a file that was removed and is still open. */
  readonly links: number;
  /** When its status, or for a directory the names in it, last changed (ctime): ns, to some ms. */
  readonly changed: bigint;
  /** Of the file, and of the file system that it is on. */
  readonly inode: bigint;
  readonly device: string;
}

const status = Buffer.alloc(STATX_BYTES);

/** A file in an open directory, not what it may link to; null where it is not there any more. */
export function statIn(dir: number, name: Buffer): FileStatus | null {
  return stat(dir, name, AT_SYMLINK_NOFOLLOW);
}

/** What one of the kernel's own links stands for, `/proc/<pid>/fd/<n>` for one; null where that is not there any more. */
export function statThrough(path: string): FileStatus | null {
  return stat(AT_FDCWD, Buffer.from(`${path}\0`), 0);
}

function stat(dir: number, name: Buffer, flags: number): FileStatus | null {
  const result = statxC(dir, name, flags, STATX_BASIC_STATS, status);
  if (result < 0 && [...MOVED, 'ESRCH', 'ENXIO'].includes(errnoName())) return null;
  check(result, 'statx', name.toString('latin1').replace(/\0.*/, ''));
  return {
    bytes: Number(status.readBigUInt64LE(STATX.blocks)) * BLOCK_BYTES,
    isDirectory: (status.readUInt16LE(STATX.mode) & S_IFMT) === S_IFDIR,
    links: status.readUInt32LE(STATX.nlink),
    changed: nanoseconds(STATX.changed),
    inode: status.readBigUInt64LE(STATX.inode),
    device: `${status.readUInt32LE(STATX.deviceMajor)}:${status.readUInt32LE(STATX.deviceMinor)}`,
  };
}

/** struct statx_timestamp: 64 bits of seconds, 32 of nanoseconds. */
function nanoseconds(at: number): bigint {
  return status.readBigInt64LE(at) * 1_000_000_000n + BigInt(status.readUInt32LE(at + 8));
}
