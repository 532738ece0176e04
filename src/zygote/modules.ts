import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LockedPackage } from '../sandbox/lock.ts';

const MODULE = /^([^\W\d_]\w*)(?:\.py|\.[\w-]+\.so|\.so)?$/u;
const NO_MODULES = ['bin', 'share', 'etc', 'include', 'lib', 'man', 'doc', 'docs'];

/** The top-level modules of a package in the store, as far as their names tell; not the private ones. */
export async function modulesIn(storeDir: string, { dir }: LockedPackage): Promise<string[]> {
  const names = await readdir(join(storeDir, dir));
  const modules = names.flatMap((name) => MODULE.exec(name)?.[1] ?? []);
  return [...new Set(modules.filter((name) => !NO_MODULES.includes(name)))].sort();
}
