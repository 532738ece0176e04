/** Stops and ends all processes of one cgroup. */
export interface Freezer {
  /** The directory whose processes it is about. */
  readonly dir: string;
  /** Gives the order; `isFrozen` tells when it has been carried out. */
  freeze(): void;
  thaw(): void;
  /** True when all are stopped. Asked again and again until then. */
  isFrozen(): boolean;
  /** Kills all at once, frozen or not; false where the kernel cannot. */
  killAtOnce(): boolean;
  /** True where a frozen process only dies once it is thawed. */
  readonly mustThawToKill: boolean;
  close(): void;
}
