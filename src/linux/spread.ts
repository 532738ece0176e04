import { closeSync, constants, openSync } from 'node:fs';
import { ioctl } from './ioctl.ts';
import { check, errnoName } from './libc.ts';

/** `chattr +T`: numbers are the same on x86-64 and arm64. */
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_TOPDIR_FL = 0x20000;

/**
 * Tells an ext4 that directories in this one have nothing to do with each other: it puts each, and what is in it, somewhere else on the
 * disk. So they do not share a table of inodes, in which a new one is looked for beyond each that was freed within the last minute
 * (without a journal, that is), or a lock. Other file systems do so by themselves, or can't: then nothing changes.
 */
export function spreadDirectoriesIn(dir: string): void {
  const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const flags = Buffer.alloc(4);
    if (isUnknown(ioctl(fd, FS_IOC_GETFLAGS, flags), dir)) return;
    flags.writeUInt32LE((flags.readUInt32LE() | FS_TOPDIR_FL) >>> 0);
    isUnknown(ioctl(fd, FS_IOC_SETFLAGS, flags), dir);
  } finally {
    closeSync(fd);
  }
}

/** Throws ERR_SYSCALL where the call has failed for another reason than that the file system has no such flags. */
function isUnknown(result: number, dir: string): boolean {
  if (result < 0 && ['ENOTTY', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL'].includes(errnoName())) return true;
  check(result, 'ioctl', dir);
  return false;
}
