import { totalmem } from 'node:os';

const BYTES_PER_MB = 1024 * 1024;

/** The memory that this process and its children can have: the machine's, or what the cgroups that it is in leave of it. */
export function availableMemoryMb(): number {
  // 0, or more than there is, where no cgroup bounds it.
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.floor(Math.min(totalmem(), constrained) / BYTES_PER_MB);
}
