/** The bounds of one sandbox. 0 means no bound. */
export interface CgroupLimits {
  readonly memoryMb: number;
  /** Processes and threads together. */
  readonly pids: number;
  /** Of one core: 150 is one and a half cores. */
  readonly cpuPercent: number;
}

/** How often a bound was hit since the cgroup was made or reset. */
export interface CgroupHits {
  /** Processes that the kernel ended because memory was used up: this cgroup's, that of all together, or the machine's. */
  readonly oomKills: number;
  /** Above 0 where it was this cgroup's own limit that stood in the way of more memory. */
  readonly memoryRefused: number;
  /** Forks and threads that the kernel refused. */
  readonly pidsRefused: number;
}

/**
 * How a process gets in. `write-self`: it writes "0" to each of the descriptors, in their order, while it has one thread.
 * `clone-into`: its parent clones it with CLONE_INTO_CGROUP and the first descriptor, and it writes to the others, if there
 * are any. Dispose of it as soon as the descriptors were sent.
 */
export interface CgroupEntry extends Disposable {
  readonly kind: 'write-self' | 'clone-into';
  readonly fds: readonly number[];
}

/**
 * A group of processes with bounds, which can be paused and ended together. Nothing but `destroy` may be called once
 * `destroy` was. A cgroup keeps one descriptor open. What the kernel refuses throws ERR_CGROUP.
 */
export interface Cgroup {
  readonly name: string;

  /** Any kind that is the driver's own, or `write-self`, which every driver has: the parent needs no rights for it. */
  openEntry(kind?: 'write-self'): CgroupEntry;

  /** Holds from now on, also for what is in there already. Limits that are set already cost nothing. */
  setLimits(limits: CgroupLimits): void;

  /**
   * Stops every process in it, also those that get in later. The order is given before this returns; the promise
   * resolves when all have stopped, or when `unpause` or `destroy` came in between. Pausing what is paused does nothing.
   * Rejects with ERR_CGROUP_PAUSE where a process does not stop for seconds.
   */
  pause(): Promise<void>;

  /** Lets them go on. Unpausing what runs does nothing. */
  unpause(): void;

  /** Memory that is used now. Some microseconds. */
  memoryKb(): number;

  hits(): CgroupHits;

  /** The `pidsRefused` of `hits`, for who looks often: ten microseconds. */
  forksRefused(): number;

  /**
   * Sends SIGKILL to all in it, paused or not; does not wait. Where the kernel has no `cgroup.kill`, a process may fork
   * while they are killed one by one, so nothing can be forked in it from then on until `reset`.
   */
  killAll(): void;

  /** True when no process is in it. A zombie does not count. */
  isEmpty(): boolean;

  /** Makes a used cgroup that is empty like a new one with the same limits. */
  reset(): Promise<void>;

  /**
   * Ends what is in it and removes it; resolves when it is gone. Rejects with ERR_CGROUP_BUSY where processes do not go
   * for seconds. Can be called again.
   */
  destroy(): Promise<void>;
}

/** All cgroups of a worker together: the group that is the worker's own. */
export interface WholeGroup {
  /**
   * The most memory that all together may use, from now on; 0 is no bound. Where the kernel can make no room within it,
   * it ends the largest process in there.
   */
  setMemoryMb(mb: number): void;
  /** What all use now, with the files that the kernel keeps in memory for them. Some microseconds. */
  memoryKb(): number;
  /** How much of that is files which nobody has used for a while: the kernel takes it back before it ends anything. */
  reclaimableKb(): number;
  /** Null where no v2 tree counts it. */
  readonly cpuTime: CpuClock | null;
}

export interface CpuClock {
  /** CPU time of all cores together that all have used, those too that are gone. Some microseconds. */
  us(): number;
}

/** Makes cgroups for one worker, below a group that is the worker's own. */
export interface CgroupDriver {
  readonly kind: 'v1' | 'v2';
  /** For the log: what is mounted, and why this driver was chosen. */
  readonly why: string;
  /**
   * The directories that are the worker's own. Keep them where they outlive the worker: `removeGroups` takes them, where
   * a worker was killed and the next one is started from another group.
   */
  readonly dirs: readonly string[];
  readonly whole: WholeGroup;

  /** A new cgroup without limits. Its name is a file name, and no other cgroup of this worker has it. */
  create(name: string): Cgroup;

  /** Ends and removes what an earlier worker of the same name has left in the same place. Call it before `create`. */
  removeLeftovers(): Promise<void>;

  /** Ends and removes all that it made, and the worker's own group. */
  close(): Promise<void>;
}
