import { MAX_PATH_BYTES } from '../limits.ts';
import { Refused } from './refused.ts';

/** NAME_MAX of Linux's file systems. */
const MAX_NAME_BYTES = 255;
/** U+FFFD is what stands for bytes that are no UTF-8: the local registry takes no file with it in its name. */
const UNSEEN = /\p{Cc}|\ufffd/u;

/**
 * The steps from the top of the bundle to an entry; none for the top itself. `./a`, `a` and `a/` are the same. Throws
 * Refused for a name that leads out, or that no file of a function may have.
 */
export function stepsOf(name: string): readonly string[] {
  if (name === '') throw new Refused(null, 'has an entry without a name: pack it again');
  checkText(name, name);
  // Python's tarfile calls the top so, where it is given no other name for it. It is there already.
  if (name === '/') return [];
  if (name.startsWith('/'))
    throw new Refused(name, 'is an absolute path: pack with `tar czf … -C <directory> .`');
  const steps = name.split('/').filter((step) => step !== '' && step !== '.');
  if (steps.includes('..'))
    throw new Refused(name, "has '..' in its path: pack with `tar czf … -C <directory> .`");
  const long = steps.find((step) => Buffer.byteLength(step) > MAX_NAME_BYTES);
  if (long !== undefined)
    throw new Refused(long, `is a name of more than ${MAX_NAME_BYTES} bytes: shorten it`);
  return steps;
}

/** A name, or what a link leads to. */
export function checkText(text: string, name: string): void {
  if (UNSEEN.test(text)) {
    throw new Refused(name, 'has a control character, or one that is none, in its name: rename it');
  }
  if (Buffer.byteLength(text) > MAX_PATH_BYTES) {
    throw new Refused(name, `is a path of more than ${MAX_PATH_BYTES} bytes: shorten it`);
  }
}
