import { closeSync, constants, openSync } from 'node:fs';
import { FSXATTR, FSXATTR_BYTES, getFsxattr, setFsxattr } from './fsxattr.ts';
import { check, errnoName, libc } from './libc.ts';

/**
 * Disk quotas by quotactl_fd (Linux 5.14), in the form that all file systems understand which have any: XFS' own commands,
 * which the kernel translates for ext4 and others. Numbers are the same on x86-64 and arm64.
 */
const SYS_QUOTACTL_FD = 443;
const Q_XSETQLIM = 0x5804;
const Q_XGETQSTATV = 0x5808;
const Q_XGETNEXTQUOTA = 0x5809;

export type QuotaKind = 'user' | 'project';
const TYPE = { user: 0, project: 2 } as const;
/** FS_QUOTA_UDQ_ENFD, FS_QUOTA_PDQ_ENFD: limits are enforced, not only counted. */
const ENFORCED = { user: 0x2, project: 0x20 } as const;

/** struct fs_quota_statv, with room for what it may grow by; version and flags are all that we need of it. */
const STATE_BYTES = 256;
const STATE_FLAGS = 2;
/** struct fs_disk_quota. */
const QUOTA_BYTES = 112;
const QUOTA = { fields: 2, id: 4, hardBlocks: 8, hardInodes: 24 } as const;
const VERSION_1 = 1;
const BLOCK_BYTES = 512n;
const FS_DQ_IHARD = 2;
const FS_DQ_BHARD = 8;

const FS_XFLAG_PROJINHERIT = 0x200;

const quotactlC = libc('long syscall(long, unsigned int, unsigned int, unsigned int, void *)');

export interface QuotaLimits {
  readonly bytes: number;
  readonly files: number;
}

/** The kinds of quotas whose limits hold on the file system of the open file `fd`. */
export function enforcedQuotas(fd: number): QuotaKind[] {
  const state = Buffer.alloc(STATE_BYTES);
  state.writeInt8(VERSION_1, 0);
  const result = quotactlC(SYS_QUOTACTL_FD, fd, command(Q_XGETQSTATV, 'user'), 0, state);
  // ENOSYS: the file system has none, or the kernel has not. ESRCH: none is turned on.
  if (result < 0 && ['ENOSYS', 'ESRCH', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL'].includes(errnoName())) return [];
  check(result, 'quotactl_fd', 'Q_XGETQSTATV');
  const flags = state.readUInt16LE(STATE_FLAGS);
  return (['user', 'project'] as const).filter((kind) => (flags & ENFORCED[kind]) !== 0);
}

/** Sets the hard limits of an id on the file system of `fd`; 0 is no limit. */
export function setQuota(fd: number, kind: QuotaKind, id: number, { bytes, files }: QuotaLimits): void {
  const quota = Buffer.alloc(QUOTA_BYTES);
  quota.writeInt8(VERSION_1, 0);
  quota.writeUInt16LE(FS_DQ_IHARD | FS_DQ_BHARD, QUOTA.fields);
  quota.writeUInt32LE(id, QUOTA.id);
  quota.writeBigUInt64LE(BigInt(bytes) / BLOCK_BYTES, QUOTA.hardBlocks);
  quota.writeBigUInt64LE(BigInt(files), QUOTA.hardInodes);
  const result = quotactlC(SYS_QUOTACTL_FD, fd, command(Q_XSETQLIM, kind), id, quota);
  check(result, 'quotactl_fd', `Q_XSETQLIM ${kind} ${id}`);
}

/** The first id from `from` on that has limits, or null for none. */
export function nextLimited(fd: number, kind: QuotaKind, from: number): number | null {
  for (let id = from; ; ) {
    const quota = Buffer.alloc(QUOTA_BYTES);
    const result = quotactlC(SYS_QUOTACTL_FD, fd, command(Q_XGETNEXTQUOTA, kind), id, quota);
    if (result < 0 && ['ENOENT', 'ESRCH'].includes(errnoName())) return null;
    check(result, 'quotactl_fd', `Q_XGETNEXTQUOTA ${kind} ${id}`);
    const found = quota.readUInt32LE(QUOTA.id);
    const limits = quota.readBigUInt64LE(QUOTA.hardBlocks) + quota.readBigUInt64LE(QUOTA.hardInodes);
    if (limits > 0n) return found;
    id = found + 1;
  }
}

/** Counts a directory, and what is made in it from now on, to a project. It must not be a link. */
export function setProject(dir: string, project: number): void {
  const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const attributes = Buffer.alloc(FSXATTR_BYTES);
    check(getFsxattr(fd, attributes), 'ioctl FS_IOC_FSGETXATTR', dir);
    attributes.writeUInt32LE(attributes.readUInt32LE(FSXATTR.flags) | FS_XFLAG_PROJINHERIT, FSXATTR.flags);
    attributes.writeUInt32LE(project, FSXATTR.project);
    check(setFsxattr(fd, attributes), 'ioctl FS_IOC_FSSETXATTR', dir);
  } finally {
    closeSync(fd);
  }
}

function command(name: number, kind: QuotaKind): number {
  return ((name << 8) | TYPE[kind]) >>> 0;
}
