import { ioctl } from './ioctl.ts';

/** struct fsxattr by its two ioctls: flags and project of an inode. The same on x86-64 and arm64. */
const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;

export const FSXATTR_BYTES = 28;
/** Where its fields are. `extents` changes with the content. */
export const FSXATTR = { flags: 0, extents: 8, project: 12 } as const;

/** Below 0 where the kernel refuses: look at `errnoName`. */
export function getFsxattr(fd: number, attributes: Buffer): number {
  return ioctl(fd, FS_IOC_FSGETXATTR, attributes);
}

/** As `getFsxattr`. */
export function setFsxattr(fd: number, attributes: Buffer): number {
  return ioctl(fd, FS_IOC_FSSETXATTR, attributes);
}
