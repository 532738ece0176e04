/** What looking at a path says where there is nothing that we may read: for whoever has other places to look at. */
export function isOutOfReach(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return ['ENOENT', 'ENOTDIR', 'EACCES'].includes(code);
}
