/** What reading in `/proc/<pid>` says of a process that has ended: before the file was opened, or after. */
export function isProcessGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}
