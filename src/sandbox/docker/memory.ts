/** What is known of the memory of a container, now. */
export interface MemoryOfContainer {
  /** 0 when it is gone. */
  kb(): number;
  /** How much of it the kernel takes back by itself. */
  reclaimableKb(): number;
  close(): void;
}
