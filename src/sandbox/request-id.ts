import { randomBytes } from 'node:crypto';

const ID_CHARS = 8;
/** Asking the system takes longer than all the rest of a request's head: so it is asked for many at once. */
const IDS_AT_ONCE = 1024;
let chars = '';
let used = 0;

/** Some characters that nobody can guess, and that no other request of late has had: `[0-9a-f]{8}`. */
export function nextRequestId(): string {
  if (used === chars.length) {
    chars = randomBytes((IDS_AT_ONCE * ID_CHARS) / 2).toString('hex');
    used = 0;
  }
  used += ID_CHARS;
  return chars.slice(used - ID_CHARS, used);
}
