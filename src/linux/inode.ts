import { fstatSync } from 'node:fs';
import { FSXATTR, FSXATTR_BYTES, getFsxattr } from './fsxattr.ts';
import { check, errnoName, libc } from './libc.ts';

const flistxattrC = libc('long flistxattr(int, void *, size_t)');

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
  if (getFsxattr(fd, attr) < 0 && ['ENOTTY', 'EOPNOTSUPP', 'ENOTSUP'].includes(errnoName())) {
    return '';
  }
  attr.writeUInt32LE(0, FSXATTR.extents);
  return attr.toString('hex');
}
