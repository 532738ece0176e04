/** The file that makes a directory a function. */
export const HANDLER_FILE = 'lambda_func.py';

/** True where the file, or a link of its name, is among the entries of a function's directory. */
export function hasHandlerFile(
  entries: readonly { readonly path: string; readonly kind: string }[],
): boolean {
  return entries.some(({ path, kind }) => path === HANDLER_FILE && kind !== 'directory');
}
