/** A package version as a lock has it. */
export interface LockedPackage {
  /** In the form of PEP 503: `flask-login`. */
  readonly name: string;
  readonly version: string;
  /** The name of its directory in the store: `flask-login-0.6.3-<what it was made of>`. */
  readonly dir: string;
}

/** The packages that a function finds: exactly these versions, transitive ones included. */
export interface Lock {
  /** sha256 in hex of the rest: the same packages, the same id. */
  readonly id: string;
  /** Sorted by name. */
  readonly packages: readonly LockedPackage[];
  /** What is worth importing ahead: the modules that packages.txt names, or the top-level ones of what it asks for. */
  readonly imports: readonly string[];
}
