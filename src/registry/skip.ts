/**
 * What is in a function's directory and is not its code: it is neither copied nor does a change of it count.
 *
 * - `__pycache__`, `*.pyc`: made by an interpreter on the side; the runtime compiles the code itself
 * - `.git`: large, and nothing that a function needs
 * - swap, lock and backup files of vim, emacs and the JetBrains editors: vim keeps its swap file open for writing as
 *   long as the file is in the editor, which would look like an edit that never ends
 */
const SKIPPED = new Set(['__pycache__', '.git', '4913']);
const SKIPPED_PATTERN = /\.pyc$|^\..*\.sw[a-px]$|^\.#|^#.*#$|~$|___jb_(?:tmp|old)___$/;

/** True for the name of a file or directory that stays out of the copy. */
export function isSkipped(name: string): boolean {
  return SKIPPED.has(name) || SKIPPED_PATTERN.test(name);
}
