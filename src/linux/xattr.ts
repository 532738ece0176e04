import { check, errnoName, libc } from './libc.ts';

const getxattrC = libc('long getxattr(const char *, const char *, void *, size_t)');

/** Longer values than this are none of ours. */
const MAX_BYTES = 64;

/** Whether the file has this extended attribute with this value. */
export function hasXattr(path: string, name: string, value: string): boolean {
  const found = Buffer.alloc(MAX_BYTES);
  const length = getxattrC(path, name, found, MAX_BYTES);
  // Not there, not kept by this file system, too long.
  if (length < 0 && ['ENODATA', 'EOPNOTSUPP', 'ENOTSUP', 'ERANGE'].includes(errnoName())) return false;
  check(length, 'getxattr', path);
  return found.toString('utf8', 0, length) === value;
}
