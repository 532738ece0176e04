import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Code } from '../registry/registry.ts';

/** More than that is looked at in no function: what is missed is imported by the function, as ever. */
const MAX_FILES = 32;
const MAX_BYTES = 256 * 1024;
const MAX_MODULES = 200;

const NAME = String.raw`[^\W\d]\w*(?:\.[^\W\d]\w*)*`;
const IMPORT = /^[ \t]*import[ \t]+([^#;\n]+)/gmu;
const FROM = new RegExp(
  String.raw`^[ \t]*from[ \t]+(${NAME})[ \t]+import[ \t]+(?:\(([^)]*)\)|([^#;\n]+))`,
  'gmu',
);
const WHOLE_NAME = new RegExp(`^${NAME}$`, 'u');

/**
 * The modules that a function's code may import, by its import statements: those of `lambda_func.py` and the files beside it,
 * wherever in them. Not more than a hint: a statement in a text counts, `importlib` does not. What is imported from a module may be
 * a module as well, and is listed like one.
 */
export async function importsOfCode({ dir }: Pick<Code, 'dir'>): Promise<string[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.py')).slice(0, MAX_FILES);
  const texts = await Promise.all(names.map((name) => readFile(join(dir, name), 'utf8')));
  const found = texts.filter((text) => text.length <= MAX_BYTES).flatMap(importsIn);
  return [...new Set(found)].sort().slice(0, MAX_MODULES);
}

/** The same of one file's text. */
export function importsIn(text: string): string[] {
  const whole = [...text.matchAll(IMPORT)].flatMap(([, list = '']) => namesIn(list));
  const parts = [...text.matchAll(FROM)].flatMap(([, module = '', inBrackets, list = '']) => [
    module,
    ...namesIn(inBrackets ?? list).map((name) => `${module}.${name}`),
  ]);
  return [...whole, ...parts];
}

/** Of `a.b as c, d`: without what they are called here. */
function namesIn(list: string): string[] {
  return list
    .replace(/#.*$|\\$/gm, '')
    .split(',')
    .map((one) => one.trim().split(/\s/, 1)[0] ?? '')
    .filter((name) => WHOLE_NAME.test(name));
}
