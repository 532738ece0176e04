/** One version of a function's code. */
export interface Code {
  /** The function's name. */
  readonly name: string;
  /** sha256 of the content, in hex: the same files give the same version. */
  readonly version: string;
  /**
   * Absolute path of a complete copy of the function's directory that never changes; but an engine may add what an
   * interpreter makes of it (`__pycache__`).
   */
  readonly dir: string;
}

/**
 * Where function code comes from. Held to `describeRegistryContract`, whatever the code is kept in.
 *
 * Ownership: the version that `pull` answers stays on disk until a newer one takes its place. Whoever uses it for longer
 * (a sandbox that has it mounted) retains it; a version that is neither the newest nor retained is removed.
 */
export interface Registry {
  /**
   * The newest complete code of a function. An edit that ended before the call is seen. Answers at once, without a
   * promise and with the same object as before, where nothing has changed.
   *
   * Throws, or rejects with: ERR_BAD_NAME; ERR_NO_FUNCTION; ERR_CODE_BUSY where the first version is not written
   * completely yet; ERR_CODE_REFUSED where the code holds what can't be copied; ERR_SHUTTING_DOWN after `close`.
   */
  pull(name: string): Code | Promise<Code>;

  /**
   * Keeps a version on disk until the function that this returns is called, which may be done more than once. Call it
   * before anything else is awaited after `pull`: a version that is gone already is ERR_INTERNAL.
   */
  retain(code: Code): () => void;

  /** Ends what is under way. The copies stay, for sandboxes that still use them. May be called more than once. */
  close(): Promise<void>;
}
