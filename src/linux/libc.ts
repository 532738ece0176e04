import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';
import { OlError } from '../errors.ts';

/**
 * libc by FFI: the one seam between Node and the system calls that Node does not offer. Every call either returns its
 * result or throws ERR_SYSCALL with the call's name, the errno's name and what it was called on.
 */
const lib = koffi.load('libc.so.6');

/** A C function whose result is an integer that a double holds exactly. */
export type CFunction = (...args: readonly unknown[]) => number;

/** Declares a libc function from its C prototype. */
export function libc(prototype: string): CFunction {
  return lib.func(prototype);
}

/** The name of the last failed call's errno, `EAGAIN` for one. Valid only right after the call. */
export function errnoName(): string {
  return getSystemErrorName(-koffi.errno());
}

/** Returns the call's result, or throws ERR_SYSCALL where it is negative. `target` is what the call was made on. */
export function check(result: number, call: string, target: string | number): number {
  if (result >= 0) return result;
  throw new OlError('ERR_SYSCALL', { call, errno: errnoName(), target });
}
