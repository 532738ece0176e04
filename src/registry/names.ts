import { OlError } from '../errors.ts';

// No leading dot: `.` and `..` are no names, nor is anything hidden.
const FUNCTION_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;

export function isFunctionName(name: string): boolean {
  return FUNCTION_NAME.test(name);
}

/** Returns the name where it is one that a function can have, else throws ERR_BAD_NAME. */
export function checkFunctionName(name: string): string {
  if (isFunctionName(name)) return name;
  throw new OlError('ERR_BAD_NAME', { name: name.slice(0, 100) });
}
