import { OlError } from '../../errors.ts';
import type { ContainerEnd } from './container.ts';

const OLDEST_MINOR = 9;

/**
 * What compiled files and binary packages depend on, from what `container.py about` has printed: `3.11 cpython-311`. Throws
 * ERR_DOCKER_IMAGE.
 */
export function readInterpreter(image: string, end: ContainerEnd, stdout: string, stderr: string): string {
  const [, minor, cacheTag] = /^3\.(\d+) ([\w-]+)$/.exec(stdout) ?? [];
  if (end.code !== 0 || minor === undefined || cacheTag === undefined) {
    const how = end.signal ?? `exit code ${end.code}`;
    throw refusedImage(image, `its Python does not run (${how}): ${stderr.split('\n').at(-1) || stdout}`);
  }
  if (Number(minor) < OLDEST_MINOR)
    throw refusedImage(image, `its Python is 3.${minor}, and 3.${OLDEST_MINOR} or newer is needed`);
  return `${cacheTag}-${process.arch}`;
}

export function refusedImage(image: string, reason: string, cause?: unknown): OlError {
  return new OlError('ERR_DOCKER_IMAGE', { image, reason }, { cause });
}
