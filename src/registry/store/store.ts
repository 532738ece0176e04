import type { CheckOptions } from '../bundle/check.ts';

/** A function that a registry has. */
export interface StoredFunction {
  readonly name: string;
  /** What it takes there: its files, or its bundle. */
  readonly bytes: number;
  /** When it was last changed, ms since the epoch. */
  readonly changedMs: number;
  /** As `Code.version`; null where the registry does not know, or the code is refused. */
  readonly version: string | null;
  /** Why a worker could not use it, as far as that is known here. */
  readonly problem: string | null;
}

export type PutOptions = Pick<CheckOptions, 'checkPackages'>;

/**
 * What an operator does to a registry, whatever it keeps functions in: held to `describeStoreContract`. A worker that
 * pulls meanwhile gets the whole of what was there before, or the whole of what is there afterwards.
 *
 * Names that no function can have are ERR_BAD_NAME. What the server of a bucket refuses or does not answer is
 * ERR_REGISTRY_STORE.
 */
export interface Store {
  /** The directory, or server and bucket: for messages. */
  readonly place: string;
  /** In the order of their names. What else is there is left out. */
  list(): Promise<readonly StoredFunction[]>;
  /**
   * Puts a .tar.gz there, in the place of an older one, and returns its version. It is checked first as a worker checks
   * it when it pulls; throws ERR_BUNDLE_REFUSED and what `checkPackages` throws, and then the registry is what it was.
   */
  put(name: string, file: string, options?: PutOptions): Promise<string>;
  /** Writes a function's .tar.gz to a new file. Throws ERR_NOT_STORED; what was begun is left to the caller then. */
  get(name: string, file: string): Promise<void>;
  /** Throws ERR_NOT_STORED. */
  remove(name: string): Promise<void>;
  close(): void;
}
