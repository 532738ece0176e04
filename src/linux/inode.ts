import { fstatSync } from 'node:fs';
import { check, errnoName, libc } from './libc.ts';

const flistxattrC = libc('long flistxattr(int, void *, size_t)');
const ioctlC = libc('int ioctl(int, unsigned long, void *)');

/** _IOR('X', 31, struct fsxattr); the same on x86-64 and arm64. */
const FS_IOC_FSGETXATTR = 0x801c581f;
const FSXATTR_BYTES = 28;
/** fsx_nextents, which content changes. */
const EXTENTS_AT = 8;
const XATTR_NAMES_BYTES = 1024;

/**
 * All that an open file or directory has beside its content and times, as text: what it is, whose, its mode and links,
 * the names of its extended attributes (access lists are among them), its flags (`chattr`) and project. Two of these are
 * equal where nothing of it was changed.
 */
export function attributesOf(fd: number): string {
  const { ino, mode, uid, gid, nlink } = fstatSync(fd);
  return [ino, mode, uid, gid, nlink, xattrNames(fd), flags(fd)].join(' ');
}

function xattrNames(fd: number): string {
  const names = Buffer.alloc(XATTR_NAMES_BYTES);
  const length = flistxattrC(fd, names, names.length);
  if (length < 0 && ['EOPNOTSUPP', 'ENOTSUP'].includes(errnoName())) return '';
  if (length < 0 && errnoName() === 'ERANGE') return 'too many';
  return names.toString('latin1', 0, check(length, 'flistxattr', `descriptor ${fd}`));
}

function flags(fd: number): string {
  const attr = Buffer.alloc(FSXATTR_BYTES);
  // A file system that has no such flags can't have them changed.
  if (ioctlC(fd, FS_IOC_FSGETXATTR, attr) < 0 && ['ENOTTY', 'EOPNOTSUPP', 'ENOTSUP'].includes(errnoName())) {
    return '';
  }
  attr.writeUInt32LE(0, EXTENTS_AT);
  return attr.toString('hex');
}
