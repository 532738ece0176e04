import { closeSync, constants, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isOutOfReach } from './out-of-reach.ts';

/** Where the set-up puts it. */
const OWN = fileURLToPath(new URL('../../.cache/uv/uv', import.meta.url));

const ELF = Buffer.from('\x7fELF', 'latin1');

/** The path of uv: the one of the set-up, else one in PATH; null where there is none. */
export function findUv({ PATH = '' }: NodeJS.ProcessEnv): string | null {
  const dirs = PATH.split(delimiter).filter(Boolean);
  const found = [OWN, ...dirs.map((dir) => join(dir, 'uv'))].find(isProgram);
  return found === undefined ? null : realpathSync(found);
}

/** Not a script that stands for it, as version managers have them: nothing that it needs is in a sandbox. */
function isProgram(path: string): boolean {
  try {
    return (statSync(path).mode & constants.S_IXOTH) !== 0 && startsAs(path, ELF);
  } catch (error) {
    if (isOutOfReach(error)) return false;
    throw error;
  }
}

function startsAs(path: string, magic: Buffer): boolean {
  const fd = openSync(path, 'r');
  try {
    const start = Buffer.alloc(magic.length);
    readSync(fd, start, 0, magic.length, 0);
    return start.equals(magic);
  } finally {
    closeSync(fd);
  }
}
