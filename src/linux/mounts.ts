import { closeSync } from 'node:fs';
import { check, libc } from './libc.ts';

/**
 * Detached mounts: a mount held by a descriptor alone. It is in no mount table, goes to another process with
 * SCM_RIGHTS, can be attached there once with move_mount, and is gone when its last descriptor closes.
 * The system call numbers are the same on x86-64 and arm64.
 */
const SYS_OPEN_TREE = 428;
const SYS_MOUNT_SETATTR = 442;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_SYMLINK_NOFOLLOW = 0x100;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;

const MOUNT_ATTR_RDONLY = 0x1n;
const MOUNT_ATTR_NOSUID = 0x2n;
const MOUNT_ATTR_NODEV = 0x4n;

const openTreeC = libc('long syscall(long, int, const char *, uint32_t)');
const mountSetattrC = libc('long syscall(long, int, const char *, uint32_t, void *, size_t)');

/** struct mount_attr: four 64-bit fields: set, clear, propagation, userns_fd. */
function mountAttr(set: bigint): Buffer {
  const attr = Buffer.alloc(32);
  attr.writeBigUInt64LE(set, 0);
  return attr;
}

const WRITABLE = mountAttr(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
const READ_ONLY = mountAttr(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY);

/**
 * A detached mount of the directory or file at `path` (a link there is not followed), always nosuid and nodev.
 * The caller closes the descriptor.
 */
export function detachedMount(path: string, access: 'read-only' | 'writable'): number {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW;
  const fd = check(openTreeC(SYS_OPEN_TREE, AT_FDCWD, path, flags), 'open_tree', path);
  try {
    const attr = access === 'read-only' ? READ_ONLY : WRITABLE;
    const result = mountSetattrC(SYS_MOUNT_SETATTR, fd, '', AT_EMPTY_PATH, attr, attr.length);
    check(result, 'mount_setattr', path);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The same, read-only; it is closed when it is disposed of. */
export function readOnlyMount(path: string): Disposable & { readonly fd: number } {
  const fd = detachedMount(path, 'read-only');
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}
