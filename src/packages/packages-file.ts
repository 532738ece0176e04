import { OlError } from '../errors.ts';

const MAX_BYTES = 64 * 1024;

/** The text of a `packages.txt`; `name` is the function's. Throws ERR_PACKAGES_FILE where it is too large to be one. */
export function packagesText(bytes: Buffer, name: string): string {
  if (bytes.length <= MAX_BYTES) return bytes.toString();
  const reason = `the file is larger than ${MAX_BYTES} bytes`;
  throw new OlError('ERR_PACKAGES_FILE', { name, line: 1, reason });
}
