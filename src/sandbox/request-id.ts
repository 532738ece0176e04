import { randomFillSync } from 'node:crypto';

/** Asking the system takes longer than all the rest of a request's head: so it is asked for many at once. */
const ids = new Uint32Array(1024);
let used = ids.length;

/** Some digits that nobody can guess, and that no other request of late has had. */
export function nextRequestId(): string {
  if (used === ids.length) {
    randomFillSync(ids);
    used = 0;
  }
  return String(ids[used++]);
}
