import { readFileSync } from 'node:fs';
import { OlError } from '../errors.ts';

/** The text of a file that the user names. Throws the error with this code where it cannot be read. */
export function readText(path: string, code: 'ERR_CONFIG_INVALID' | 'ERR_FILE_INVALID'): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const { code: errno } = cause as NodeJS.ErrnoException;
    const reason = errno === 'ENOENT' ? 'there is no such file' : `it cannot be read (${errno})`;
    throw new OlError(code, { path, reason }, { cause });
  }
}
